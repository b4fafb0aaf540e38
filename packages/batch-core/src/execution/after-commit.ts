import type { ChunkResult } from "../batch/chunk-result.ts";
import type { ActiveBatch, ExecutionParts } from "./active-batch.ts";
import { applyStopRule } from "./stop-rule.ts";

/** Counts the outcomes of a chunk that this worker has just committed, and applies the stop rule of its batch. */
export async function afterCommit(parts: ExecutionParts, batch: ActiveBatch, result: ChunkResult): Promise<void> {
  if (!batch.head.dryRun) parts.observer.countItems(batch.operation, result.counts);
  await applyStopRule(parts, batch, result);
}
