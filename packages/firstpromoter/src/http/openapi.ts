import {
  type ApiAnswer,
  type ApiRoute,
  assembleOpenApi,
  type CallLimits,
  createSchemaWriter,
  type ErrorAnswer,
  type Examples,
  type Json,
  writeErrors,
} from "@reinstate/batch-core/openapi";
import * as z from "zod";
import { firstPromoterOptions, type Options } from "../options.ts";
import * as schemas from "../schemas.ts";
import { api, basePath, mostPageItems, type Route } from "./api.ts";
import { type ErrorName, errorAnswers, errorCauses } from "./errors.ts";
import examples from "./examples.json" with { type: "json" };

const writer = createSchemaWriter({
  BatchProcess: schemas.batchProcess,
  BatchProgress: schemas.batchProgress,
  BatchItems: schemas.batchItems,
  Promoter: schemas.promoter,
  PromoterList: schemas.promoterList,
  NewPromoter: schemas.newPromoter,
  PromoterChanges: schemas.promoterChanges,
  Error: schemas.errorBody,
});

const requestId = { "X-Request-Id": { $ref: "#/components/headers/RequestId" } };

/** The response headers of a call that creates a batch. */
const batchHeaders = {
  "X-Reinstate-Batch": z.int().describe("The id of the batch"),
  "Idempotency-Replayed": z.literal("true").describe("The response is the first one to this key"),
};

const describedErrors = Object.fromEntries(
  Object.entries(errorAnswers).map(([name, answer]) => [name, { ...answer, cause: errorCauses[name as ErrorName] }]),
) as Record<ErrorName, ErrorAnswer>;

/** The errors of every call. */
const commonErrors: ErrorName[] = [
  "bad_key",
  "foreign_account",
  "unknown_account",
  "too_many_requests",
  // A safety flag that the call does not support, or that has an unclear value.
  "invalid_param",
  "unavailable",
  "internal",
];

function describeRoute(
  route: Route,
  shared: Record<string, ApiAnswer>,
  { bodyLimit, rateLimit }: LimitOptions,
): ApiRoute {
  const { operationId, method, path, summary, extension, query = {}, headers = {}, body, replies, errors = [] } = route;
  const text = [route.description, extension && "Not part of FirstPromoter's own API."].filter(
    (part) => part !== undefined,
  );
  const isBatch = path.startsWith("/batch_processes");
  const createsBatch = "202" in replies;
  const answers = Object.entries(replies).map(([status, schema]): [string, ApiAnswer] => [
    status,
    {
      description: status === "202" ? "Accepted; the batch runs in the background" : "Done",
      headers: { ...requestId, ...(createsBatch && batchHeaders) },
      body: { schema },
    },
  ]);
  return {
    operationId,
    method,
    path,
    summary,
    tag: isBatch ? "Batches" : "Promoters",
    ...(text.length > 0 && { description: text.join(" ") }),
    parameters: {
      ...(path.includes("{id}") && { path: { id: isBatch ? z.int() : z.string() } }),
      query,
      header: headers,
    },
    sharedParameters: ["AccountId", "RequestId"],
    ...(body && { body: { schema: body } }),
    limits: {
      ...("per_page" in query && { pageItems: mostPageItems }),
      ...(method !== "GET" && { bodyBytes: bodyLimit }),
      // 0 means no limit.
      ...(rateLimit > 0 && { callsPerMinute: rateLimit }),
    },
    answers: {
      ...Object.fromEntries(answers),
      ...writeErrors<ErrorName>(describedErrors, [...errors, ...commonErrors], {
        schema: writer.reference("Error"),
        headers: requestId,
        shared,
      }),
    },
  };
}

/** The options that limit calls. */
type LimitOptions = Pick<Options, "bodyLimit" | "rateLimit">;

/**
 * Returns the OpenAPI 3.1 document of the server, generated from the table of routes. `settings`: the options with default values for
 * those that are missing. `limits`: those of every call of the server.
 */
export function openApi(settings: Partial<LimitOptions> = {}, limits?: CallLimits): Json {
  const options = { ...firstPromoterOptions.parse({}), ...settings };
  const answers: Record<string, ApiAnswer> = {};
  return assembleOpenApi({
    info: {
      title: "FirstPromoter API v2, as served by @reinstate/firstpromoter",
      description: "Archive and restore promoters.",
      version: "2",
    },
    servers: [{ url: basePath }],
    security: [{ apiKey: [] }],
    securitySchemes: { apiKey: { type: "http", scheme: "bearer" } },
    routes: api.map((route) => describeRoute(route, answers, options)),
    writer,
    examples: examples as Examples,
    limits,
    schemas: writer.writeNamed("output"),
    parameters: {
      AccountId: {
        name: "Account-ID",
        in: "header",
        required: true,
        description: "The account that the key belongs to",
        schema: { type: "string" },
      },
      RequestId: {
        name: "X-Request-Id",
        in: "header",
        required: false,
        description: "The response has the same id",
        schema: { type: "string", pattern: "^[\\w.:/+=@-]{1,128}$" },
      },
    },
    headers: { RequestId: { schema: { type: "string" }, description: "The id of the request, or a new one" } },
    answers,
  });
}
