import { type Batch, countFinished, isFinished } from "../batch/batch.ts";
import type { Clock } from "../clock.ts";

/** The state of a batch and the rate of its progress. */
export interface Progress {
  batch: Batch;
  /** Finished items per second of the last minute, or since the watch began; 0 before the first. */
  rate: number;
  /** Remaining milliseconds at this rate; undefined while it is unknown. */
  remainingMs: number | undefined;
}

/** Yields the progress of a batch now and after every change, until its end. */
export type WatchBatch = (id: number, options?: { signal?: AbortSignal }) => AsyncGenerator<Progress, void, undefined>;

/** Longest interval between two reads of a watched batch in milliseconds, whatever the number of its readers. */
const pollMs = 500;
/** First interval, which grows by half with each read, so that the end of a small batch is seen soon. */
const firstPollMs = 50;
/** Time over which the rate is measured, in milliseconds. */
const rateMs = 60_000;

/** The reads of one batch, shared by all its readers. */
interface Watch {
  /** The latest state; a reader that is slow skips earlier ones. */
  progress: Progress | undefined;
  /** Number of changes so far. */
  changes: number;
  readers: number;
  /** Wakes the readers that wait for a change. */
  wake: Set<() => void>;
  ended: boolean;
  failure?: { error: unknown };
  over: AbortController;
}

/**
 * Creates the watch of batches. Each batch is read while at least one reader watches it, twice a second after the first two seconds.
 *
 * @example const watch = createWatch((id) => batches.get(id), clock);
 */
export function createWatch(read: (id: number) => Promise<Batch>, clock: Clock): WatchBatch {
  const watches = new Map<number, Watch>();

  function begin(id: number): Watch {
    const watch: Watch = {
      progress: undefined,
      changes: 0,
      readers: 0,
      wake: new Set(),
      ended: false,
      over: new AbortController(),
    };
    watches.set(id, watch);
    void poll(id, watch);
    return watch;
  }

  async function poll(id: number, watch: Watch): Promise<void> {
    const measure = createRate();
    let shown = "";
    let pauseMs = firstPollMs;
    try {
      while (!watch.over.signal.aborted) {
        const batch = await read(id);
        watch.progress = measure(batch, clock.now());
        const { status, generation, nextAllowedAt, waitingFor, counts } = batch;
        const state = `${status} ${countFinished(counts)} ${generation} ${nextAllowedAt} ${waitingFor}`;
        if (state !== shown) {
          watch.changes++;
          wakeReaders(watch);
        }
        shown = state;
        if (isFinished(status)) break;
        await clock.sleep(pauseMs, watch.over.signal);
        pauseMs = Math.min(pollMs, 1.5 * pauseMs);
      }
    } catch (error) {
      watch.failure = { error };
    }
    watch.ended = true;
    forget(id, watch);
    wakeReaders(watch);
  }

  function forget(id: number, watch: Watch): void {
    if (watches.get(id) === watch) watches.delete(id);
  }

  return async function* watchBatch(id, { signal } = {}) {
    if (signal?.aborted) return;
    const watch = watches.get(id) ?? begin(id);
    watch.readers++;
    let wake = () => {};
    const onAbort = () => wake();
    signal?.addEventListener("abort", onAbort);
    try {
      for (let seen = 0; !signal?.aborted; ) {
        if (watch.progress && watch.changes > seen) {
          seen = watch.changes;
          yield watch.progress;
        } else if (watch.failure) throw watch.failure.error;
        else if (watch.ended) return;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
            watch.wake.add(resolve);
          });
        }
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
      watch.wake.delete(wake);
      if (--watch.readers === 0) {
        watch.over.abort();
        forget(id, watch);
      }
    }
  };
}

function wakeReaders({ wake }: Watch): void {
  const waiting = [...wake];
  wake.clear();
  for (const each of waiting) each();
}

/** Returns a function that measures the rate of a batch from its states in order. */
function createRate(): (batch: Batch, now: number) => Progress {
  let samples: { at: number; finished: number }[] = [];
  return (batch, now) => {
    const finished = countFinished(batch.counts);
    const last = samples.at(-1);
    // A new generation starts with fewer finished items.
    if (last && finished < last.finished) samples = [];
    samples = [...samples.filter(({ at }) => at >= now - rateMs), { at: now, finished }];
    const first = samples[0] as (typeof samples)[number];
    const rate = now > first.at ? ((finished - first.finished) * 1000) / (now - first.at) : 0;
    const remainingMs = rate > 0 ? Math.round(((batch.total - finished) * 1000) / rate) : undefined;
    return { batch, rate: Math.round(rate * 10) / 10, remainingMs };
  };
}
