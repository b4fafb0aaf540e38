import { toMessage } from "../errors/errors.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Engine, EngineParts } from "./engine.ts";

export interface InProcessParts extends Pick<EngineParts, "runner" | "clock" | "log" | "concurrency"> {
  /** The batches that may be dispatched. */
  ledger: Pick<Ledger, "open">;
  /** Polling interval of the ledger in milliseconds, for batches of other processes. */
  pollMs?: number;
}

/** Creates an engine that dispatches chunks in this process. Its only state is the ledger, so nothing is lost with the process. */
export function createInProcessEngine({
  ledger,
  runner,
  clock,
  log,
  concurrency,
  pollMs = 1000,
}: InProcessParts): Engine {
  const stopping = new AbortController();
  let running: Promise<unknown> | undefined;
  let notification = new AbortController();
  // The ids of open batches in round-robin order. A worker takes the first and moves it to the end at once, for the other workers.
  let openBatches: number[] = [];
  let polledAt = Number.NEGATIVE_INFINITY;

  async function nextBatch(): Promise<number | undefined> {
    // The ledger is polled even while there is work, because other processes accept batches too.
    if (openBatches.length === 0 || clock.now() - polledAt >= pollMs) {
      polledAt = clock.now();
      const open = new Set(await ledger.open());
      openBatches = [...new Set([...openBatches.filter((id) => open.has(id)), ...open])];
    }
    const batch = openBatches.shift();
    if (batch !== undefined) openBatches.push(batch);
    return batch;
  }

  async function work(): Promise<void> {
    let soonest = Number.POSITIVE_INFINITY;
    while (!stopping.signal.aborted) {
      const seen = notification;
      let batch: number | undefined;
      try {
        batch = await nextBatch();
        const result = batch === undefined ? "idle" : await runner.runNext(batch);
        if (batch !== undefined && result === "ran") {
          // A synchronous database would otherwise block the event loop for HTTP.
          await clock.sleep(0, stopping.signal);
          continue;
        }
        openBatches = openBatches.filter((id) => id !== batch);
        if (typeof result === "object") soonest = Math.min(soonest, result.from);
        if (openBatches.length > 0) continue;
      } catch (error) {
        log.error({ batch, error: toMessage(error) }, "failed to run next chunk");
      }
      const pause = Math.max(1, Math.min(pollMs, soonest - clock.now()));
      soonest = Number.POSITIVE_INFINITY;
      await clock.sleep(pause, AbortSignal.any([stopping.signal, seen.signal]));
    }
  }

  return {
    async start() {
      running ??= Promise.all(Array.from({ length: concurrency }, work));
    },
    notify() {
      const previous = notification;
      notification = new AbortController();
      polledAt = Number.NEGATIVE_INFINITY;
      previous.abort();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
