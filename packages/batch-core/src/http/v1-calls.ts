import * as z from "zod";
import type { ApiAnswer, ApiBody, ApiRoute } from "../openapi/document.ts";
import { newBatch, streamQuery } from "./new-batch-schemas.ts";
import { type ErrorName, ofKeys } from "./v1-errors.ts";
import {
  jsonLimit,
  mostFoundBatches,
  mostItems,
  mostPageItems,
  smallBodyLimit,
  standardStreamLimit,
} from "./v1-limits.ts";
import {
  batchDetailReply,
  batchesReply,
  batchReply,
  foundItemsReply,
  historyReply,
  itemsReply,
  manifestReply,
  operationsReply,
} from "./v1-replies.ts";
import {
  actBody,
  findItemQuery,
  itemsQuery,
  listQuery,
  markBody,
  repeatBody,
  retryBody,
  undoBody,
} from "./v1-routes.ts";

/** A call of `/v1`, with the names of its errors. */
export interface V1Call extends Omit<ApiRoute, "answers" | "tag"> {
  answers: Record<string, ApiAnswer>;
  errors?: ErrorName[];
}

const id = { id: z.int().min(1) };
const idempotencyKey = {
  "Idempotency-Key": z.string().min(1).max(255).describe("A repeat with the same key is answered as the first time"),
};
const batch = (description: string): ApiAnswer => ({ description, body: { schema: batchReply } });
const replayed = { "Idempotency-Replayed": z.literal("true").describe("The first answer to this key") };
const location = { Location: z.string().describe("The path of the batch") };

const text = (mediaType: string): ApiBody => ({ schema: { type: "string" }, mediaTypes: [mediaType] });

/** Describes a change of one batch. */
const change = (operationId: string, verb: string, summary: string): V1Call => ({
  operationId,
  method: "POST",
  path: `/v1/batches/{id}/${verb}`,
  summary,
  parameters: { path: id },
  limits: { bodyBytes: smallBodyLimit },
  body: { schema: actBody, required: false, examples: { reason: { note: "The call center is closed" } } },
  answers: { "200": batch("The batch afterwards") },
  errors: [
    "unknown_batch",
    "wrong_state",
    "invalid_request",
    "malformed_json",
    "body_too_large",
    "unsupported_media_type",
  ],
});

const report = (format: "csv" | "ndjson", mediaType: string): V1Call => ({
  operationId: `get${format === "csv" ? "Csv" : "Ndjson"}Report`,
  method: "GET",
  path: `/v1/batches/{id}/report.${format}`,
  summary: `Download the outcome of every item as ${format.toUpperCase()}`,
  parameters: { path: id },
  answers: { "200": { description: "A line for each item", body: text(mediaType) } },
  errors: ["unknown_batch"],
});

/** A change that takes an Idempotency-Key. */
const keyedChange = (operationId: string, verb: string, summary: string): V1Call => {
  const route = change(operationId, verb, summary);
  return {
    ...route,
    parameters: { path: id, header: idempotencyKey },
    errors: [...(route.errors ?? []), ...ofKeys],
  };
};

const newBatchAnswers = {
  "201": { ...batch("Finished or prepared"), headers: { ...location, ...replayed } },
  "202": { ...batch("Accepted; the batch continues"), headers: { ...location, ...replayed } },
};

