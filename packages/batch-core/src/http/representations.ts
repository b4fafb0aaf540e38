import * as z from "zod";
import { type Batch, countFinished } from "../batch/batch.ts";
import type { BatchEvent } from "../batch/event.ts";
import { tableColumns } from "../intake/item-shape.ts";
import { allowedFrom } from "../operation/limits.ts";
import type { AnyOperation } from "../operation/operation.ts";
import type { ItemOutcome } from "../results/items.ts";
import type { Estimate } from "../submission/estimate.ts";

/** Converts a batch to its form in `/v1`. */
export function batchBody(batch: Batch) {
  return {
    id: batch.id,
    operation: batch.operation,
    target: batch.target,
    account: batch.account,
    status: batch.status,
    total: batch.total,
    processed: countFinished(batch.counts),
    done: batch.counts.done,
    skipped: batch.counts.skipped,
    failed: batch.counts.failed,
    unknown: batch.counts.unknown,
    duplicates: batch.duplicates,
    progress: batch.progress,
    generation: batch.generation,
    dry_run: batch.dryRun,
    from_batch: batch.fromBatch,
    undo_of: batch.undoOf,
    params: batch.params,
    tally: batch.tally,
    error: batch.error,
    next_allowed_at: toTimestamp(batch.nextAllowedAt),
    waiting_for: batch.waitingFor,
    created_at: toTimestamp(batch.createdAt),
    updated_at: toTimestamp(batch.updatedAt),
    started_at: toTimestamp(batch.startedAt),
    finished_at: toTimestamp(batch.finishedAt),
    actor: batch.actor,
  };
}

/** Converts an estimate to its form in `/v1`. */
export function estimateBody({ chunks, requests, earliestStart, durationMs, limitedBy }: Estimate) {
  return {
    chunks,
    requests,
    earliest_start: toTimestamp(earliestStart),
    duration_ms: durationMs,
    limited_by: limitedBy,
  };
}

/** Formats a time as RFC 3339 in UTC. */
export function toTimestamp(ms: number): string;
export function toTimestamp(ms: number | null): string | null;
export function toTimestamp(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString();
}

/** Converts an event to its form in `/v1`. `names`: the names of keys by their ids. */
export function eventBody({ at, actor, ...event }: BatchEvent, names: ReadonlyMap<string, string>) {
  const actor_name = (actor !== null && names.get(actor)) || null;
  return { at: toTimestamp(at), actor, actor_name, ...event };
}

/** Converts an item to its form in `/v1`; `outcome` is null while it waits. */
export function itemBody({ item, ...outcome }: ItemOutcome) {
  return { item, ...outcomeBody(outcome) };
}

/** Converts the outcome of an item to its form in `/v1`. */
export function outcomeBody({ outcome, code, message, generation }: Omit<ItemOutcome, "item">) {
  return { outcome: outcome ?? null, code, message, generation };
}

/** Converts an operation to its form in `/v1`, with JSON Schemas. `now`: milliseconds since 1970 UTC. */
export function operationBody(operation: AnyOperation, now: number) {
  const { limits: pace } = operation;
  const from = allowedFrom(operation, false, now);
  return {
    name: operation.name,
    label: operation.label,
    target: operation.target,
    role: operation.role ?? null,
    usual_params: operation.usualParams ?? {},
    columns: tableColumns(operation),
    chunk_size: operation.chunkSize,
    dry_run: operation.effects === "ledger" || operation.preview !== undefined,
    pace: pace
      ? {
          concurrency: pace.concurrency ?? null,
          per_second: pace.perSecond ?? null,
          burst: pace.burst ?? null,
          next_allowed_at: from > now ? toTimestamp(from) : null,
        }
      : null,
    item: z.toJSONSchema(operation.item, { unrepresentable: "any", io: "input" }),
    params: z.toJSONSchema(operation.params, { unrepresentable: "any", io: "input" }),
    filter: operation.selection
      ? z.toJSONSchema(operation.selection.filter, { unrepresentable: "any", io: "input" })
      : null,
  };
}
