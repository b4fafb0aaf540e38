import type { ChunkResult } from "../batch/chunk-result.ts";
import { isStorageFault, isUnavailable, toMessage } from "../errors/errors.ts";
import type { ChunkOwner, ClaimedChunk } from "../ledger/ledger.ts";
import type { ActiveBatch, ExecutionParts, RunResult } from "./active-batch.ts";
import { afterCommit } from "./after-commit.ts";
import { afterFailure } from "./after-failure.ts";
import { applyChunk } from "./apply-chunk.ts";
import type { Lease } from "./lease.ts";
import { computeBackoff } from "./retry-policy.ts";

/** The dependencies of execution under a lease. */
export interface LeasedParts extends ExecutionParts {
  /** Makes a batch wait because the ledger cannot store its result. */
  waitForStorage(batchId: number): void;
}

/** A claim on a chunk. `lost` aborts if another worker may own the chunk. `once`: a caller waits for the result. */
export interface Claim {
  lease: Lease;
  lost: AbortSignal;
  once: boolean;
}

/** Runs a claimed chunk with effects elsewhere: applied first, then finished in the ledger. */
export async function runUnderLease(
  parts: LeasedParts,
  batch: ActiveBatch,
  chunk: ClaimedChunk,
  claim: Claim,
): Promise<RunResult> {
  const { ledger, clock, log } = parts;
  const { lease, lost, once } = claim;
  if (lost.aborted) {
    // The claim took longer to return than its lease lasts. Nothing was sent, and nothing may be sent.
    const how = { counted: false, interrupted: chunk.interrupted };
    await ledger.release(chunk, clock.now(), { worker: lease.name }, how);
    return "ran";
  }
  let result: ChunkResult;
  try {
    result = await applyChunk(batch, chunk, { ...parts, signal: lost });
  } catch (error) {
    return retryWhileLeased(parts, batch, lost, () => afterFailure(parts, batch, chunk, error, { once, lease }));
  }
  const isOurs = await retryWhileLeased(parts, batch, lost, () => finishClaimed(parts, batch, chunk, result, claim));
  if (isOurs) await afterCommit(parts, batch, result);
  else log.warn({ batch: batch.head.id, chunk: chunk.seq }, "chunk taken over by another worker");
  return "ran";
}

function finishClaimed(
  { ledger, database, clock }: LeasedParts,
  batch: ActiveBatch,
  chunk: ClaimedChunk,
  result: ChunkResult,
  { lease, once }: Claim,
): Promise<boolean> {
  const worker = lease.name;
  if (!once) return ledger.finishChunk(chunk, result, clock.now(), { worker });
  // Performance: the caller waits for the close too, so both share one commit.
  return database.transaction(async (transaction) => {
    const now = clock.now();
    const by: ChunkOwner = { worker, transaction };
    if (!(await ledger.finishChunk(chunk, result, now, by))) return false;
    batch.closed = await ledger.closeBatch(chunk.batchId, now, transaction);
    return true;
  });
}

/** Retries a write while the lease is held, so that a short outage of the ledger does not lose a known outcome. */
async function retryWhileLeased<Result>(
  { clock, random, log, waitForStorage }: LeasedParts,
  { head }: ActiveBatch,
  lost: AbortSignal,
  write: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await write();
    } catch (error) {
      if (lost.aborted || !isUnavailable(error)) throw error;
      log.warn({ batch: head.id, error: toMessage(error) }, "failed to store chunk result, retrying");
      if (isStorageFault(error)) waitForStorage(head.id);
      await clock.sleep(1 + computeBackoff(attempt, random), lost);
      if (lost.aborted) throw error;
    }
  }
}
