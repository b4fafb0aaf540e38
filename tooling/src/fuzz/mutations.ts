import * as fc from "fast-check";
import { anyCharacter, headerText, type Plan } from "./valid-requests.ts";

/** A request as it is sent. */
export interface FuzzRequest {
  route: string;
  /** What was changed, for the report of a failure. */
  mutation: string;
  method: string;
  /** The path with its query. */
  target: string;
  headers: [name: string, value: string][];
  body?: string | Uint8Array<ArrayBuffer>;
}

/** Writes a body in a media type. */
export type Encoders = Record<string, (body: unknown) => string>;

/** A number that JavaScript cannot hold; written into JSON as it stands. */
class RawNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toJSON() {
    return `\uE000${this.text}\uE000`;
  }
}

/** JSON with its raw numbers. */
export const toJson = (body: unknown) => JSON.stringify(body)?.replace(/"\uE000([^"]*)\uE000"/g, "$1") ?? "";

/** What databases and parsers take for an end, or cannot hold. */
const unstorable = ["\u0000", "a\u0000b", "\ud800", "b\udfff!", "\udc00\ud800", "\ufeff1", "\uffff"];

const texts = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...unstorable) },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      "",
      " ",
      "0",
      "-1",
      "1e3",
      "null",
      "true",
      "１２",
      "𝟙",
      "é".normalize("NFD"),
      "\u202eabc",
      "👩‍👩‍👧",
      "' or 1=1 --",
      "%_\\",
      "../../etc/passwd",
      "<b>&amp;</b>",
      "]]>",
      "__proto__",
      "constructor",
      "2025-02-30",
      "0000-00-00 00:00:00",
      "+275760-09-13T00:00:00.001Z",
      "2025-01-01T00:00:00+99:99",
      "9223372036854775808",
      "1".repeat(400),
      "x".repeat(2000),
      "ä".repeat(40_000),
    ),
  },
  { weight: 1, arbitrary: fc.array(anyCharacter, { maxLength: 12 }).map((all) => all.join("")) },
  // UTF-16 code units: halves of surrogate pairs among them.
  { weight: 1, arbitrary: fc.array(fc.nat(0xffff), { maxLength: 6 }).map((units) => String.fromCharCode(...units)) },
);

const numbers = fc.oneof(
  fc.constantFrom<unknown>(
    0,
    -1,
    1.5,
    -0.1,
    1e21,
    5e-324,
    Number.MAX_VALUE,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    new RawNumber("-0"),
    new RawNumber("1e400"),
    new RawNumber("1.0"),
    new RawNumber("1e0"),
    new RawNumber("9007199254740993"),
    new RawNumber("9223372036854775808"),
    new RawNumber(`1${"0".repeat(400)}`),
    new RawNumber(`0.${"0".repeat(400)}1`),
  ),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

const nested = (depth: number, open: (inner: unknown) => unknown) => {
  let value: unknown = 1;
  for (let level = 0; level < depth; level++) value = open(value);
  return value;
};

const collections = fc.oneof(
  fc.constantFrom<unknown>(
    [],
    {},
    [[]],
    [null],
    [1, 1],
    [1, "1", 1.5, null, {}],
    { "": "" },
    { a: { b: { c: 1 } } },
    JSON.parse('{"__proto__":{"x":1}}'),
    Array.from({ length: 2000 }, (_, index) => index),
    Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`field_${index}`, index])),
    nested(70, (inner) => [inner]),
    nested(90, (inner) => ({ a: inner })),
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

const values = fc.oneof(
  { weight: 4, arbitrary: texts },
  { weight: 4, arbitrary: numbers },
  { weight: 3, arbitrary: collections },
  { weight: 1, arbitrary: fc.constantFrom(null, true, false) },
);

type Path = (string | number)[];

const pick = <Value>(list: readonly Value[], at: number): Value | undefined => list[at % Math.max(list.length, 1)];

