import type { Clock } from "../clock.ts";
import { toMessage } from "../errors/errors.ts";
import type { Log } from "../log.ts";
import type { Ledger } from "./ledger.ts";

const dayMs = 86_400_000;
/** The pause after the start, in which vendors declare their tables. */
const startDelayMs = 10_000;
/** The pause after a failure. */
const retryDelayMs = 600_000;

export interface PruningParts {
  ledger: Pick<Ledger, "prune">;
  clock: Clock;
  log: Log;
  /** Retention of batches after their end, in milliseconds. */
  keepMs: number;
}

/** Deletes old batches soon after the start and then every day, until it is stopped. */
export function startPruning({ ledger, clock, log, keepMs }: PruningParts): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { signal } = stopping;

  async function prune(): Promise<number> {
    try {
      const pruned = await ledger.prune({ before: clock.now() - keepMs, signal });
      log.info({ ...pruned }, "old batches pruned");
      return dayMs;
    } catch (error) {
      log.error({ error: toMessage(error) }, "failed to prune old batches");
      return retryDelayMs;
    }
  }

  const running = (async () => {
    await clock.sleep(startDelayMs, signal);
    while (!signal.aborted) await clock.sleep(await prune(), signal);
  })();

  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
