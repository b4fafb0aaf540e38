import type { Host } from "@reinstate/batch-core";
import {
  batchesReply,
  batchReply,
  createV1Routes,
  itemsReply,
  manifestReply,
  operationsReply,
  problemReply,
} from "@reinstate/batch-core/http";
import * as z from "zod";

const schemaOf = (schema: z.ZodType) => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: "output", unrepresentable: "any" });
  return rest;
};

const json = (schema: z.ZodType) => ({ content: { "application/json": { schema: schemaOf(schema) } } });
const text = (type: string, pattern = "") => ({ content: { [type]: { schema: { type: "string", pattern } } } });
export const problemResponse = { content: { "application/problem+json": { schema: schemaOf(problemReply) } } };

const problems = (...statuses: number[]) =>
  Object.fromEntries([401, ...statuses].map((status) => [status, problemResponse]));

const string = { type: "string" };
const parameter = (name: string, schema: object, required = false) => ({ name, in: "query", required, schema });
const newBatch = {
  type: "object",
  required: ["operation", "items"],
  properties: {
    operation: string,
    target: { enum: ["local", "upstream"] },
    account: string,
    params: { type: "object", properties: {} },
    items: { type: "array", items: {} },
    dry_run: { type: "boolean" },
    stop_rule: {
      type: "object",
      required: ["max_failure_rate"],
      properties: {
        max_failure_rate: { type: "number", minimum: 0, maximum: 1 },
        after: { type: "integer", minimum: 0 },
      },
    },
  },
};
const streamed = { schema: { type: "array", items: {} } };
const batches = { 201: json(batchReply), 202: json(batchReply), ...problems(400, 409, 413, 415, 422) };
const change = { responses: { 200: json(batchReply), ...problems(400, 404, 409, 413, 415, 422) } };

/** What each route of `/v1` takes and how it is answered, by method and path. */
const operations: Record<string, object> = {
  "GET /v1/operations": { responses: { 200: json(operationsReply), ...problems() } },
  "GET /v1/batches": {
    parameters: [
      parameter("status", { enum: ["pending", "in_progress", "completed", "failed", "stopped"] }),
      parameter("operation", string),
      parameter("cursor", { type: "integer", minimum: 1 }),
      parameter("limit", { type: "integer", minimum: 1, maximum: 500 }),
    ],
    responses: { 200: json(batchesReply), ...problems(422) },
  },
  "POST /v1/batches": {
    parameters: [{ name: "Idempotency-Key", in: "header", schema: string }],
    requestBody: {
      content: { "application/json": { schema: newBatch }, "application/x-ndjson": streamed, "text/csv": streamed },
    },
    responses: batches,
  },
  "GET /v1/batches/{id}": { responses: { 200: json(batchReply), ...problems(404) } },
  "GET /v1/batches/{id}/items": {
    parameters: [
      parameter("outcome", { enum: ["done", "skipped", "failed", "unknown"] }),
      parameter("cursor", string),
      parameter("limit", { type: "integer", minimum: 1, maximum: 500 }),
    ],
    responses: { 200: json(itemsReply), ...problems(404, 422) },
  },
  "GET /v1/batches/{id}/report.csv": {
    responses: { 200: text("text/csv", "^item,outcome,code,message,generation\\n"), ...problems(404) },
  },
  "GET /v1/batches/{id}/report.ndjson": { responses: { 200: text("application/x-ndjson"), ...problems(404) } },
  "GET /v1/batches/{id}/manifest.json": { responses: { 200: json(manifestReply), ...problems(404) } },
  "GET /v1/batches/{id}/events": {
    responses: { 200: text("text/event-stream", "^event: progress\\n"), 204: {}, ...problems(404) },
  },
  "POST /v1/batches/{id}/stop": change,
  "POST /v1/batches/{id}/resume": change,
  "POST /v1/batches/{id}/retry": change,
};

/** The routes of the router itself: `GET /v1/batches/{id}`. */
export function v1Routes(host: Host): string[] {
  const { routes } = createV1Routes(host);
  return routes
    .filter(({ method }) => method !== "ALL")
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
}

/** The document of `/v1`. Throws if the router has a route that this table does not describe. */
export function v1Document(host: Host) {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of v1Routes(host)) {
    const operation = operations[route];
    if (!operation) throw new Error(`${route} is a route of /v1 that the document does not describe`);
    const [method = "", path = ""] = route.split(" ");
    paths[path] = { ...paths[path], [method.toLowerCase()]: operation };
  }
  return { paths };
}
