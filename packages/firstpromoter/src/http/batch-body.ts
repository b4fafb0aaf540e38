import { type Batch, type Host, type ItemOutcome, isFinished } from "@reinstate/batch-core";
import { operationName } from "../operations/operations.ts";
import type { Options } from "../options.ts";
import type { BatchProcess } from "../schemas.ts";

/** The most texts in `processing_errors`. The items of the batch list all of them. */
const maxErrorTexts = 1_000;

/** Returns a batch in the vendor's form, with the texts of its failed items. */
export async function batchBody(host: Host, batch: Batch): Promise<BatchProcess> {
  const failed = batch.counts.failed + batch.counts.unknown;
  return {
    id: batch.id,
    status: batch.status,
    total: batch.total,
    selected_total: batch.total,
    processed_count: batch.counts.done + batch.counts.skipped,
    failed_count: failed,
    action_label: batch.label,
    created_at: new Date(batch.createdAt).toISOString(),
    updated_at: new Date(batch.updatedAt).toISOString(),
    meta: makeMeta(batch),
    progress: batch.progress,
    processing_errors: failed === 0 ? [] : await readErrorTexts(host, batch),
  };
}

/** Returns the first response to a batch: its result if it is finished, otherwise zero counts. */
export async function acceptedBody(host: Host, batch: Batch, { firstStatus }: Options): Promise<BatchProcess> {
  if (isFinished(batch.status)) return batchBody(host, batch);
  const counts = { done: 0, skipped: 0, failed: 0, unknown: 0 };
  return { ...(await batchBody(host, { ...batch, counts, progress: 0 })), status: firstStatus };
}

/** Returns `{}` for every batch that the vendor has too, and the details of our extensions. */
function makeMeta({ dryRun, operation, params }: Batch): Record<string, unknown> {
  return {
    ...(dryRun && { dry_run: true }),
    ...(operation === operationName("undo_archive") && { undone_batch_id: (params as { batch_id: number }).batch_id }),
  };
}

/** Returns the texts of the failed items, then of the unknown ones. */
async function readErrorTexts(host: Host, { id, counts }: Batch): Promise<string[]> {
  const texts: string[] = [];
  for (const outcome of ["failed", "unknown"] as const) {
    const limit = maxErrorTexts - texts.length;
    if (limit === 0 || counts[outcome] === 0) continue;
    const { items } = await host.batches.items(id, { outcome, limit });
    texts.push(...items.map((item) => describeItem(item) ?? `Promoter ${String(item.item)} failed`));
  }
  return texts;
}

/** Returns the text of an item for API clients. Hides the message of an exhausted retry, which quotes a database or a network. */
export function describeItem({ item, outcome, code, message }: ItemOutcome): string | undefined {
  if (code !== "retries_exhausted") return message;
  return outcome === "unknown"
    ? `It is not known whether promoter ${String(item)} was changed`
    : `Promoter ${String(item)} could not be changed`;
}
