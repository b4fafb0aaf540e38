import { setImmediate } from "node:timers/promises";
import { type Packed, packSorted, readPacked } from "../batch/chunk-codec.ts";
import type { Sink } from "./sink.ts";

/** Integers that are sorted at once: 2 MiB of them, and some 20 ms. */
const segmentSize = 2 ** 18;
/** Chunks after which others have their turn. */
const chunksInARow = 100;

/**
 * Distinct integers, however many: a segment at a time is sorted and packed to a byte or two an id, and the segments are
 * merged while they are read, so that they are never all there unpacked.
 */
export function createIntegerSink(size = segmentSize): Sink<number> {
  const segment = new Float64Array(size);
  let filled = 0;
  let ascending = true;
  let given = 0;
  let packed: Run[] = [];

  function endSegment(): void {
    if (filled === 0) return;
    const values = segment.subarray(0, filled);
    if (!ascending) values.sort();
    let kept = 1;
    for (let at = 1; at < filled; at++) {
      if (values[at] !== values[at - 1]) values[kept++] = values[at] as number;
    }
    packed.push(packSorted(values.subarray(0, kept)));
    filled = 0;
    ascending = true;
  }

  return {
    add(value) {
      if (filled === size) endSegment();
      if (filled > 0 && value < (segment[filled - 1] as number)) ascending = false;
      segment[filled++] = value;
      given++;
    },

    async finish() {
      endSegment();
      if (packed.length > 1) packed = await mergedOnce(packed, segment);
      const total = packed.reduce((sum, { count }) => sum + count, 0);
      return {
        total,
        duplicates: given - total,
        async *chunks(chunkSize) {
          const read = merged(packed);
          const items = new Float64Array(chunkSize);
          for (let made = 1, count = read(items); count > 0; made++, count = read(items)) {
            yield { packed: packSorted(items.subarray(0, count)) };
            if (made % chunksInARow === 0) await setImmediate();
          }
        },
      };
    },

    close() {
      packed = [];
    },
  };
}

/** The same numbers in runs that follow one another, so that they are counted, and quickly read again. */
async function mergedOnce(packed: readonly Run[], scratch: Float64Array): Promise<Run[]> {
  const read = merged(packed);
  const runs: Run[] = [];
  for (let count = read(scratch); count > 0; count = read(scratch)) {
    runs.push(packSorted(scratch.subarray(0, count)));
    await setImmediate();
  }
  return runs;
}

type Run = Pick<Packed, "bytes" | "count">;

/** Reads several ascending runs as one, each number once: fills the array that it is given and answers how far; 0 is the end. */
function merged(packed: readonly Run[]): (into: Float64Array) => number {
  const runs = packed.map(({ bytes }) => readPacked(bytes));
  // A binary heap: the run with the smallest next number is on top.
  const heads = Float64Array.from(runs, (next) => next());
  let size = runs.length;
  let last = Number.NaN;

  function sink(from: number): void {
    const head = heads[from] as number;
    const run = runs[from] as () => number;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      if (child + 1 < size && (heads[child + 1] as number) < (heads[child] as number)) child++;
      if ((heads[child] as number) >= head) break;
      heads[at] = heads[child] as number;
      runs[at] = runs[child] as () => number;
      at = child;
    }
    heads[at] = head;
    runs[at] = run;
  }

  for (let at = Math.floor(size / 2) - 1; at >= 0; at--) sink(at);

  return (into) => {
    let count = 0;
    while (size > 0 && count < into.length) {
      const value = heads[0] as number;
      if (value !== last) {
        into[count++] = value;
        last = value;
      }
      let next = (runs[0] as () => number)();
      if (Number.isNaN(next)) {
        size--;
        if (size === 0) break;
        next = heads[size] as number;
        runs[0] = runs[size] as () => number;
      }
      heads[0] = next;
      sink(0);
    }
    return count;
  };
}
