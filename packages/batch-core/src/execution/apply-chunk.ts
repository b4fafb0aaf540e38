import { sql } from "kysely";
import { unpack } from "../batch/chunk-codec.ts";
import { type ChunkResult, type ItemResult, toChunkResult } from "../batch/chunk-result.ts";
import type { LedgerTransaction } from "../database/database.ts";
import type { ClaimedChunk } from "../ledger/ledger.ts";
import type { Log } from "../log.ts";
import type { AnyOperation, Outcome, Work } from "../operation/operation.ts";
import type { ActiveBatch } from "./active-batch.ts";

const unanswered: ItemResult = {
  outcome: "unknown",
  code: "no_result",
  message: "The operation gave no answer for this item, and it cannot be sent again",
};

/** Runs the operation of a batch on one chunk, and settles the outcome of every item. */
export async function applyChunk(
  { head, operation }: Pick<ActiveBatch, "head" | "operation">,
  chunk: ClaimedChunk,
  { transaction, signal, log }: { transaction?: LedgerTransaction; signal: AbortSignal; log: Log },
): Promise<ChunkResult> {
  const items = unpack(chunk.codec, chunk.packed);
  const keys = items.map((item) => operation.key(item));
  const work: Work<unknown, unknown> = {
    batchId: head.id,
    seq: chunk.seq,
    generation: chunk.generation,
    account: head.account,
    actor: head.actor,
    params: head.params,
    items,
    attempt: chunk.attempt,
    interrupted: chunk.interrupted,
    transaction: transaction as LedgerTransaction,
    tally: {},
    signal,
    log,
  };
  const outcomes = head.dryRun ? await tryOut(operation, work) : await run(operation, work);
  const canRepeat = operation.effects === "ledger" || operation.repeatable || head.dryRun;
  return toChunkResult(keys, outcomes, work.tally, canRepeat ? undefined : unanswered);
}

/**
 * Invariant: an interrupted chunk may have had its effect, so only a repeatable operation is applied again. Any other reads back
 * what happened, or its items are `unknown`.
 */
async function run(operation: AnyOperation, work: Work<unknown, unknown>): Promise<Outcome[]> {
  if (!work.interrupted || operation.repeatable) return operation.apply(work);
  if (operation.reconcile) return operation.reconcile(work);
  const message = "The work on this item was interrupted and its effect cannot be found out";
  return work.items.map((item) => ({ key: operation.key(item), outcome: "unknown", code: "interrupted", message }));
}

/** A dry run: effects in the ledger's database are applied and rolled back, others are previewed. */
async function tryOut(operation: AnyOperation, work: Work<unknown, unknown>): Promise<Outcome[]> {
  if (operation.effects === "ledger") {
    await sql`savepoint dry_run`.execute(work.transaction);
    const outcomes = await operation.apply(work);
    await sql`rollback to savepoint dry_run`.execute(work.transaction);
    return outcomes;
  }
  if (!operation.preview) throw new Error(`${operation.name} cannot be tried without effects`);
  return operation.preview(work);
}
