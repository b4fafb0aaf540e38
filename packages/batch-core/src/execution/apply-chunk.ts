import { sql } from "kysely";
import { unpack } from "../batch/chunk-codec.ts";
import { type ChunkResult, type ItemResult, toChunkResult } from "../batch/chunk-result.ts";
import type { LedgerTransaction } from "../database/database.ts";
import type { ClaimedChunk } from "../ledger/ledger.ts";
import type { Log } from "../log.ts";
import type { AnyOperation, Outcome, Work } from "../operation/operation.ts";
import { runInSpan, type Tracer } from "../trace.ts";
import type { ActiveBatch } from "./active-batch.ts";

const noResult: ItemResult = {
  outcome: "unknown",
  code: "no_result",
  message: "The operation returned no outcome for this item, and it cannot be sent again",
};

/** The surroundings of a chunk. */
interface ChunkParts {
  transaction?: LedgerTransaction;
  signal: AbortSignal;
  log: Log;
  tracer?: Tracer | undefined;
}

/** Runs the operation of a batch on one chunk, in a span of its own. Returns an outcome for every item. */
export async function applyChunk(
  batch: Pick<ActiveBatch, "head" | "operation">,
  chunk: ClaimedChunk,
  parts: ChunkParts,
): Promise<ChunkResult> {
  const { head } = batch;
  // Performance: most hosts have no tracer.
  if (!parts.tracer) return applyItems(batch, chunk, parts);
  const attributes = {
    "reinstate.operation": head.operation,
    "reinstate.target": head.target,
    "reinstate.batch": head.id,
    "reinstate.chunk": chunk.seq,
    "reinstate.generation": chunk.generation,
    "reinstate.attempt": chunk.attempt,
    "reinstate.items": chunk.count,
  };
  const start = { kind: "internal", parent: head.trace, attributes } as const;
  return runInSpan(parts.tracer, `chunk ${head.operation}`, start, () => applyItems(batch, chunk, parts));
}

async function applyItems(
  { head, operation }: Pick<ActiveBatch, "head" | "operation">,
  chunk: ClaimedChunk,
  { transaction, signal, log }: ChunkParts,
): Promise<ChunkResult> {
  const items = unpack(chunk.codec, chunk.packed);
  const keys = items.map((item) => operation.key(item));
  const work: Work<unknown, unknown> = {
    batchId: head.id,
    seq: chunk.seq,
    generation: chunk.generation,
    origin: chunk.origin,
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
  const outcomes = head.dryRun ? await runDry(operation, work) : await run(operation, work);
  const canRepeat = operation.effects === "ledger" || operation.repeatable || head.dryRun;
  return toChunkResult(keys, outcomes, work.tally, canRepeat ? undefined : noResult);
}

/**
 * Runs the operation. Invariant: an interrupted chunk may have had its effect, so only a repeatable operation is applied again. For
 * any other, the outcomes are read back, or are `unknown`.
 */
async function run(operation: AnyOperation, work: Work<unknown, unknown>): Promise<Outcome[]> {
  if (!work.interrupted || operation.repeatable) return operation.apply(work);
  if (operation.reconcile) return operation.reconcile(work);
  const message = "The work on this item was interrupted and its effect cannot be determined";
  return work.items.map((item) => ({ key: operation.key(item), outcome: "unknown", code: "interrupted", message }));
}

/** Runs a dry run: effects in the ledger's database are applied and rolled back, others are previewed. */
async function runDry(operation: AnyOperation, work: Work<unknown, unknown>): Promise<Outcome[]> {
  if (operation.effects === "ledger") {
    await sql`savepoint dry_run`.execute(work.transaction);
    const outcomes = await operation.apply(work);
    await sql`rollback to savepoint dry_run`.execute(work.transaction);
    return outcomes;
  }
  if (!operation.preview) throw new Error(`${operation.name} does not support dry runs`);
  return operation.preview(work);
}
