import type { ChunkResult } from "../batch/chunk-result.ts";
import type { LedgerTransaction } from "../database/database.ts";
import { isStorageFault } from "../errors/errors.ts";
import type { ClaimedChunk } from "../ledger/ledger.ts";
import type { ActiveBatch, ExecutionParts, RunResult } from "./active-batch.ts";
import { afterFailure } from "./after-failure.ts";
import { applyChunk } from "./apply-chunk.ts";
import { obeyStopRule } from "./stop-rule.ts";

/** Never aborts: a chunk locked by an open transaction cannot be taken over. */
export const neverAborted: AbortSignal = new AbortController().signal;

/** Takes the tokens of a chunk from the pace of its operation. Returns the time from which there are enough, if there are not. */
export async function admitChunk(
  { ledger, clock }: Pick<ExecutionParts, "ledger" | "clock">,
  { operation, head }: Pick<ActiveBatch, "operation" | "head">,
  items: number,
  transaction: LedgerTransaction,
): Promise<number | undefined> {
  const { limits: pace } = operation;
  if (!pace || (pace.perSecond === undefined && pace.concurrency === undefined)) return undefined;
  const cost = pace.requests?.(items) ?? 1;
  const account = pace.perAccount ? head.account : undefined;
  return ledger.admit(operation, { ...pace, account }, cost, clock.now(), transaction);
}

/** Runs the next chunk of a batch with effects in the ledger's database: effects and outcomes commit together, exactly once. */
export async function runInTransaction(parts: ExecutionParts, batch: ActiveBatch): Promise<RunResult> {
  const { ledger, database, clock, log } = parts;
  let chunk: ClaimedChunk | undefined;
  let settlement: ChunkResult | undefined;
  try {
    const turn = await database.transaction<RunResult>(async (transaction) => {
      const next = await ledger.lockNext(batch.head.id, clock.now(), transaction);
      if (!next) return "idle";
      const from = await admitChunk(parts, batch, next.count, transaction);
      if (from !== undefined) return { from, waitingFor: "rate_limit" };
      chunk = next;
      settlement = await applyChunk(batch, next, { transaction, signal: neverAborted, log });
      await ledger.finishChunk(next, settlement, clock.now(), { transaction });
      return "ran";
    });
    if (turn !== "ran") return turn;
  } catch (error) {
    // The rollback has released the chunk, and there may be nowhere to store anything about it.
    if (!chunk || isStorageFault(error)) throw error;
    return afterFailure(parts, batch, chunk, error);
  }
  if (settlement) await obeyStopRule(parts, batch, settlement);
  return "ran";
}
