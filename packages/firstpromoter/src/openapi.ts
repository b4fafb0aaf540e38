import * as z from "zod";
import { api, basePath, type Route } from "./api.ts";
import { type ErrorAnswer, type ErrorName, errorAnswers } from "./errors.ts";
import * as schemas from "./schemas.ts";

/** The schemas that have a name in the document. */
const components = {
  BatchProcess: schemas.batchProcess,
  BatchProgress: schemas.batchProgress,
  BatchItems: schemas.batchItems,
  Promoter: schemas.promoter,
  PromoterList: schemas.promoterList,
  NewPromoter: schemas.newPromoter,
  PromoterChanges: schemas.promoterChanges,
  Error: schemas.errorBody,
};

type Json = Record<string, unknown>;

const named = z.registry<{ id: string }>();
for (const [id, schema] of Object.entries(components)) named.add(schema, { id });

/** `date-time` says what the pattern of all times would say at length. */
function withoutPattern({ jsonSchema }: { jsonSchema: { format?: string; pattern?: string } }): void {
  if (jsonSchema.format === "date-time") delete jsonSchema.pattern;
}

/** The named schemas, each one where it is part of another as a reference. */
function componentSchemas(): Json {
  const { schemas } = z.toJSONSchema(named, { uri: (id) => `#/components/schemas/${id}`, override: withoutPattern });
  return Object.fromEntries(
    Object.entries(schemas).map(([id, { $schema: _, $id: __, ...schema }]) => [id, schema as Json]),
  );
}

const jsonSchema = (schema: z.ZodType, io: "input" | "output"): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any", override: withoutPattern });
  return rest;
};

const reference = (name: keyof typeof components) => ({ $ref: `#/components/schemas/${name}` });

function schemaOf(schema: z.ZodType, io: "input" | "output"): Json {
  const name = (Object.keys(components) as (keyof typeof components)[]).find((key) => components[key] === schema);
  if (name) return reference(name);
  if (schema instanceof z.ZodArray) return { type: "array", items: schemaOf(schema.element as z.ZodType, io) };
  return jsonSchema(schema, io);
}

const requestId = { "X-Request-Id": { $ref: "#/components/headers/RequestId" } };

const content = (schema: Json) => ({ "application/json": { schema } });

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

/** What all refusals with one status look like, with an example of each; kept among the `shared` ones under their names. */
function refusals(names: readonly ErrorName[], shared: Record<string, Json>): Record<string, Json> {
  const byStatus = Map.groupBy(
    names.map((name) => ({ name, answer: errorAnswers[name] as ErrorAnswer })),
    ({ answer }) => answer.status,
  );
  const responses: Record<string, Json> = {};
  for (const [status, entries] of byStatus) {
    const description = entries.map(({ name }) => name.replaceAll("_", " ")).join(", or ");
    const examples = Object.fromEntries(
      entries.flatMap(({ name, answer }) => (answer.body === null ? [] : [[name, { value: answer.body }]])),
    );
    const isEmpty = Object.keys(examples).length === 0;
    const key = entries.map(({ name }) => name).join(".");
    responses[status] = { $ref: `#/components/responses/${key}` };
    shared[key] = {
      description: isEmpty ? `${description}: without a body` : description,
      ...(!isEmpty && { content: { "application/json": { schema: reference("Error"), examples } } }),
      headers: {
        ...requestId,
        ...((status === 429 || status === 503) && {
          "Retry-After": { schema: { type: "integer" }, description: "Seconds" },
        }),
      },
    };
  }
  return responses;
}

function parametersOf({ path, query = {}, headers = {} }: Route): Json[] {
  const of = (place: string, given: Record<string, z.ZodType>, required = false) =>
    Object.entries(given).map(([name, schema]) => {
      const json = schemaOf(schema, "input");
      const { description, ...rest } = json;
      return {
        ...{ name, in: place, required },
        ...(description !== undefined && { description }),
        ...(json.type === "object" && { style: "deepObject" }),
        schema: rest,
      };
    });
  const id = path.startsWith("/batch_processes") ? z.int() : z.string();
  return [
    ...(path.includes("{id}") ? of("path", { id }, true) : []),
    ...of("query", query),
    ...of("header", headers),
    { $ref: "#/components/parameters/AccountId" },
    { $ref: "#/components/parameters/RequestId" },
  ];
}

function operationOf(route: Route, shared: Record<string, Json>): Json {
  const { operationId, summary, own, body, replies, errors = [] } = route;
  const made = Object.keys(replies).includes("202");
  return {
    operationId,
    summary,
    tags: [route.path.startsWith("/batch_processes") ? "Batches" : "Promoters"],
    ...(own && { description: "Not part of FirstPromoter's own API." }),
    parameters: parametersOf(route),
    ...(body && { requestBody: { required: true, content: content(schemaOf(body, "input")) } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(replies).map(([status, schema]) => [
          status,
          {
            description: status === "202" ? "Accepted; the batch goes on" : "Done",
            headers: {
              ...requestId,
              ...(made && {
                "X-Reinstate-Batch": { schema: { type: "integer" }, description: "The id of the batch" },
                "Idempotency-Replayed": { schema: { const: "true" }, description: "The first answer to this key" },
              }),
            },
            content: content(schemaOf(schema, "output")),
          },
        ]),
      ),
      ...refusals([...new Set([...errors, ...everywhere])], shared),
    },
  };
}

/** The OpenAPI 3.1 document of what is served with the default options, made from the table of routes. */
export function openApi(): Json {
  const paths: Record<string, Json> = {};
  const responses: Record<string, Json> = {};
  for (const route of api) {
    paths[route.path] ??= {};
    (paths[route.path] as Json)[route.method.toLowerCase()] = operationOf(route, responses);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "FirstPromoter API v2, as @reinstate/firstpromoter serves it",
      description: "Archiving promoters and bringing them back, and what belongs to it.",
      version: "2",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: basePath }],
    security: [{ apiKey: [] }],
    paths,
    components: {
      securitySchemes: { apiKey: { type: "http", scheme: "bearer" } },
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
      headers: {
        RequestId: { schema: { type: "string" }, description: "The request's own, or a new one" },
      },
      responses,
      schemas: componentSchemas(),
    },
  };
}
