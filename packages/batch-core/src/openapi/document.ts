import type * as z from "zod";
import { addExamples, describeWithExample, type Examples, joinParagraphs } from "./examples.ts";
import { type CallLimits, describeLimits } from "./limits.ts";
import type { Direction, Json, SchemaWriter } from "./schemas.ts";

/** A body, of a request or an answer. */
export interface ApiBody {
  /** A zod schema, or JSON Schema that is ready. */
  schema: z.ZodType | Json;
  /** Default `["application/json"]`. A schema of XML has its own `xml` part. */
  mediaTypes?: readonly string[];
  /** Whether a request must have it. Default true. */
  required?: boolean;
  /** Whole bodies by the name of the case. */
  examples?: Record<string, unknown>;
}

/** An answer with one status. */
export interface ApiAnswer {
  description: string;
  body?: ApiBody | undefined;
  /** Schemas by the name of the header; JSON may refer to a shared header. */
  headers?: Record<string, z.ZodType | Json>;
}

/** One call of an API, as it is served and as the document tells it. */
export interface ApiRoute {
  operationId: string;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From the server's URL on, with `{name}` for a part that varies. */
  path: string;
  /** At most 60 characters. */
  summary: string;
  description?: string;
  tag: string;
  /** Schemas by name, for the parts of the path, the query and the headers. Those of the path are required. */
  parameters?: {
    path?: Record<string, z.ZodType>;
    query?: Record<string, z.ZodType>;
    header?: Record<string, z.ZodType>;
  };
  /** Names of parameters that all or many calls have, in `ApiDescription.parameters`. */
  sharedParameters?: readonly string[];
  /** Several where it depends on the media type. */
  body?: ApiBody | readonly ApiBody[] | undefined;
  /** By status, or `default`. A text is the name of an answer in `ApiDescription.answers`. */
  answers: Record<string, ApiAnswer | string>;
  /** Its own limits, besides those of every call. */
  limits?: CallLimits;
  /** Further fields of the operation: `security`, `externalDocs`, `x-…`. */
  more?: Json;
}

/** The parts of an OpenAPI document beside its routes. */
export interface ApiDescription {
  info: { title: string; version: string; description: string };
  servers: readonly { url: string; description?: string }[];
  tags?: readonly { name: string; description: string }[];
  security?: readonly Json[];
  securitySchemes: Json;
  routes: readonly ApiRoute[];
  writer: SchemaWriter;
  /** `components.schemas`: what `writer.writeNamed` returns, and more. */
  schemas: Json;
  /** Parameters, headers and answers that calls share, by name. */
  parameters?: Json;
  headers?: Json;
  answers?: Record<string, ApiAnswer>;
  /** The limits of every call. */
  limits?: CallLimits | undefined;
  /** Example calls, which the operations show with their replies. */
  examples?: Examples;
}

/**
 * Assembles the OpenAPI 3.1 document of an API out of its table of routes.
 *
 * @example
 * const writer = createSchemaWriter({ Ticket: ticket });
 * assembleOpenApi({ info, servers, securitySchemes, writer, schemas: writer.writeNamed("output"), routes });
 */
export function assembleOpenApi(api: ApiDescription): Json {
  const { info, servers, tags, security, securitySchemes, routes, writer, parameters, headers, answers } = api;
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    paths[route.path] ??= {};
    const path = paths[route.path] as Json;
    const method = route.method.toLowerCase();
    if (method in path) throw new Error(`${route.method} ${route.path} is declared twice`);
    path[method] = writeOperation(route, api);
  }
  const responses =
    answers && Object.fromEntries(Object.entries(answers).map(([name, answer]) => [name, writeAnswer(answer, writer)]));
  return {
    openapi: "3.1.0",
    info: { ...info, license: { name: "MIT", identifier: "MIT" } },
    servers,
    ...(security && { security }),
    ...(tags && { tags }),
    paths,
    components: {
      securitySchemes,
      ...(parameters && { parameters }),
      ...(headers && { headers }),
      ...(responses && { responses }),
      schemas: api.schemas,
    },
  };
}

function writeOperation(route: ApiRoute, { writer, examples, limits: common }: ApiDescription): Json {
  const { operationId, summary, tag, body, answers, sharedParameters = [], more } = route;
  const limits = describeLimits({ ...common, ...route.limits });
  const parameters = [
    ...writeParameters(route, writer),
    ...sharedParameters.map((name) => ({ $ref: `#/components/parameters/${name}` })),
  ];
  const calls = examples?.calls.filter((call) => call.operationId === operationId) ?? [];
  const [first] = calls;
  const described = joinParagraphs(route.description, limits.text);
  const description =
    first && examples ? describeWithExample({ ...route, description: described }, first, examples.style) : described;
  const operation = {
    operationId,
    tags: [tag],
    summary,
    ...(description !== "" && { description }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: writeRequestBody([body].flat(), writer) }),
    responses: Object.fromEntries(
      Object.entries(answers).map(([status, answer]) => [
        status,
        typeof answer === "string" ? { $ref: `#/components/responses/${answer}` } : writeAnswer(answer, writer),
      ]),
    ),
    ...limits.fields,
    ...more,
  };
  return addExamples(operation, calls);
}

function writeRequestBody(bodies: readonly ApiBody[], writer: SchemaWriter): Json {
  const content = Object.assign({}, ...bodies.map((body) => writeContent(body, "input", writer))) as Json;
  return { required: bodies.every(({ required = true }) => required), content };
}

function writeParameters({ parameters = {} }: ApiRoute, writer: SchemaWriter): Json[] {
  return (["path", "query", "header"] as const).flatMap((place) =>
    Object.entries(parameters[place] ?? {}).map(([name, given]) => {
      const { description, ...schema } = writer.write(given, "input");
      return {
        name,
        in: place,
        required: place === "path",
        ...(description !== undefined && { description }),
        ...(schema.type === "object" && { style: "deepObject" }),
        schema,
      };
    }),
  );
}

function writeAnswer({ description, body, headers }: ApiAnswer, writer: SchemaWriter): Json {
  return {
    description,
    ...(headers && { headers: writeHeaders(headers, writer) }),
    ...(body && { content: writeContent(body, "output", writer) }),
  };
}

function writeHeaders(headers: Record<string, z.ZodType | Json>, writer: SchemaWriter): Json {
  return Object.fromEntries(
    Object.entries(headers).map(([name, header]) => {
      if (!isZod(header)) return [name, header];
      const { description, ...schema } = writer.write(header, "output");
      return [name, { ...(description !== undefined && { description }), schema }];
    }),
  );
}

function writeContent(
  { schema, mediaTypes = ["application/json"], examples }: ApiBody,
  direction: Direction,
  writer: SchemaWriter,
): Json {
  const written = isZod(schema) ? writer.write(schema, direction) : schema;
  const values = examples && Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]));
  return Object.fromEntries(
    mediaTypes.map((type) => [
      type,
      {
        schema: type.endsWith("/xml") ? { ...written, xml: { name: "xml" } } : written,
        ...(values && !type.endsWith("/xml") && { examples: values }),
      },
    ]),
  );
}

function isZod(value: z.ZodType | Json): value is z.ZodType {
  return "_zod" in value;
}
