import { type Batch, isFinished } from "../batch/batch.ts";
import type { Act } from "../batch/event.ts";
import { ReinstateError } from "../errors/errors.ts";
import { readFoundItems } from "../intake/read-items.ts";
import { type Intake, parseParams } from "../intake/validate-items.ts";
import type { IdempotencyKey } from "../ledger/idempotency-keys.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { AnyOperation, OutcomeWord, Target } from "../operation/operation.ts";
import { itemPages } from "../results/items.ts";
import type { AccountCheck } from "./account-check.ts";
import { parseAct } from "./parse-act.ts";
import type { Replays } from "./replay.ts";
import type { AcceptedRequest, Request, Submitted } from "./request.ts";

/** The items of a batch that a new one takes over, and the differences of the new one. */
export interface FromBatchOptions
  extends Act,
    Pick<Request, "target" | "params" | "dryRun" | "prepared" | "stopRule" | "content" | "again" | "idempotency"> {
  /** Takes only items with this outcome. The batch must have ended. Default: all items. */
  outcome?: OutcomeWord;
  /** Takes only items with this code. The batch must have ended. */
  code?: string;
  /** Default: the operation of the batch. */
  operation?: string;
}

/** Options of an undo. */
export interface UndoOptions extends Act {
  /** Runs a dry run of the undo instead of preparing it. */
  dryRun?: boolean;
  /** A repeat with the same key and digest gets the first response. */
  idempotency?: IdempotencyKey;
}

/** Batches over the items of other batches. Any number of items is read with constant memory. */
export interface BatchesFromBatches {
  /**
   * Accepts a batch over the items of another one. Operation, target, account and params are those of the other batch unless `options`
   * say otherwise, and so is the stop rule for the same operation. The new batch is real unless `dryRun` is set.
   *
   * @throws ReinstateError like `submit`; `unknown_batch`; `wrong_state` for an outcome or code of a batch that has not ended
   * @example await host.batches.submitFromBatch(dryRun.id, { dryRun: false }); // makes a dry run real
   */
  submitFromBatch(id: number, options?: FromBatchOptions): Promise<Submitted>;
  /**
   * Prepares a batch of the opposite operation over the `done` items of a batch. It is `stopped`; `resume` starts it.
   *
   * @throws ReinstateError `wrong_state` if the batch is a dry run, has not ended, has no done items, or cannot be undone
   */
  undo(id: number, options?: UndoOptions): Promise<Submitted>;
}

export interface FromBatchParts {
  ledger: Ledger;
  replays: Replays;
  checkAccount: AccountCheck["check"];
  get(id: number): Promise<Batch>;
  checkExists(id: number): Promise<void>;
  /** Returns a registered operation; undefined if there is none. */
  operation(name: string, target: Target): AnyOperation | undefined;
  /** Returns a registered operation. Throws `unknown_operation`. */
  findOperation(name: string, target?: Target): AnyOperation;
  acceptIntake(request: AcceptedRequest, operation: AnyOperation, intake: Intake): Promise<Submitted>;
}

export function createFromBatch(parts: FromBatchParts): BatchesFromBatches {
  const { ledger, replays, get, findOperation } = parts;

  /** Accepts a batch over the items of another one with an outcome and a code. */
  async function takeOver(
    source: Batch,
    request: AcceptedRequest,
    { outcome, code }: Pick<FromBatchOptions, "outcome" | "code">,
  ): Promise<Submitted> {
    const operation = findOperation(request.operation, request.target);
    await parts.checkAccount(request);
    // Checked before a long read.
    parseParams(operation, request.params);
    async function* pages() {
      for await (const page of itemPages(ledger, source.id, source.generation, outcome)) {
        yield page.filter((found) => code === undefined || found.code === code).map(({ item }) => item);
      }
      // If the batch was pruned meanwhile, the items must not end as if they were complete.
      await parts.checkExists(source.id);
    }
    const none = { path: code === undefined ? "outcome" : "code", message: `matches no item of batch ${source.id}` };
    const intake = await readFoundItems(operation, pages(), none);
    try {
      return await parts.acceptIntake({ ...request, fromBatch: source.id }, operation, intake);
    } finally {
      intake.close();
    }
  }

  /** Returns the params as they were submitted. The filter that found the items is stored beside them. */
  function readParams({ operation, target, params }: Batch): unknown {
    if (!parts.operation(operation, target)?.selection) return params;
    const { filter: _, ...submitted } = params as Record<string, unknown>;
    return submitted;
  }

  return {
    async submitFromBatch(id, { outcome, code, ...options } = {}) {
      parseAct(options);
      const replay = await replays.find(options.idempotency);
      if (replay) return replay;
      const source = await get(id);
      if ((outcome ?? code) !== undefined && !isFinished(source.status)) throw notEnded(source, "selected by outcome");
      const { operation = source.operation, target = source.target } = options;
      const head = operation === source.operation ? await ledger.head(id) : undefined;
      return takeOver(
        source,
        {
          params: readParams(source),
          ...(head?.stopRule && { stopRule: head.stopRule }),
          ...options,
          operation,
          target,
          account: source.account,
        },
        { outcome, code },
      );
    },

    async undo(id, { dryRun = false, idempotency, ...given } = {}) {
      const act = parseAct(given);
      const replay = await replays.find(idempotency);
      if (replay) return replay;
      const source = await get(id);
      if (source.dryRun) throw wrongState(`Batch ${id} is a dry run and changed nothing, so there is nothing to undo`);
      if (!isFinished(source.status)) throw notEnded(source, "undone");
      if (source.counts.done === 0) throw wrongState(`Batch ${id} has no done items, so there is nothing to undo`);
      const opposite = parts.operation(source.operation, source.target)?.opposite;
      const params = opposite?.params(readParams(source), { batchId: id, note: act.note });
      if (!opposite || params === undefined || !parts.operation(opposite.operation, source.target)) {
        throw wrongState(
          `Batch ${id} cannot be undone: ${source.operation} with its params has no opposite; change the items of its report at the vendor`,
        );
      }
      return takeOver(
        source,
        {
          operation: opposite.operation,
          target: source.target,
          account: source.account,
          params,
          undoOf: id,
          dryRun,
          prepared: !dryRun,
          ...act,
          ...(idempotency && { idempotency }),
        },
        { outcome: "done" },
      );
    },
  };
}

const wrongState = (message: string) => new ReinstateError("wrong_state", message);

const notEnded = ({ id, status }: Batch, verb: string) =>
  wrongState(`Batch ${id} is ${status} and cannot be ${verb} yet; stop it or wait for its end`);