/** A place in a value: each member is as likely as the others of its level, whatever it holds. */
function placeIn(value: unknown, at: number): Path {
  if (typeof value !== "object" || value === null || value instanceof RawNumber) return [];
  const names: (string | number)[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  // The value itself, now and then.
  const name = at % 10 === 0 ? undefined : pick(names, Math.floor(at / 10));
  if (name === undefined) return [];
  return [name, ...placeIn((value as Record<string | number, unknown>)[name], Math.floor(at / 10 / names.length))];
}

/** A copy with another value at a place; `undefined` takes the place out. */
function replaced(value: unknown, [name, ...rest]: Path, by: unknown): unknown {
  if (name === undefined) return by;
  if (Array.isArray(value)) {
    const copy = [...value];
    if (rest.length === 0 && by === undefined) copy.splice(Number(name), 1);
    else copy[Number(name)] = replaced(value[Number(name)], rest, by);
    return copy;
  }
  const entries = Object.entries(value as object).flatMap(([key, inner]) => {
    if (key !== name) return [[key, inner]];
    const changed = replaced(inner, rest, by);
    return changed === undefined ? [] : [[key, changed]];
  });
  return Object.fromEntries(entries);
}

/** A change of one part of a plan, or of the text of its body. */
interface Mutation {
  name: string;
  plan?(plan: Plan): Plan;
  bytes?(text: string): string | Uint8Array<ArrayBuffer>;
}

const fieldMutation = fc
  .record({ at: fc.nat(), by: fc.oneof({ weight: 8, arbitrary: values }, fc.constant(undefined)) })
  .map(
    ({ at, by }): Mutation => ({
      name: by === undefined ? "field left out" : "field changed",
      plan(plan) {
        if (plan.body === undefined) return withParameter(plan, at, typeof by === "string" ? by : toJson(by));
        return { ...plan, body: replaced(plan.body, placeIn(plan.body, at), by) };
      },
    }),
  );

const extraMutation = fc.record({ name: texts, value: values }).map(
  ({ name, value }): Mutation => ({
    name: "extra field",
    plan: (plan) =>
      typeof plan.body === "object" && plan.body !== null && !Array.isArray(plan.body)
        ? { ...plan, body: { ...plan.body, [name]: value } }
        : { ...plan, body: [plan.body, value] },
  }),
);

const duplicateMutation = fc.record({ at: fc.nat(), value: values }).map(
  ({ at, value }): Mutation => ({
    name: "name twice",
    bytes(text) {
      const names = [...text.matchAll(/"(?:[^"\\]|\\.)*"(?=:)/g)];
      const match = pick(names, at);
      if (!match) return text;
      return `${text.slice(0, match.index)}${match[0]}:${toJson(value)},${text.slice(match.index)}`;
    },
  }),
);

/** The plan with one more parameter in its query, a documented one if there is one. */
function withParameter(plan: Plan, at: number, value: string): Plan {
  return { ...plan, query: [...plan.query, [pick(plan.queryNames, at) ?? "x", value]] };
}

const queryMutation = fc
  .record({ at: fc.nat(), name: texts, value: texts, how: fc.constantFrom("change", "repeat", "add", "invent") })
  .map(
    ({ at, name, value, how }): Mutation => ({
      name: `query: ${how}`,
      plan(plan) {
        const known = pick(plan.query, at);
        if (how === "invent") return { ...plan, query: [...plan.query, [name, value]] };
        if (!known || how === "add") return withParameter(plan, at, value);
        if (how === "repeat") return { ...plan, query: [...plan.query, [known[0], value]] };
        return { ...plan, query: plan.query.map((one) => (one === known ? [one[0], value] : one)) };
      },
    }),
  );

const segments = fc.oneof(texts, fc.constantFrom("%", "%00", "%zz", "%ED%A0%80", "%2e%2e", "%2F", ";a=b", "..", "."));

const pathMutation = fc
  .record({ at: fc.nat(), by: segments, how: fc.constantFrom("change", "change", "add", "drop", "double", "case") })
  .map(
    ({ at, by, how }): Mutation => ({
      name: `path: ${how}`,
      plan(plan) {
        const path = [...plan.path];
        const index = path.length - 1 - (at % 2);
        if (how === "change") path[index] = by;
        if (how === "add") path.push(by);
        if (how === "drop") path.pop();
        if (how === "double") path.splice(index, 0, "");
        if (how === "case") path[index] = path[index]?.toUpperCase() ?? "";
        return { ...plan, path };
      },
    }),
  );

const methodMutation = fc
  .constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "get")
  .map((method): Mutation => ({ name: `method ${method}`, plan: (plan) => ({ ...plan, method }) }));

const setHeader = (plan: Plan, name: string, value: string | undefined): Plan => ({
  ...plan,
  headers: [
    ...plan.headers.filter(([one]) => one.toLowerCase() !== name.toLowerCase()),
    ...(value === undefined ? [] : [[name, value] as [string, string]]),
  ],
});

const typeMutation = fc
  .constantFrom(
    "",
    "text/plain",
    "application/xml",
    "text/xml",
    "application/json; charset=utf-8",
    'application/json; charset="UTF-8"',
    "application/json; charset=iso-8859-1",
    "application/json; charset=utf-16",
    "application/json;charset=x\u00e9",
    "APPLICATION/JSON",
    "application/json, text/plain",
    "application/x-ndjson",
    "text/csv",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
    "json",
    ";",
  )
  .map((type): Mutation => ({ name: `content-type ${type}`, plan: (plan) => setHeader(plan, "content-type", type) }));

const headerMutation = fc
  .record({
    name: fc.constantFrom(
      "authorization",
      "account-id",
      "idempotency-key",
      "request-id",
      "x-request-id",
      "last-event-id",
      "accept",
      "content-encoding",
      "content-length",
      "if-none-match",
      "range",
      "dry-run",
    ),
    value: fc.option(
      fc.oneof(
        texts,
        fc.constantFrom(
          "Bearer",
          "Bearer  ",
          "Bearer a b",
          "Key=",
          "Basic eDp5",
          "gzip",
          "identity",
          "utf-8",
          "*/*",
          "true",
        ),
      ),
    ),
  })
  .map(
    ({ name, value }): Mutation => ({
      name: `header ${name}`,
      plan: (plan) => setHeader(plan, name, value === null ? undefined : headerText(value).slice(0, 4000)),
    }),
  );

