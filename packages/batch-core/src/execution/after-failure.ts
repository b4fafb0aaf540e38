import { uniformChunkResult } from "../batch/chunk-result.ts";
import { isUnavailable, toMessage, toPublicMessage } from "../errors/errors.ts";
import type { ClaimedChunk } from "../ledger/ledger.ts";
import type { ActiveBatch, ExecutionParts, RunResult } from "./active-batch.ts";
import type { Lease } from "./lease.ts";
import { decideRetry } from "./retry-policy.ts";
import { obeyStopRule } from "./stop-rule.ts";

/**
 * Puts a chunk whose operation threw back for another attempt, or finishes it as failed or unknown. `lease`: the claim, if there is
 * one; a chunk without one was released by the rollback. `once`: a caller waits for the answer.
 */
export async function afterFailure(
  parts: ExecutionParts,
  batch: ActiveBatch,
  chunk: ClaimedChunk,
  error: unknown,
  { once = false, lease }: { once?: boolean; lease?: Lease } = {},
): Promise<RunResult> {
  const { ledger, clock, random, log } = parts;
  const { head, operation } = batch;
  const verdict = decideRetry(error, chunk, operation, { dryRun: head.dryRun, once, now: clock.now(), random });
  const fields = { batch: head.id, chunk: chunk.seq, attempt: chunk.attempt, error: toMessage(error) };
  if (verdict.again) {
    const { at, wholeBatch, counted, interrupted, waitingFor } = verdict;
    if (waitingFor) log.warn({ ...fields, waitingFor }, "chunk waits");
    else if (counted) log.warn(fields, "a chunk will be tried again");
    await ledger.release(chunk, at, lease ? { worker: lease.name } : { held: true }, { counted, interrupted });
    if (wholeBatch && at > batch.paused.from) batch.paused = { from: at, waitingFor };
    return counted ? "ran" : { from: at, waitingFor };
  }
  log.error(fields, "a chunk was given up");
  // The caller can try again at once what was not tried again here.
  const code = once && verdict.outcome === "failed" && isUnavailable(error) ? "unavailable" : "retries_exhausted";
  await giveUp(parts, batch, chunk, { outcome: verdict.outcome, code, message: toPublicMessage(error), lease });
  return "ran";
}

async function giveUp(
  parts: ExecutionParts,
  batch: ActiveBatch,
  chunk: ClaimedChunk,
  end: { outcome: "failed" | "unknown"; code: string; message: string; lease: Lease | undefined },
): Promise<void> {
  const { ledger, database, clock } = parts;
  const { outcome, code, message, lease } = end;
  const settlement = uniformChunkResult(chunk.count, outcome, code, message);
  await database.transaction(async (transaction) => {
    const by = lease ? { worker: lease.name, transaction } : { transaction };
    // Records the error only if this worker still owns the chunk.
    if (await ledger.finishChunk(chunk, settlement, clock.now(), by)) {
      await ledger.recordError(batch.head.id, message, transaction);
    }
  });
  await obeyStopRule(parts, batch, settlement);
}
