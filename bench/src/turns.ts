import { type Clock, systemClock } from "@reinstate/batch-core";

/** The gate between two chunks. */
export interface Turns {
  /** For the host whose engine is to be let through. */
  clock: Clock;
  /** Lets so many chunks through and resolves when they are done. There must be as many. */
  take(chunks: number): Promise<void>;
  /** Opens the gate for good. */
  release(): void;
}

/**
 * The real clock with a gate between two chunks, where the engine lets others have their turn (`sleep(0)`). So one batch of
 * ours and another way can be measured in turns, and a busy machine is busy for both. The first chunk needs no opening.
 */
export function createTurns(): Turns {
  let left = 0;
  let open = Promise.withResolvers<void>();
  let done = Promise.withResolvers<void>();
  const letThrough = (chunks: number) => {
    left = chunks;
    done = Promise.withResolvers();
    open.resolve();
    open = Promise.withResolvers();
  };
  return {
    clock: {
      now: () => systemClock.now(),
      async sleep(ms, signal) {
        await systemClock.sleep(ms, signal);
        if (ms > 0 || --left > 0 || signal?.aborted) return;
        const opened = open.promise;
        done.resolve();
        const aborted = new Promise((resolve) => signal?.addEventListener("abort", resolve, { once: true }));
        await Promise.race([opened, aborted]);
      },
    },
    async take(chunks) {
      letThrough(chunks);
      await done.promise;
    },
    release: () => letThrough(Number.POSITIVE_INFINITY),
  };
}
