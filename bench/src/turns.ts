import { type Clock, systemClock } from "@reinstate/batch-core";

/** A gate between two chunks. */
export interface Turns {
  /** The clock of the host whose engine passes the gate. */
  clock: Clock;
  /** Admits that many chunks and resolves when they are done. The batch must have that many left. */
  take(chunks: number): Promise<void>;
  /** Opens the gate permanently. */
  release(): void;
}

/**
 * Creates the real clock with a gate between two chunks, where the engine yields (`sleep(0)`). So a batch and its alternative can
 * be measured in alternating turns, and load on the machine affects both. The first chunk passes without `take`.
 */
export function createTurns(): Turns {
  let left = 0;
  let open = Promise.withResolvers<void>();
  let done = Promise.withResolvers<void>();
  const admit = (chunks: number) => {
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
      admit(chunks);
      await done.promise;
    },
    release: () => admit(Number.POSITIVE_INFINITY),
  };
}
