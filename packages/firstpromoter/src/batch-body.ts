import { type Batch, type Host, type ItemOutcome, isFinished } from "@reinstate/batch-core";
import { operationName } from "./operations.ts";
import type { Options } from "./options.ts";
import type { BatchProcess } from "./schemas.ts";

/** A batch as the vendor shows it, with the texts of its failed items. */
export async function batchBody(host: Host, batch: Batch, options: Options): Promise<BatchProcess> {
  const { done, skipped } = batch.counts;
  const failed = batch.counts.failed + batch.counts.unknown;
  const successes = done + skipped;
  return {
    id: batch.id,
    status: batch.status,
    total: batch.total,
    selected_total: batch.total,
    processed_count: options.processedCount === "settled" ? successes + failed : successes,
    failed_count: failed,
    action_label: batch.label,
    created_at: new Date(batch.createdAt).toISOString(),
    updated_at: new Date(batch.updatedAt).toISOString(),
    meta: metaOf(batch),
    progress: progressOf(batch, options),
    processing_errors: failed === 0 ? [] : await errorTexts(host, batch, options),
  };
}

/** Whole percent; 100 for a batch that is at its end alone. */
export function progressOf(batch: Batch, { progressCounts }: Options): number {
  if (progressCounts === "settled" || batch.progress === 100) return batch.progress;
  return Math.floor((100 * (batch.counts.done + batch.counts.skipped)) / batch.total);
}

/** The first answer of a batch: a finished one as it is, an accepted one with nothing counted yet. */
export async function acceptedBody(host: Host, batch: Batch, options: Options): Promise<BatchProcess> {
  if (!isFinished(batch.status)) {
    const counts = { done: 0, skipped: 0, failed: 0, unknown: 0 };
    return { ...(await batchBody(host, { ...batch, counts, progress: 0 }, options)), status: options.firstStatus };
  }
  const body = await batchBody(host, batch, options);
  return body.failed_count === batch.total ? { ...body, status: options.allFailedStatus } : body;
}

/** Empty for every batch that the vendor has too; ours says what is special about it. */
function metaOf({ dryRun, operation, params }: Batch): Record<string, unknown> {
  return {
    ...(dryRun && { dry_run: true }),
    ...(operation === operationName("undo_archive") && { undone_batch_id: (params as { batch_id: number }).batch_id }),
  };
}

/** The texts of those that failed, then of those of whom nothing is known. */
async function errorTexts(host: Host, { id, counts }: Batch, { processingErrorLimit }: Options): Promise<string[]> {
  const texts: string[] = [];
  for (const outcome of ["failed", "unknown"] as const) {
    const limit = processingErrorLimit - texts.length;
    if (limit === 0 || counts[outcome] === 0) continue;
    const { items } = await host.batches.items(id, { outcome, limit });
    texts.push(...items.map((item) => textOfItem(item) ?? `Promoter ${String(item.item)} failed`));
  }
  return texts;
}

/** What is told of an item to those who made its batch. Why its chunk was given up is in the words of a database or a network. */
export function textOfItem({ item, outcome, code, message }: ItemOutcome): string | undefined {
  if (code !== "gave_up") return message;
  return outcome === "unknown"
    ? `It is not known whether promoter ${String(item)} was changed`
    : `Promoter ${String(item)} could not be changed`;
}
