import { mostlyFails } from "../batch/batch.ts";
import type { ChunkResult } from "../batch/chunk-result.ts";
import type { ActiveBatch, ExecutionParts } from "./active-batch.ts";

/** How often a batch with a stop rule is counted, at most. */
const countEveryMs = 200;
/** A batch with at most this many chunks is counted after every chunk with failures. */
const alwaysCountedChunks = 200;

/** Ends a batch that mostly fails, by its stop rule. `latest`: the chunk that was just finished. */
export async function obeyStopRule(
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
  const reason = counts && mostlyFails(counts, stopRule);
  if (!reason) return;
  if (await ledger.failBatch(id, reason, clock.now()))
    log.warn({ batch: id, reason }, "a batch was ended by its stop rule");
}
