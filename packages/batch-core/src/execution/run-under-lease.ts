import type { ChunkResult } from "../batch/chunk-result.ts";
import { isStorageFault, isUnavailable, toMessage } from "../errors/errors.ts";
import type { ChunkOwner, ClaimedChunk } from "../ledger/ledger.ts";
import type { ActiveBatch, ExecutionParts, RunResult } from "./active-batch.ts";
import { afterFailure } from "./after-failure.ts";
import { applyChunk } from "./apply-chunk.ts";
import type { Lease } from "./lease.ts";
import { computeBackoff } from "./retry-policy.ts";
import { obeyStopRule } from "./stop-rule.ts";

/** Execution under a lease, which is also told when the ledger cannot store a result. */
export interface LeasedParts extends ExecutionParts {
  waitForStorage(batchId: number): void;
}

/** A claim on a chunk: `lost` is aborted when another worker may have taken the chunk over. `once`: a caller waits for the answer. */
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
    // The claim took longer to be answered than it lasts: nothing was sent, and nothing may be.
    const how = { counted: false, interrupted: chunk.interrupted };
    await ledger.release(chunk, clock.now(), { worker: lease.name }, how);
    return "ran";
  }
  let settlement: ChunkResult;
  try {
    settlement = await applyChunk(batch, chunk, { signal: lost, log });
  } catch (error) {
    return retryWhileLeased(parts, batch, lost, () => afterFailure(parts, batch, chunk, error, { once, lease }));
  }
  const isOurs = await retryWhileLeased(parts, batch, lost, () =>
    finishClaimed(parts, batch, chunk, settlement, claim),
  );
  if (!isOurs) log.warn({ batch: batch.head.id, chunk: chunk.seq }, "a chunk was taken over before it was finished");
  await obeyStopRule(parts, batch, settlement);
  return "ran";
}

function finishClaimed(
  { ledger, database, clock }: LeasedParts,
  batch: ActiveBatch,
  chunk: ClaimedChunk,
  settlement: ChunkResult,
  { lease, once }: Claim,
): Promise<boolean> {
  const worker = lease.name;
  if (!once) return ledger.finishChunk(chunk, settlement, clock.now(), { worker });
  // The caller waits for the close too, so both are one commit.
  return database.transaction(async (transaction) => {
    const now = clock.now();
    const by: ChunkOwner = { worker, transaction };
    if (!(await ledger.finishChunk(chunk, settlement, now, by))) return false;
    batch.closed = await ledger.closeBatch(chunk.batchId, now, transaction);
    return true;
  });
}

/** The outcome of a chunk is known: a ledger that is away for a moment must not make it unknown while the lease lasts. */
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
      log.warn({ error: toMessage(error) }, "the ledger could not be reached; what became of a chunk waits");
      if (isStorageFault(error)) waitForStorage(head.id);
      await clock.sleep(1 + computeBackoff(attempt, random), lost);
      if (lost.aborted) throw error;
    }
  }
}
