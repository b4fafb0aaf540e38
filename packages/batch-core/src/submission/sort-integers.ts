import { setImmediate } from "node:timers/promises";

/** Number of integers that are sorted before yielding to the event loop. */
export const sortedAtOnce = 100_000;

/**
 * Sorts integers by a merge sort that yields to the event loop.
 *
 * Performance: a typed array is sorted many times faster than an array with a comparison function.
 */
export async function sortIntegers(integers: readonly number[]): Promise<Float64Array> {
  let runs: Float64Array[] = [];
  for (let start = 0; start < integers.length; start += sortedAtOnce) {
    if (start > 0) await setImmediate();
    runs.push(Float64Array.from(integers.slice(start, start + sortedAtOnce)).sort());
  }
  while (runs.length > 1) {
    const longer: Float64Array[] = [];
    for (let at = 0; at < runs.length; at += 2) {
      await setImmediate();
      longer.push(mergeRuns(runs[at] as Float64Array, runs[at + 1] ?? new Float64Array()));
    }
    runs = longer;
  }
  return runs[0] ?? new Float64Array();
}

/**
 * Returns the distinct integers of a sorted array.
 *
 * Performance: `Array.from` would use the iterator of the typed array, which takes many times longer.
 */
export async function dropRepeated(sorted: Float64Array): Promise<number[]> {
  const distinct: number[] = [];
  for (let index = 0; index < sorted.length; index++) {
    if (index % sortedAtOnce === sortedAtOnce - 1) await setImmediate();
    if (index === 0 || sorted[index] !== sorted[index - 1]) distinct.push(sorted[index] as number);
  }
  return distinct;
}

function mergeRuns(one: Float64Array, other: Float64Array): Float64Array {
  const merged = new Float64Array(one.length + other.length);
  for (let at = 0, left = 0, right = 0; at < merged.length; at++) {
    const isLeft = right === other.length || (left < one.length && (one[left] as number) <= (other[right] as number));
    merged[at] = (isLeft ? one[left++] : other[right++]) as number;
  }
  return merged;
}
