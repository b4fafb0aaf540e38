import type { ChunkResult } from "../batch/chunk-result.ts";
import type { LedgerTransaction } from "../database/database.ts";
import { isStorageFault } from "../errors/errors.ts";
import type { ClaimedChunk } from "../ledger/ledger.ts";
import type { ActiveBatch, ExecutionParts, RunResult } from "./active-batch.ts";
import { afterCommit } from "./after-commit.ts";
import { afterFailure } from "./after-failure.ts";
import { applyChunk } from "./apply-chunk.ts";

/** Never aborts: a chunk locked by an open transaction cannot be taken over. */
export const neverAborted: AbortSignal = new AbortController().signal;

/** Checks a chunk against the limits of its operation. Returns undefined if it may start, else the time at which to ask again. */
export async function admitChunk(
  { ledger, clock }: Pick<ExecutionParts, "ledger" | "clock">,
  { operation, head }: Pick<ActiveBatch, "operation" | "head">,
  items: number,
  transaction: LedgerTransaction,
): Promise<number | undefined> {
  const { limits } = operation;
  if (!limits || (limits.perSecond === undefined && limits.concurrency === undefined)) return undefined;
  const cost = limits.requests?.(items) ?? 1;
  const account = limits.perAccount ? head.account : undefined;
  return ledger.admit(operation, { ...limits, account }, cost, clock.now(), transaction);
}

/** Runs the next chunk of a batch with effects in the ledger's database: effects and outcomes commit together, exactly once. */
export async function runInTransaction(parts: ExecutionParts, batch: ActiveBatch): Promise<RunResult> {
  const { ledger, database, clock } = parts;
  let chunk: ClaimedChunk | undefined;
  let result: ChunkResult | undefined;
  try {
    const step = await database.transaction<RunResult>(async (transaction) => {
      const next = await ledger.lockNext(batch.head.id, clock.now(), transaction);
      if (!next) return "idle";
      const from = await admitChunk(parts, batch, next.count, transaction);
      if (from !== undefined) return { from, waitingFor: "rate_limit" };
      chunk = next;
      result = await applyChunk(batch, next, { ...parts, transaction, signal: neverAborted });
      await ledger.finishChunk(next, result, clock.now(), { transaction });
      return "ran";
    });
    if (step !== "ran") return step;
  } catch (error) {
    // The rollback has released the chunk. After a storage fault, a retry time could not be stored either.
    if (!chunk || isStorageFault(error)) throw error;
    return afterFailure(parts, batch, chunk, error);
  }
  if (result) await afterCommit(parts, batch, result);
  return "ran";
}
