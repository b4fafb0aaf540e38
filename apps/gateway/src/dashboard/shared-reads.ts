import type { Clock } from "@reinstate/batch-core";

/** How long the pages of one process use the same result, in milliseconds. */
const resultMs = 900;

/** Reads something for all pages of a process at once: a result is used for 0.9 seconds. */
export function createSharedReads(now: () => number) {
  const results = new Map<string, { until: number; result: Promise<unknown> }>();
  return <Result>(name: string, read: () => Promise<Result>): Promise<Result> => {
    const known = results.get(name);
    if (known && now() < known.until) return known.result as Promise<Result>;
    if (results.size >= 1000) results.clear();
    const result = read();
    results.set(name, { until: now() + resultMs, result });
    return result;
  };
}

export type SharedReads = ReturnType<typeof createSharedReads>;

/** Interval between two reads for live pages, in milliseconds. A change is on the screen within a second. */
const tickMs = 600;

/**
 * Reads something again and again for all live pages of a process in step. Every caller that waits gets the result of the same read, which
 * starts after the call: a change is never hidden by a result that another page still uses.
 */
export function createLiveReads(clock: Clock, closing: AbortSignal) {
  const waiting = new Map<string, Promise<unknown>>();
  return <Result>(name: string, read: () => Promise<Result>): Promise<Result> => {
    const known = waiting.get(name);
    if (known) return known as Promise<Result>;
    const next = clock.sleep(tickMs, closing).then(() => {
      waiting.delete(name);
      return read();
    });
    waiting.set(name, next);
    return next;
  };
}

export type LiveReads = ReturnType<typeof createLiveReads>;
