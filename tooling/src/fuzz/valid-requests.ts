import * as fc from "fast-check";
import { type Document, type JsonSchema, type Operation, resolve } from "./document.ts";

/** A request before it is written out, so that one part of it can be changed. */
export interface Plan {
  /** `GET /promoters/{id}` */
  route: string;
  method: string;
  /** Segments of the path, not yet encoded. */
  path: string[];
  query: [name: string, value: string][];
  /** The parameters that the query may have. */
  queryNames: string[];
  headers: [name: string, value: string][];
  /** Undefined for a request without a body. */
  body?: unknown;
  mediaType?: string;
}

/**
 * Values that make a request meaningful, by the name of the field or parameter: ids of records that exist. Under the name of a
 * route, its whole body (`POST /batches`, `POST /batches text/csv`).
 */
export type Hints = Record<string, fc.Arbitrary<unknown>>;

export interface PlanOptions {
  hints: Hints;
  /** Headers of every request: credentials. */
  headers: Record<string, string>;
  /** Completes a plan by what the document cannot say. */
  prepare?(plan: Plan): Plan;
}

/** Requests that the document allows, by operation. */
export function validRequests(
  document: Document,
  options: PlanOptions,
): { weight: number; arbitrary: fc.Arbitrary<Plan> }[] {
  // What has a body has more that can be wrong.
  const weigh = ({ requestBody }: Operation) => 1 + 4 * Object.keys(requestBody?.content ?? {}).length;
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([method]) => method !== "head")
      .map(([method, operation]) => ({
        weight: weigh(operation),
        arbitrary: planRequest(document, method.toUpperCase(), path, operation, options).map(
          (plan) => options.prepare?.(plan) ?? plan,
        ),
      })),
  );
}

function planRequest(
  document: Document,
  method: string,
  path: string,
  operation: Operation,
  { hints, headers }: PlanOptions,
): fc.Arbitrary<Plan> {
  const base = document.servers?.[0]?.url ?? "/";
  const parameters = (operation.parameters ?? []).map((parameter) => resolve(document, parameter));
  const named = (place: string) => parameters.filter((parameter) => parameter.in === place);
  const makeValue = ({ name, schema = {} }: { name: string; schema?: JsonSchema }) =>
    withHint(hints, name, schema, valid(document, schema, hints)).map(asText);
  const segments = `${base}/${path}`.split("/").filter((segment) => segment !== "");
  const pathArbitraries = segments.map((segment) => {
    const name = /^\{(\w+)\}$/.exec(segment)?.[1];
    if (name === undefined) return fc.constant(segment);
    return makeValue(
      named("path").find((parameter) => parameter.name === name) ?? { name, schema: { type: "string" } },
    );
  });
  const some = (place: string) =>
    fc.tuple(
      ...named(place).map((parameter) =>
        parameter.name in headers
          ? fc.constant([])
          : fc.oneof(
              { weight: parameter.required ? 0 : 3, arbitrary: fc.constant([]) },
              {
                weight: 1,
                arbitrary: makeValue(parameter).map((value) => [[parameter.name, value] as [string, string]]),
              },
            ),
      ),
    );
  const makeBody = (route: string, mediaType: string, generic: fc.Arbitrary<unknown>) =>
    withHint(hints, `${route} ${mediaType}` in hints ? `${route} ${mediaType}` : route, {}, generic);
  const content = Object.entries(operation.requestBody?.content ?? {});
  const bodies: fc.Arbitrary<{ body?: unknown; mediaType?: string }>[] = content.map(([mediaType, { schema }]) =>
    makeBody(`${method} ${path}`, mediaType, valid(document, schema as JsonSchema, hints)).map((body) => ({
      body,
      mediaType,
    })),
  );
  return fc
    .record({
      path: fc.tuple(...pathArbitraries),
      query: some("query"),
      headers: some("header"),
      body: bodies.length === 0 ? fc.constant({}) : fc.oneof(...bodies),
    })
    .map((plan) => ({
      route: `${method} ${path}`,
      method,
      path: plan.path,
      query: plan.query.flat() as [string, string][],
      queryNames: named("query").map(({ name }) => name),
      headers: [
        ...Object.entries(headers),
        ...(plan.headers.flat() as [string, string][]).map(([name, value]): [string, string] => [
          name,
          headerText(value),
        ]),
      ],
      ...plan.body,
    }));
}

const asText = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

/** Leaves out what no header can hold. */
export const headerText = (text: string) => text.replace(/[^\t\x20-\x7e\x80-\xff]/g, "").trim();

const withHint = (hints: Hints, name: string, schema: JsonSchema, generic: fc.Arbitrary<unknown>) => {
  const isFixed = "const" in schema || schema.enum !== undefined;
  const hint = !isFixed && Object.hasOwn(hints, name) ? hints[name] : undefined;
  return hint ? fc.oneof({ weight: 20, arbitrary: hint }, { weight: 1, arbitrary: generic }) : generic;
};

