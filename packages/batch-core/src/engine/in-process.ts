import { toMessage } from "../errors/errors.ts";
import type { Engine, EngineParts } from "./engine.ts";

export interface InProcessParts extends Pick<EngineParts, "ledger" | "runner" | "clock" | "log" | "lanes"> {
  /** How often the ledger is looked at when nobody notifies, in milliseconds. */
  pollMs?: number;
}

/** Hands out chunks inside this process; what waits is in the ledger alone, so nothing is lost with the process. */
export function createInProcessEngine({ ledger, runner, clock, log, lanes, pollMs = 1000 }: InProcessParts): Engine {
  const stopping = new AbortController();
  let running: Promise<unknown> | undefined;
  let news = new AbortController();
  // The open batches in the order of their turns; a lane takes the first and puts it at the end at once, for the other lanes.
  let turns: number[] = [];
  let looked = Number.NEGATIVE_INFINITY;

  async function nextTurn(): Promise<number | undefined> {
    // Looked at anew now and then, also while there is work: other processes accept batches too.
    if (turns.length === 0 || clock.now() - looked >= pollMs) {
      looked = clock.now();
      const open = new Set(await ledger.open());
      turns = [...new Set([...turns.filter((id) => open.has(id)), ...open])];
    }
    const batch = turns.shift();
    if (batch !== undefined) turns.push(batch);
    return batch;
  }

  async function lane(): Promise<void> {
    let soonest = Number.POSITIVE_INFINITY;
    while (!stopping.signal.aborted) {
      const seen = news;
      try {
        const batch = await nextTurn();
        const turn = batch === undefined ? "idle" : await runner.runNext(batch);
        if (batch !== undefined && turn === "ran") {
          // The synchronous database would otherwise keep the event loop from HTTP.
          await clock.sleep(0, stopping.signal);
          continue;
        }
        turns = turns.filter((id) => id !== batch);
        if (typeof turn === "object") soonest = Math.min(soonest, turn.from);
        if (turns.length > 0) continue;
      } catch (error) {
        log.error({ error: toMessage(error) }, "the engine could not reach the ledger");
      }
      const pause = Math.max(1, Math.min(pollMs, soonest - clock.now()));
      soonest = Number.POSITIVE_INFINITY;
      await clock.sleep(pause, AbortSignal.any([stopping.signal, seen.signal]));
    }
  }

  return {
    async start() {
      running ??= Promise.all(Array.from({ length: lanes }, lane));
    },
    notify() {
      const woken = news;
      news = new AbortController();
      looked = Number.NEGATIVE_INFINITY;
      woken.abort();
    },
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
