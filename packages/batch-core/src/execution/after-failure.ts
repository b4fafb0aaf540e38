import { uniformChunkResult } from "../batch/chunk-result.ts";
import { isUnavailable, toMessage, toPublicMessage } from "../errors/errors.ts";
import type { ClaimedChunk } from "../ledger/ledger.ts";
import type { ActiveBatch, ExecutionParts, RunResult } from "./active-batch.ts";
import { afterCommit } from "./after-commit.ts";
import type { Lease } from "./lease.ts";
import { decideRetry } from "./retry-policy.ts";

/**
 * Releases a chunk whose operation threw for another attempt, or finishes it as failed or unknown. `lease`: the lease of a claimed
 * chunk; a chunk without one was released by the rollback. `once`: a caller waits for the result.
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
  const decision = decideRetry(error, chunk, operation, { dryRun: head.dryRun, once, now: clock.now(), random });
  const fields = { batch: head.id, chunk: chunk.seq, attempt: chunk.attempt, error: toMessage(error) };
  if (decision.retry) {
    const { at, pauseBatch, counted, interrupted, waitingFor } = decision;
    parts.observer.countRetry(operation, waitingFor ?? "fault");
    if (waitingFor) log.warn({ ...fields, waiting_for: waitingFor }, "chunk waits");
    else if (counted) log.warn(fields, "chunk failed, retrying");
    await ledger.release(chunk, at, lease ? { worker: lease.name } : { held: true }, { counted, interrupted });
    if (pauseBatch && at > batch.paused.from) batch.paused = { from: at, waitingFor: waitingFor ?? "backoff" };
    return counted ? "ran" : { from: at, waitingFor };
  }
  log.error(fields, "chunk failed permanently");
  // Nothing was retried for a waiting caller, so the code tells it to retry.
  const code = once && decision.outcome === "failed" && isUnavailable(error) ? "unavailable" : "retries_exhausted";
  await finishFailed(parts, batch, chunk, { outcome: decision.outcome, code, message: toPublicMessage(error), lease });
  return "ran";
}

async function finishFailed(
  parts: ExecutionParts,
  batch: ActiveBatch,
  chunk: ClaimedChunk,
  end: { outcome: "failed" | "unknown"; code: string; message: string; lease: Lease | undefined },
): Promise<void> {
  const { ledger, database, clock } = parts;
  const { outcome, code, message, lease } = end;
  const result = uniformChunkResult(chunk.count, outcome, code, message);
  const isOurs = await database.transaction(async (transaction) => {
    const by = lease ? { worker: lease.name, transaction } : { transaction };
    // Records the error only if this worker still owns the chunk.
    if (!(await ledger.finishChunk(chunk, result, clock.now(), by))) return false;
    await ledger.recordError(batch.head.id, message, transaction);
    return true;
  });
  if (isOurs) await afterCommit(parts, batch, result);
}
