import { setImmediate } from "node:timers/promises";

/** A result, with the longest time that the work held the event loop, in milliseconds of this thread's CPU time. */
export interface Stretch<Result> {
  result: Result;
  longestMs: number;
}

/**
 * Runs `work` and measures its longest stretch without a turn of the event loop. CPU time is measured, not time on the clock,
 * so that other processes on the machine do not change the result.
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
  // The last stretch ends with the turn that the watch still waits for.
  await watching;
  return { result, longestMs };
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}
