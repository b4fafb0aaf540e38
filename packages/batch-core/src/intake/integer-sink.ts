import { setImmediate } from "node:timers/promises";
import { type Packed, packSorted, readPacked } from "../batch/chunk-codec.ts";
import type { Sink } from "./sink.ts";

/** Integers per sorted segment: 2 MiB, about 20 ms of work. */
const segmentSize = 2 ** 18;
/** Chunks that are built before yielding to the event loop. */
const chunksInARow = 100;

/**
 * Creates a sink for any number of distinct integers. Each segment is sorted and packed to a byte or two per id. The segments are
 * merged while they are read, so they are never all in memory unpacked.
 */
export function createIntegerSink(size = segmentSize): Sink<number> {
  const segment = new Float64Array(size);
  let filled = 0;
  let ascending = true;
  let added = 0;
  let packed: Run[] = [];

  function endSegment(): void {
    if (filled === 0) return;
    const values = segment.subarray(0, filled);
    if (!ascending) values.sort();
    let distinct = 1;
    for (let at = 1; at < filled; at++) {
      if (values[at] !== values[at - 1]) values[distinct++] = values[at] as number;
    }
    packed.push(packSorted(values.subarray(0, distinct)));
    filled = 0;
    ascending = true;
  }

  return {
    add(value) {
      if (filled === size) endSegment();
      if (filled > 0 && value < (segment[filled - 1] as number)) ascending = false;
      segment[filled++] = value;
      added++;
    },

    async finish() {
      endSegment();
      if (packed.length > 1) packed = await mergedOnce(packed, segment);
      const total = packed.reduce((sum, { count }) => sum + count, 0);
      return {
        total,
        duplicates: added - total,
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

/** Merges runs into consecutive ones, which counts the distinct integers and makes later reads fast. */
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

/** Merges ascending runs. Returns a function that fills an array with the next distinct integers and returns their number; 0 at the end. */
function merged(packed: readonly Run[]): (into: Float64Array) => number {
  const runs = packed.map(({ bytes }) => readPacked(bytes));
  // A binary heap with the run of the smallest next number on top.
  const heads = Float64Array.from(runs, (next) => next());
  let size = runs.length;
  let last = Number.NaN;

  function siftDown(from: number): void {
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

  for (let at = Math.floor(size / 2) - 1; at >= 0; at--) siftDown(at);

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
      siftDown(0);
    }
    return count;
  };
}
