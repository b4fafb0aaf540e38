import { type Batch, type Host, isFinished } from "@reinstate/batch-core";
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

async function errorTexts(host: Host, batch: Batch, { processingErrorLimit: limit }: Options): Promise<string[]> {
  if (limit === 0) return [];
  const { items } = await host.batches.items(batch.id, { outcome: "failed", limit });
  return items.map(({ item, message }) => message ?? `Promoter ${String(item)} failed`);
}