const deepest = 6;

/** Values that a schema allows, most of them; keywords that it does not know are left out. */
export function valid(document: Document, given: JsonSchema, hints: Hints, depth = 0): fc.Arbitrary<unknown> {
  const schema = resolve(document, given);
  const inner = (part: JsonSchema) => valid(document, part, hints, depth + 1);
  if (depth > deepest) return fc.constant(null);
  if ("const" in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  const { anyOf: _, oneOf: __, allOf, ...own } = schema;
  const parts = [
    ...(choices ? [fc.oneof(...choices.map(inner))] : []),
    ...(allOf ?? []).map(inner),
    ...((choices || allOf) && !schema.properties ? [] : [plain(document, own, hints, depth)]),
  ];
  if (parts.length === 1) return parts[0] as fc.Arbitrary<unknown>;
  return fc.tuple(...parts).map((values) => (values.every(isObject) ? Object.assign({}, ...values) : values[0]));
}

const isObject = (value: unknown) => typeof value === "object" && value !== null && !Array.isArray(value);

function plain(document: Document, schema: JsonSchema, hints: Hints, depth: number): fc.Arbitrary<unknown> {
  const types = Array.isArray(schema.type) ? schema.type : schema.type === undefined ? [] : [schema.type];
  if (types.length === 0)
    return schema.properties ? makeObject(document, schema, hints, depth) : fc.jsonValue({ maxDepth: 2 });
  return fc.oneof(...types.map((type) => typed(type, document, schema, hints, depth)));
}

function typed(
  type: string,
  document: Document,
  schema: JsonSchema,
  hints: Hints,
  depth: number,
): fc.Arbitrary<unknown> {
  switch (type) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "integer":
    case "number": {
      const min = Math.max(schema.minimum ?? schema.exclusiveMinimum ?? -5, Number.MIN_SAFE_INTEGER);
      const max = Math.min(schema.maximum ?? Math.max(min, 0) + 1000, Number.MAX_SAFE_INTEGER);
      const whole = fc.integer({ min: Math.ceil(min), max: Math.floor(Math.max(min + 1, Math.min(max, min + 1000))) });
      return type === "integer" ? whole : fc.oneof(whole, fc.double({ min, max, noNaN: true }));
    }
    case "array": {
      const items = valid(document, schema.items ?? {}, hints, depth + 1);
      const minLength = schema.minItems ?? 0;
      return fc.array(items, { minLength, maxLength: Math.min(schema.maxItems ?? 8, minLength + 8) });
    }
    case "string":
      return makeText(schema);
    default:
      return makeObject(document, schema, hints, depth);
  }
}

/** Code points outside the halves of surrogate pairs. */
export const anyCharacter = fc
  .oneof(fc.integer({ min: 0, max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((point) => String.fromCodePoint(point));

/** Performance: `fc.string` takes a second to prepare a table of all graphemes. */
const grapheme = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0x20, max: 0x7e }).map((point) => String.fromCodePoint(point)) },
  { weight: 2, arbitrary: fc.constantFrom("é", "e\u0301", "ß", "İ", "中", "한", "𝒳", "👩‍👩‍👧", "🇩🇪", "\u200d", "ﬁ") },
  { weight: 1, arbitrary: fc.integer({ min: 0xa1, max: 0xd7ff }).map((point) => String.fromCodePoint(point)) },
);

function makeText({ format, pattern, minLength = 0, maxLength = 30 }: JsonSchema): fc.Arbitrary<string> {
  if (format === "date-time") {
    return fc.date({ min: new Date(0), max: new Date(4e12), noInvalidDate: true }).map((date) => date.toISOString());
  }
  if (format === "email") return fc.nat(999).map((number) => `someone.${number}@example.com`);
  if (pattern !== undefined) {
    try {
      return fc.stringMatching(new RegExp(pattern, "u"));
    } catch {
      // An assertion that the generator does not know; the text is then one that may not fit.
    }
  }
  return fc
    .array(grapheme, { minLength, maxLength: Math.min(maxLength, minLength + 30) })
    .map((graphemes) => graphemes.join(""));
}

function makeObject(document: Document, schema: JsonSchema, hints: Hints, depth: number): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties } = schema;
  const model = Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [
      name,
      withHint(hints, name, property, valid(document, property, hints, depth + 1)),
    ]),
  );
  const known = fc.record(model, { requiredKeys: required.filter((name) => name in model) });
  if (typeof additionalProperties !== "object" || Object.keys(properties).length > 0) return known;
  const more = fc.dictionary(
    fc.stringMatching(/^[a-z_]{1,8}$/),
    valid(document, additionalProperties, hints, depth + 1),
    {
      maxKeys: 3,
    },
  );
  return fc.tuple(more, known).map(([dictionary, fields]) => ({ ...dictionary, ...(fields as object) }));
}