const latin1 = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"));

const textMutation = fc.record({ at: fc.nat(), how: fc.nat(14), more: texts }).map(({ at, how, more }): Mutation => {
  const insert = (text: string, part: string) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + part + text.slice(place);
  };
  const changes: ((text: string) => string | Uint8Array<ArrayBuffer>)[] = [
    (text) => text.slice(0, at % (text.length + 1)),
    (text) => `\ufeff${text}`,
    (text) => `${text}${more}`,
    (text) => insert(text, "\u0000"),
    (text) => latin1(insert(text, "\u00e9")),
    (text) => latin1(insert(text, "\u00ed\u00a0\u0080")),
    (text) => Uint8Array.from(Buffer.from(text, "utf16le")),
    () => "",
    (text) => insert(text, more),
    () => "[".repeat(at % 5000),
    () => `${'{"a":'.repeat(at % 5000)}1`,
    (text) => text.replace(/\d+/, "1e999"),
    (text) => text.replaceAll('"', "'"),
    (text) => `${" ".repeat(at % 50_000)}${text}`,
    (text) => text.replace(/[,:]/, ";"),
  ];
  return { name: `body text ${how}`, bytes: changes[how] as (text: string) => string };
});

/** One change of a valid request; some requests stay as they are. */
const mutations: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 12, arbitrary: fc.constant({ name: "none" }) },
  { weight: 40, arbitrary: fieldMutation },
  { weight: 6, arbitrary: extraMutation },
  { weight: 4, arbitrary: duplicateMutation },
  { weight: 10, arbitrary: queryMutation },
  { weight: 6, arbitrary: pathMutation },
  { weight: 4, arbitrary: methodMutation },
  { weight: 5, arbitrary: typeMutation },
  { weight: 7, arbitrary: headerMutation },
  { weight: 10, arbitrary: textMutation },
);

/** Valid requests, most of them with one mutation. */
export const mutated = (plans: fc.Arbitrary<Plan>, encoders: Encoders): fc.Arbitrary<FuzzRequest> =>
  fc.tuple(plans, mutations).map(([plan, mutation]) => write(mutation.plan?.(plan) ?? plan, mutation, encoders));

/** Values that have broken databases and parsers, for every field. */
const sweptValues: unknown[] = [
  ...unstorable,
  new RawNumber("1e400"),
  new RawNumber("9223372036854775808"),
  -1,
  1.5,
  null,
  [],
  {},
  "x".repeat(2000),
];

/** A valid request with each of its fields, parameters and headers set to each of the values that have broken something. */
export function sweep(plan: Plan, encoders: Encoders): FuzzRequest[] {
  const texts = sweptValues.filter((value) => typeof value === "string");
  const change = (name: string, changed: Plan) => write(changed, { name }, encoders);
  const places = plan.body === undefined ? [] : placesIn(plan.body).slice(0, 40);
  return [
    ...places.flatMap((place) =>
      sweptValues.map((value) =>
        change(`sweep ${place.join(".")}`, { ...plan, body: replaced(plan.body, place, value) }),
      ),
    ),
    ...plan.queryNames.flatMap((name) =>
      texts.map((value) => change(`sweep query ${name}`, { ...plan, query: [...plan.query, [name, value]] })),
    ),
    ...plan.path.flatMap((_, index) =>
      index < plan.path.length - 2
        ? []
        : texts.map((value) => change("sweep path", { ...plan, path: plan.path.with(index, value) })),
    ),
  ];
}

/** The places of a value: itself and all in it. */
function placesIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  const entries: [string | number, unknown][] = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [path, ...entries.slice(0, 12).flatMap(([name, inner]) => placesIn(inner, [...path, name]))];
}

/** Escapes what no URL can hold; escapes that are there stay, be they valid or not. */
const escaped = (text: string) => encodeURIComponent(text.toWellFormed()).replaceAll("%25", "%");

function write(plan: Plan, { name, bytes }: Mutation, encoders: Encoders): FuzzRequest {
  const { route, method, path, query, headers, body, mediaType = "application/json" } = plan;
  const search = query.map(([name, value]) => `${escaped(name)}=${escaped(value)}`).join("&");
  const target = `/${path.map(escaped).join("/")}${search === "" ? "" : `?${search}`}`;
  const hasType = headers.some(([one]) => one.toLowerCase() === "content-type");
  const hasBody = body !== undefined && !["GET", "HEAD", "get"].includes(method);
  const text = hasBody ? (encoders[mediaType] ?? toJson)(body) : undefined;
  return {
    route,
    mutation: name,
    method,
    target,
    headers: [...headers, ...(hasBody && !hasType ? [["content-type", mediaType] as [string, string]] : [])],
    ...(text !== undefined && { body: bytes?.(text) ?? text }),
  };
}
