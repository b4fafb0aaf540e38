import { isStorageFault } from "../errors/errors.ts";

/** How long a failed write says that nothing can be stored. A waiting batch tries again more often than that. */
const faultKeptMs = 10_000;
/** A probe that succeeded is believed for this long. */
const probeKeptMs = 200;

/** Tracks whether a database can store: from its failed writes, and from a small write on request. */
export interface StorageWatch {
  /** Remembers an error of storage; any other is left alone. */
  note(error: unknown): void;
  /** Runs the work and notes its error. */
  observe<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Returns the latest error of storage, for a few seconds after it. */
  fault(): unknown;
  /** Rejects if nothing can be stored now. Calls at the same moment share one probe. */
  check(): Promise<void>;
}

/** `probe` writes as little as shows that a table can grow, and leaves nothing behind. */
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

  const fault = () => (failed && performance.now() - failed.at < faultKeptMs ? failed.error : undefined);

  return {
    note,
    observe,
    fault,
    async check() {
      const recent = fault();
      if (recent !== undefined) throw recent;
      if (performance.now() - probedAt < probeKeptMs) return;
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
