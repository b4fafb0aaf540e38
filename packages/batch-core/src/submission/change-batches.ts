import type { Batch } from "../batch/batch.ts";
import type { Act } from "../batch/event.ts";
import type { Clock } from "../clock.ts";
import type { LedgerTransaction } from "../database/database.ts";
import { invalidRequest, ReinstateError } from "../errors/errors.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { AnyOperation, Target } from "../operation/operation.ts";
import { parseAct } from "./parse-act.ts";
import type { Replays } from "./replay.ts";
import type { RetryOptions, Submitted } from "./request.ts";

/** The word of an operator about unknown items, who has looked at the vendor. */
export interface MarkOptions extends Act {
  as: "done" | "failed";
  /** Limits the mark to items with this code. */
  code?: string | undefined;
  /** The operator's finding. It becomes the message of the items. */
  note: string;
}

/** Changes of batches. Each is recorded in the history of the batch. */
export interface BatchChanges {
  /** Stops a batch: claimed chunks finish, and no further one starts. Throws `wrong_state` if the batch has ended. */
  stop(id: number, act?: Act): Promise<Batch>;
  /** Continues a stopped batch. Throws `wrong_state` if the batch is not stopped. */
  resume(id: number, act?: Act): Promise<Batch>;
  /**
   * Runs the failed items of an ended batch again, as a new generation.
   *
   * @throws ReinstateError `wrong_state` if there is nothing to run; `idempotency_mismatch`; `idempotency_running`
   */
  retry(id: number, options?: RetryOptions): Promise<Submitted>;
  /**
   * Looks again at the unknown items of an ended batch, as a new generation: the operation reads back what happened to them. It sends
   * again only what had no effect, or what can be repeated.
   *
   * @throws ReinstateError `wrong_state` if there are none, or the operation cannot read them back
   */
  reexamine(id: number, act?: Act): Promise<Batch>;
  /**
   * Gives the unknown items of an ended batch the outcome that an operator has found, with the code `marked_done` or `marked_failed`.
   * The items belong to a new generation, so their first outcome stays in the ledger.
   *
   * @throws ReinstateError `wrong_state` if there are none
   * @example await host.batches.mark(id, { as: "done", note: "All of them are active at the vendor" });
   */
  mark(id: number, options: MarkOptions): Promise<Batch>;
}

/** The status changes that a caller can ask for. */
const moves = {
  stopped: { to: "stopped", from: undefined },
  resumed: { to: "in_progress", from: ["stopped"] },
} as const;

export interface ChangesParts {
  ledger: Ledger;
  replays: Replays;
  clock: Clock;
  get(id: number): Promise<Batch>;
  operation(name: string, target: Target): AnyOperation | undefined;
  /** Notifies the engine of new work. */
  notify(): void;
}

export function createChanges({ ledger, replays, clock, get, operation, notify }: ChangesParts): BatchChanges {
  /** Changes the status of a batch. Throws `wrong_state`, with the current status, if that is not allowed. */
  async function changeStatus(id: number, verb: keyof typeof moves, act: Act = {}): Promise<Batch> {
    const { to, from } = moves[verb];
    const event = { verb, ...parseAct(act), at: clock.now() };
    const before = await get(id);
    if (!(await ledger.move(id, to, event.at, from, event))) {
      throw wrongState(`Batch ${id} is ${before.status} and cannot be ${verb}`);
    }
    return afterChange(id);
  }

  async function afterChange(id: number): Promise<Batch> {
    const batch = await get(id);
    notify();
    return batch;
  }

  return {
    stop: (id, act) => changeStatus(id, "stopped", act),
    resume: (id, act) => changeStatus(id, "resumed", act),

    async retry(id, { code, idempotency, ...given } = {}) {
      const act = parseAct(given);
      const replay = await replays.find(idempotency);
      if (replay) return replay;
      const before = await get(id);
      const begun = async (generation: number, transaction: LedgerTransaction) => {
        const { operation: name, target, dryRun } = before;
        if (!dryRun) await operation(name, target)?.accepted?.({ batchId: id, generation }, transaction);
        if (!idempotency) return;
        await replays.insert(idempotency, id, transaction, (await ledger.get(id, transaction)) as Batch);
      };
      try {
        const items = await ledger.retry(id, clock.now(), { code, act, begun });
        if (items === 0) throw hasNoItems(before, "retried", { outcome: "failed", code });
      } catch (error) {
        // A concurrent request with the same key may have been first.
        const replay = await replays.find(idempotency);
        if (replay) return replay;
        throw error;
      }
      return afterChange(id);
    },

    async reexamine(id, given = {}) {
      const act = parseAct(given);
      const before = await get(id);
      const known = operation(before.operation, before.target);
      if (!known || known.effects === "ledger" || !(known.repeatable || known.reconcile)) {
        throw wrongState(
          `Batch ${id} cannot be reexamined: ${before.operation} cannot read back what happened; check its unknown items at the vendor and mark them as done or failed`,
        );
      }
      const begun = async (generation: number, transaction: LedgerTransaction) => {
        if (!before.dryRun) await known.accepted?.({ batchId: id, generation }, transaction);
      };
      const toKey = (item: unknown) => known.key(item);
      const items = await ledger.reexamine(id, clock.now(), { toKey, act, begun });
      if (items === 0) throw hasNoItems(before, "reexamined", { outcome: "unknown" });
      return afterChange(id);
    },

    async mark(id, { as, code, ...given }) {
      const { actor, note } = parseAct(given);
      if (note === undefined)
        throw invalidRequest({ path: "note", message: "is required: what was found at the vendor" });
      const before = await get(id);
      const items = await ledger.mark(id, clock.now(), { as, code, note, actor });
      if (items === 0) throw hasNoItems(before, "marked", { outcome: "unknown", code });
      return get(id);
    },
  };
}

/** Explains why a batch has no items for a change. */
function hasNoItems(
  { id, status }: Batch,
  verb: string,
  { outcome, code }: { outcome: "failed" | "unknown"; code?: string | undefined },
): ReinstateError {
  if (status !== "completed" && status !== "failed")
    return wrongState(`Batch ${id} is ${status} and cannot be ${verb}`);
  const which = code === undefined ? `${outcome} items` : `${outcome} items with the code ${JSON.stringify(code)}`;
  return wrongState(
    `Batch ${id} is ${status} and has no ${which} that could be ${outcome === "failed" ? "run again" : verb}`,
  );
}

function wrongState(message: string): ReinstateError {
  return new ReinstateError("wrong_state", message);
}