/** The calls of `/v1`, for its document. */
export const v1Calls: V1Call[] = [
  {
    operationId: "listOperations",
    method: "GET",
    path: "/v1/operations",
    summary: "List the operations with the schemas of their items",
    answers: { "200": { description: "All operations", body: { schema: operationsReply } } },
  },
  {
    operationId: "listBatches",
    method: "GET",
    path: "/v1/batches",
    summary: "List batches, newest first",
    parameters: { query: listQuery.shape },
    limits: { pageItems: mostPageItems },
    answers: { "200": { description: "A page", body: { schema: batchesReply } } },
    errors: ["invalid_request"],
  },
  {
    operationId: "createBatch",
    method: "POST",
    path: "/v1/batches",
    summary: "Run an operation over any number of items",
    description:
      "The items stand in a JSON body, or are streamed as NDJSON or CSV with all else in the query; then their number has no limit. A small batch is finished with the answer (201), a larger one goes on (202).",
    parameters: { query: streamQuery.shape, header: idempotencyKey },
    limits: { items: mostItems, bodyBytes: jsonLimit, uploadBytes: standardStreamLimit },
    body: [
      {
        schema: newBatch,
        examples: {
          restore: { operation: "firstpromoter.promoters.restore", account: "acc_demo", items: [123, 456] },
          dry_run: {
            operation: "vicidial.leads.dearchive",
            items: [7],
            params: { insert_leads: true, delete_leads: true },
            dry_run: true,
          },
        },
      },
      text("application/x-ndjson"),
      text("text/csv"),
    ],
    answers: newBatchAnswers,
    errors: [
      ...([
        "duplicate_content",
        "invalid_request",
        "unknown_operation",
        "malformed_json",
        "body_too_large",
        "unsupported_media_type",
      ] as const),
      ...(["unsupported_media_type", ...ofKeys] as const),
    ],
  },
  {
    operationId: "getBatch",
    method: "GET",
    path: "/v1/batches/{id}",
    summary: "Get one batch",
    parameters: { path: id },
    answers: { "200": { description: "The batch", body: { schema: batchDetailReply } } },
    errors: ["unknown_batch"],
  },
  {
    operationId: "listItems",
    method: "GET",
    path: "/v1/batches/{id}/items",
    summary: "List the items of a batch with their outcomes",
    parameters: { path: id, query: itemsQuery.shape },
    limits: { pageItems: mostPageItems },
    answers: { "200": { description: "A page", body: { schema: itemsReply } } },
    errors: ["unknown_batch", "invalid_request"],
  },
  {
    operationId: "findItem",
    method: "GET",
    path: "/v1/items",
    summary: "Find the batches that contain an item",
    description:
      "Integers are found in all batches of the operation. Other items, given as JSON or by their key, are found within one batch.",
    parameters: { query: findItemQuery.shape },
    limits: { pageItems: mostFoundBatches },
    answers: { "200": { description: "The batches, newest first", body: { schema: foundItemsReply } } },
    errors: ["invalid_request", "unknown_operation", "unknown_batch"],
  },
  report("csv", "text/csv"),
  report("ndjson", "application/x-ndjson"),
  {
    operationId: "getManifest",
    method: "GET",
    path: "/v1/batches/{id}/manifest.json",
    summary: "Get the counts and checksums of the reports",
    parameters: { path: id },
    answers: { "200": { description: "The manifest", body: { schema: manifestReply } } },
    errors: ["unknown_batch"],
  },
  {
    operationId: "getHistory",
    method: "GET",
    path: "/v1/batches/{id}/history",
    summary: "List who did what to a batch, when and why",
    parameters: { path: id },
    answers: { "200": { description: "All events, oldest first", body: { schema: historyReply } } },
    errors: ["unknown_batch"],
  },
  {
    operationId: "watchBatch",
    method: "GET",
    path: "/v1/batches/{id}/events",
    summary: "Stream the progress of a batch as server-sent events",
    parameters: {
      path: id,
      header: { "Last-Event-ID": z.string().describe("The id of the last event that was read") },
    },
    answers: {
      "200": {
        description: "Events `progress` and `end`, each with the batch as JSON",
        body: text("text/event-stream"),
      },
      "204": { description: "The client has read the end" },
    },
    errors: ["unknown_batch"],
  },
  change("stopBatch", "stop", "Stop a batch at the next chunk"),
  change("resumeBatch", "resume", "Go on with a stopped batch"),
  change("reexamineBatch", "reexamine", "Look again at the unknown items of a batch"),
  {
    ...change("markBatch", "mark", "Mark the unknown items of a batch as done or failed"),
    body: {
      schema: markBody,
      examples: { found: { as: "done", note: "All of them are active at the vendor" } },
    },
  },
  {
    ...keyedChange("retryBatch", "retry", "Run the failed items of a batch again"),
    body: {
      schema: retryBody,
      required: false,
      examples: { one_code: { code: "not_found", note: "Imported the missing promoters" } },
    },
    answers: { "200": { ...batch("The batch, in a new generation"), headers: replayed } },
  },
  {
    ...keyedChange("undoBatch", "undo", "Prepare the undo of a batch"),
    description:
      "Makes a batch of the opposite operation over the done items. It is stopped until it is resumed. With dry_run, the dry run of it runs at once.",
    body: {
      schema: undoBody,
      required: false,
      examples: { prepare: { note: "Wrong file" }, dry_run: { dry_run: true } },
    },
    answers: newBatchAnswers,
  },
  {
    ...keyedChange("repeatBatch", "repeat", "Make a batch over the items of another one"),
    description:
      "Operation, target, account, params and stop rule are those of the batch. The new batch is real unless dry_run is set, so this makes a dry run real.",
    body: {
      schema: repeatBody,
      required: false,
      examples: { make_a_dry_run_real: {}, one_outcome: { outcome: "unknown", prepared: true } },
    },
    answers: newBatchAnswers,
  },
];
