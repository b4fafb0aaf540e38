import { type Batch, countFinished, isFinished } from "../batch/batch.ts";
import type { Clock } from "../clock.ts";

/** The state of a batch and the rate of its progress. */
export interface Progress {
  batch: Batch;
  /** Finished items per second since the watch began; 0 before the first. */
  rate: number;
  /** Remaining milliseconds at this rate; undefined while it is unknown. */
  remainingMs: number | undefined;
}

/** Yields the state of a batch now and after every change. Ends with its last state. */
export async function* watchBatch(
  read: () => Promise<Batch>,
  clock: Clock,
  { signal, pollMs = 250 }: { signal?: AbortSignal; pollMs?: number } = {},
): AsyncGenerator<Progress, void, undefined> {
  let last = "";
  let from: { at: number; settled: number } | undefined;
  while (!signal?.aborted) {
    const batch = await read();
    const now = clock.now();
    const settled = countFinished(batch.counts);
    from ??= { at: now, settled };
    const rate = now > from.at ? ((settled - from.settled) * 1000) / (now - from.at) : 0;
    const remainingMs = rate > 0 ? Math.round(((batch.total - settled) * 1000) / rate) : undefined;
    const shown = `${batch.status} ${settled} ${batch.generation} ${batch.nextAllowedAt} ${batch.waitingFor}`;
    if (shown !== last) yield { batch, rate: Math.round(rate * 10) / 10, remainingMs };
    last = shown;
    if (isFinished(batch.status)) return;
    await clock.sleep(pollMs, signal);
  }
}
