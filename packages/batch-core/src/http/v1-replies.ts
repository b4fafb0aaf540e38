import * as z from "zod";
import { batchStatuses } from "../batch/batch.ts";
import { eventVerbs } from "../batch/event.ts";
import { waitReasons } from "../errors/wait-reason.ts";
import { outcomeWords } from "../operation/operation.ts";
import { limitingFactors } from "../submission/estimate.ts";

// The replies of `/v1` as strict zod schemas with all fields.

const count = z.int().min(0);
const time = z.iso.datetime({ precision: 3 });
const outcomeWord = z.enum(outcomeWords);
const target = z.enum(["local", "upstream"]);

/** A batch. Times are RFC 3339 in UTC, `progress` is a whole percent. */
export const batchReply = z.strictObject({
  id: z.int().min(1),
  operation: z.string(),
  target,
  account: z.string().describe("Empty for a vendor without accounts"),
  status: z.enum(batchStatuses),
  total: count.describe("Distinct items"),
  processed: count.describe("Items that have an outcome"),
  done: count,
  skipped: count,
  failed: count,
  unknown: count.describe("Items whose effect cannot be known"),
  duplicates: count.describe("Items that were given more than once and are worked on once"),
  progress: z.int().min(0).max(100).describe("Percent"),
  generation: count.describe("How often the failed items were run again"),
  dry_run: z.boolean(),
  from_batch: z.int().min(1).nullable().describe("The batch whose items these are"),
  undo_of: z.int().min(1).nullable().describe("The batch that this one undoes"),
  params: z.record(z.string(), z.unknown()),
  tally: z.record(z.string(), z.number()),
  error: z.string().nullable(),
  next_allowed_at: time.nullable().describe("When a batch that waits continues"),
  waiting_for: z.enum(waitReasons).nullable(),
  created_at: time,
  updated_at: time,
  started_at: time.nullable(),
  finished_at: time.nullable(),
  actor: z.string().nullable().describe("The id of the key that made the batch"),
});

/** The estimate of a real run under the limits of the operation. */
export const estimateReply = z.strictObject({
  chunks: count,
  requests: count.describe("Requests to the vendor"),
  earliest_start: time,
  duration_ms: count.nullable().describe("Until the last chunk may start; null if only the speed of the work decides"),
  limited_by: z.enum(limitingFactors).nullable(),
});

/** A batch with the counts of its items that are not done. */
export const batchDetailReply = batchReply.extend({
  failures: z
    .array(
      z.strictObject({
        outcome: z.enum(["skipped", "failed", "unknown"]),
        code: z.string(),
        count: z.int().min(1),
        message: z.string().nullable().describe("The message of one of these items"),
      }),
    )
    .describe("The items that are not done by outcome and code, the largest number first"),
  estimate: estimateReply.nullable().describe("Of a dry run: what a real run takes from now on"),
});

/** A page of batches, newest first. */
export const batchesReply = z.strictObject({ batches: z.array(batchReply), next_cursor: z.string().nullable() });

/** A page of items; `outcome` is null while an item waits. */
export const itemsReply = z.strictObject({
  items: z.array(
    z.strictObject({
      item: z.unknown(),
      outcome: outcomeWord.nullable(),
      code: z.string().optional(),
      message: z.string().optional(),
      generation: count,
    }),
  ),
  next_cursor: z.string().nullable(),
});

/** The batches with one item, newest first. */
export const foundItemsReply = z.strictObject({
  items: z.array(
    z.strictObject({
      batch: batchReply,
      outcome: outcomeWord.nullable(),
      code: z.string().optional(),
      message: z.string().optional(),
      generation: count,
    }),
  ),
});

/** The history of a batch, oldest first. */
export const historyReply = z.strictObject({
  events: z.array(
    z.strictObject({
      at: time,
      verb: z.enum(eventVerbs),
      actor: z.string().nullable().describe("The id of the key that made the change; null for the process"),
      actor_name: z.string().nullable().describe("The name of that key"),
      note: z.string().nullable().describe("The reason; of `failed`, the error of the batch"),
      generation: count,
      code: z.string().nullable().describe("The code to which a retry or a mark was limited"),
      items: count.nullable().describe("Items that were retried, reexamined or marked"),
      outcome: outcomeWord.nullable().describe("The outcome of marked items"),
      batch: z.int().nullable().describe("The batch that undoes this one"),
    }),
  ),
});

const jsonSchema = z.record(z.string(), z.unknown());

/** The operations, with the schemas of their items, params and filters as JSON Schema. */
export const operationsReply = z.strictObject({
  operations: z.array(
    z.strictObject({
      name: z.string(),
      label: z.string(),
      target,
      role: z.enum(["restore", "archive"]).nullable().describe("The general command that this operation is for"),
      usual_params: z.record(z.string(), z.unknown()).describe("Params that the command line assumes"),
      columns: z.array(z.unknown()),
      chunk_size: z.int().min(1),
      dry_run: z.boolean(),
      pace: z
        .strictObject({
          concurrency: count.nullable(),
          per_second: z.number().nullable(),
          burst: z.number().nullable(),
          next_allowed_at: time.nullable(),
        })
        .nullable(),
      item: jsonSchema,
      params: jsonSchema,
      filter: jsonSchema.nullable(),
    }),
  ),
});

const reportFile = z.strictObject({ bytes: count, lines: count, sha256: z.string().regex(/^[\da-f]{64}$/) });

/** A batch with the counts of its items, and the sizes and digests of its reports. */
export const manifestReply = z.strictObject({
  batch: batchReply,
  total: count,
  counts: z.strictObject({ done: count, skipped: count, failed: count, unknown: count, pending: count }),
  reports: z.strictObject({ "report.csv": reportFile, "report.ndjson": reportFile }),
});

/** An RFC 9457 problem. */
export const problemReply = z.strictObject({
  type: z.string().regex(/^urn:reinstate:problem:[a-z-]+$/),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  errors: z
    .array(z.strictObject({ path: z.string(), message: z.string() }))
    .max(100)
    .optional(),
  batch: z.int().min(1).optional().describe("Of duplicate-content: the batch that has the same content"),
  bad_rows: z
    .int()
    .min(1)
    .optional()
    .describe("Of rejected items of an upload: the number of bad rows. `errors` has the first ones"),
});

/** One batch. */
export type BatchReply = z.infer<typeof batchReply>;
/** One batch with the counts of its items that are not done. */
export type BatchDetailReply = z.infer<typeof batchDetailReply>;
/** A page of batches. */
export type BatchesReply = z.infer<typeof batchesReply>;
/** A page of items with their outcomes. */
export type ItemsReply = z.infer<typeof itemsReply>;
/** The batches with one item. */
export type FoundItemsReply = z.infer<typeof foundItemsReply>;
/** The history of a batch. */
export type HistoryReply = z.infer<typeof historyReply>;
/** The registered operations. */
export type OperationsReply = z.infer<typeof operationsReply>;
/** The manifest of a batch's report. */
export type ManifestReply = z.infer<typeof manifestReply>;

/** The replies with the names that they have in the OpenAPI document. */
export const namedReplies = {
  Batch: batchReply,
  BatchDetail: batchDetailReply,
  BatchList: batchesReply,
  FoundItems: foundItemsReply,
  History: historyReply,
  ItemList: itemsReply,
  Manifest: manifestReply,
  OperationList: operationsReply,
  Problem: problemReply,
};
