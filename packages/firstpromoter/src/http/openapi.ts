import {
  type ApiAnswer,
  type ApiRoute,
  assembleOpenApi,
  createSchemaWriter,
  type Json,
  writeErrors,
} from "@reinstate/batch-core/openapi";
import * as z from "zod";
import * as schemas from "../schemas.ts";
import { api, basePath, type Route } from "./api.ts";
import { type ErrorAnswer, type ErrorName, errorAnswers } from "./errors.ts";

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

/** The headers of an answer of a call that makes a batch. */
const batchHeaders = {
  "X-Reinstate-Batch": z.int().describe("The id of the batch"),
  "Idempotency-Replayed": z.literal("true").describe("The first answer to this key"),
};

/** The refusals that every call has. */
const everywhere: ErrorName[] = [
  "bad_key",
  "foreign_account",
  "unknown_account",
  "too_many_requests",
  // A safety flag that the call does not support, or whose value is not clear.
  "invalid_param",
  "unavailable",
  "internal",
];

function describeRoute(route: Route, shared: Record<string, ApiAnswer>): ApiRoute {
  const { operationId, method, path, summary, own, query = {}, headers = {}, body, replies, errors = [] } = route;
  const text = [route.description, own && "Not part of FirstPromoter's own API."].filter((part) => part !== undefined);
  const isBatch = path.startsWith("/batch_processes");
  const isMade = "202" in replies;
  const answers = Object.entries(replies).map(([status, schema]): [string, ApiAnswer] => [
    status,
    {
      description: status === "202" ? "Accepted; the batch goes on" : "Done",
      headers: { ...requestId, ...(isMade && batchHeaders) },
      body: { schema },
    },
  ]);
  return {
    ...{ operationId, method, path, summary },
    tag: isBatch ? "Batches" : "Promoters",
    ...(text.length > 0 && { description: text.join(" ") }),
    parameters: {
      ...(path.includes("{id}") && { path: { id: isBatch ? z.int() : z.string() } }),
      query,
      header: headers,
    },
    sharedParameters: ["AccountId", "RequestId"],
    ...(body && { body: { schema: body } }),
    answers: {
      ...Object.fromEntries(answers),
      ...writeErrors<ErrorName>(errorAnswers as Record<ErrorName, ErrorAnswer>, [...errors, ...everywhere], {
        ...{ schema: writer.reference("Error"), headers: requestId, shared },
      }),
    },
  };
}

/** The OpenAPI 3.1 document of what is served with the default options, made from the table of routes. */
export function openApi(): Json {
  const answers: Record<string, ApiAnswer> = {};
  return assembleOpenApi({
    info: {
      title: "FirstPromoter API v2, as @reinstate/firstpromoter serves it",
      description: "Archiving promoters and bringing them back, and what belongs to it.",
      version: "2",
    },
    servers: [{ url: basePath }],
    security: [{ apiKey: [] }],
    securitySchemes: { apiKey: { type: "http", scheme: "bearer" } },
    routes: api.map((route) => describeRoute(route, answers)),
    writer,
    schemas: writer.writeNamed("output"),
    parameters: {
      AccountId: {
        ...{ name: "Account-ID", in: "header", required: true },
        description: "The account that the key belongs to",
        schema: { type: "string" },
      },
      RequestId: {
        ...{ name: "X-Request-Id", in: "header", required: false },
        description: "Comes back on the reply",
        schema: { type: "string", pattern: "^[\\w.:/+=@-]{1,128}$" },
      },
    },
    headers: { RequestId: { schema: { type: "string" }, description: "The request's own, or a new one" } },
    answers,
  });
}
