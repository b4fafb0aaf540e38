import { isStorageFault } from "../errors/errors.ts";

/** Time for which a failed write counts as a storage fault. A waiting batch retries more often than that. */
const faultTtlMs = 10_000;
/** Cache TTL of a successful probe in milliseconds. */
const probeTtlMs = 200;

/** Tracks whether a database can store, by its failed writes and by a small write on request. */
export interface StorageWatch {
  /** Records a storage fault; ignores any other error. */
  note(error: unknown): void;
  /** Runs the work and records its error. */
  observe<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Returns the latest storage fault, for a few seconds after it. */
  fault(): unknown;
  /** Rejects if nothing can be stored now. Concurrent calls share one probe. */
  check(): Promise<void>;
}

/** Creates a storage watch. `probe` writes just enough to show that a table can grow, and deletes it again. */
export function createStorageWatch(probe: () => Promise<void>): StorageWatch {
  let failed: { error: unknown; at: number } | undefined;
  let probing: Promise<void> | undefined;
  let probedAt = Number.NEGATIVE_INFINITY;

  async function observe<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      note(error);
      throw error;
    }
  }

  function note(error: unknown): void {
    if (isStorageFault(error)) failed = { error, at: performance.now() };
  }

  const fault = () => (failed && performance.now() - failed.at < faultTtlMs ? failed.error : undefined);

  return {
    note,
    observe,
    fault,
    async check() {
      const recent = fault();
      if (recent !== undefined) throw recent;
      if (performance.now() - probedAt < probeTtlMs) return;
      probing ??= observe(probe)
        .then(() => {
          probedAt = performance.now();
        })
        .finally(() => {
          probing = undefined;
        });
      await probing;
    },
  };
}
