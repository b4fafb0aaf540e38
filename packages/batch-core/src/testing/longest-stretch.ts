import { setImmediate } from "node:timers/promises";

/** A result, with the longest time for which the work blocked the event loop, in milliseconds of CPU time. */
export interface Stretch<Result> {
  result: Result;
  longestMs: number;
}

/**
 * Runs `work` and measures the longest time for which it blocks the event loop. Measures CPU time, so other processes on the machine do
 * not affect the result.
 *
 * @example
 * const { longestMs } = await measureLongestStretch(() => host.batches.retry(id));
 */
export async function measureLongestStretch<Result>(work: () => Promise<Result>): Promise<Stretch<Result>> {
  let working = true;
  let longestMs = 0;
  const watch = async () => {
    for (let before = threadCpuMs(); working; ) {
      await setImmediate();
      const now = threadCpuMs();
      longestMs = Math.max(longestMs, now - before);
      before = now;
    }
  };
  const watching = watch();
  const result = await work().finally(() => {
    working = false;
  });
  // The last stretch ends when the event loop runs again.
  await watching;
  return { result, longestMs };
}

/**
 * Repeats a measurement until it is under `limitMs`, at most four times, and returns the shortest time. A garbage collection or a shared
 * core can lengthen one measurement; code that is slow by itself is slow each time.
 *
 * @example
 * const ms = await repeatMeasurement(50, async () => (await measureLongestStretch(() => readJsonInSlices(text))).longestMs);
 */
export async function repeatMeasurement(limitMs: number, measure: () => Promise<number>): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let measured = 0; measured < 4 && shortest >= limitMs; measured++)
    shortest = Math.min(shortest, await measure());
  return shortest;
}

/**
 * Returns the longest time for which a heavy call may block the event loop, in milliseconds. It is 50, or twice the time for allocating
 * `megabytes` if the memory of the machine is slow. `megabytes`: the memory that the call allocates at once.
 *
 * @example const limitMs = findStretchLimit(10); // for a body of 10 MB
 */
export function findStretchLimit(megabytes: number): number {
  // All are held, so that none gets the memory of another one.
  const held: number[][] = [];
  const times = [1, 2, 3].map(() => {
    const before = threadCpuMs();
    held.push(new Array((megabytes * 1024 * 1024) / 8).fill(held.length));
    return threadCpuMs() - before;
  });
  return Math.max(50, 2 * Math.min(...times));
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
