import { checkStopRule } from "../batch/batch.ts";
import type { ChunkResult } from "../batch/chunk-result.ts";
import type { ActiveBatch, ExecutionParts } from "./active-batch.ts";

/** The shortest interval between two counts of a batch with a stop rule. */
const countEveryMs = 200;
/** A batch with at most this many chunks is counted after every chunk with failures. */
const alwaysCountedChunks = 200;

/** Ends a batch if its failure rate exceeds its stop rule. `latest` is the result of the chunk that was just finished. */
export async function applyStopRule(
  { ledger, clock, log }: Pick<ExecutionParts, "ledger" | "clock" | "log">,
  batch: ActiveBatch,
  latest: ChunkResult,
): Promise<void> {
  const { stopRule, id, total } = batch.head;
  if (!stopRule || latest.counts.failed === 0) return;
  const isSmall = total <= batch.operation.chunkSize * alwaysCountedChunks;
  if (!isSmall && clock.now() - batch.countedAt < countEveryMs) return;
  batch.countedAt = clock.now();
  const counts = (await ledger.get(id))?.counts;
  const reason = counts && checkStopRule(counts, stopRule);
  if (!reason) return;
  if (await ledger.failBatch(id, reason, clock.now()))
    log.warn({ batch: id, reason }, "batch stopped by its failure limit");
}
