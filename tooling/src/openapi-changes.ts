import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { listPublished } from "./workspace.ts";

// A released OpenAPI document is a promise: a change that breaks callers needs a major version.

type Json = Record<string, unknown>;

interface Schema extends Json {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  allOf?: Schema[];
  anyOf?: Schema[];
  oneOf?: Schema[];
}

interface Body extends Json {
  content?: Record<string, { schema?: Schema }>;
}

interface Operation extends Json {
  parameters?: ({ name: string; in: string; required?: boolean; schema?: Schema } & Json)[];
  requestBody?: Body & { required?: boolean };
  responses: Record<string, Body>;
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
}

/** A document with its references followed. */
interface Side {
  follow<Part extends object>(part: Part): Part;
}

/**
 * Returns what a change of an OpenAPI document takes from its callers, one line each: paths, methods, statuses, values and fields that
 * are gone, and what has become required.
 *
 * @example findBreakingChanges(released, current) // ["POST /a: the request needs the new field reason"]
 */
export function findBreakingChanges(before: object, after: object): string[] {
  const [old, now] = [before as Document, after as Document];
  const [oldSide, nowSide] = [createSide(before), createSide(after)];
  return Object.entries(old.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => {
      const at = `${method.toUpperCase()} ${path}`;
      const current = now.paths[path]?.[method];
      return current ? compareOperations(at, [operation, oldSide], [current, nowSide]) : [`${at} is gone`];
    }),
  );
}

function createSide(document: object): Side {
  return {
    follow: (part) => {
      const { $ref } = part as { $ref?: string };
      if ($ref === undefined) return part;
      const steps = $ref.slice(2).split("/");
      return steps.reduce<unknown>((at, step) => (at as Json)[step], document) as typeof part;
    },
  };
}

function compareOperations(at: string, [old, oldSide]: [Operation, Side], [now, nowSide]: [Operation, Side]): string[] {
  const faults: string[] = [];
  const list = ({ parameters = [] }: Operation, side: Side) => parameters.map((one) => side.follow(one));
  const known = new Map(list(old, oldSide).map((one) => [`${one.in} ${one.name}`, one]));
  for (const parameter of list(now, nowSide)) {
    const before = known.get(`${parameter.in} ${parameter.name}`);
    known.delete(`${parameter.in} ${parameter.name}`);
    if (parameter.required && !before?.required) faults.push(`${at}: the parameter ${parameter.name} is now required`);
    if (before?.schema && parameter.schema) {
      const pair = [before.schema, parameter.schema] as const;
      faults.push(...compareSchemas(`${at}: ${parameter.name}`, pair, [oldSide, nowSide], "request", []));
    }
  }
  for (const { name } of known.values()) faults.push(`${at}: the parameter ${name} is gone`);
  if (now.requestBody?.required && !old.requestBody?.required) faults.push(`${at}: the request body is now required`);
  faults.push(
    ...compareBodies(`${at}: the request`, [old.requestBody, now.requestBody], [oldSide, nowSide], "request"),
  );
  for (const [status, response] of Object.entries(old.responses)) {
    const current = now.responses[status];
    if (!current) faults.push(`${at}: the status ${status} is gone`);
    else {
      const bodies = [oldSide.follow(response), nowSide.follow(current)] as const;
      faults.push(...compareBodies(`${at}: the reply ${status}`, bodies, [oldSide, nowSide], "response"));
    }
  }
  return faults;
}

type Direction = "request" | "response";

function compareBodies(
  at: string,
  [old, now]: readonly [Body | undefined, Body | undefined],
  sides: readonly [Side, Side],
  direction: Direction,
): string[] {
  return Object.entries(old?.content ?? {}).flatMap(([type, { schema }]) => {
    const current = now?.content?.[type];
    if (!current) return [`${at} has no ${type} any more`];
    return schema && current.schema ? compareSchemas(at, [schema, current.schema], sides, direction, []) : [];
  });
}

/** Returns a schema with its reference and its `allOf` resolved. */
function flatten(schema: Schema, side: Side): Schema {
  const { allOf = [], ...own } = side.follow(schema);
  const parts = allOf.map((part) => flatten(part, side));
  if (parts.length === 0) return own;
  return {
    ...Object.assign({}, ...parts),
    ...own,
    properties: Object.assign({}, ...[...parts, own].map(({ properties }) => properties)),
    required: [...parts, own].flatMap(({ required = [] }) => required),
  };
}

function compareSchemas(
  at: string,
  [oldGiven, nowGiven]: readonly [Schema, Schema],
  sides: readonly [Side, Side],
  direction: Direction,
  seen: readonly string[],
): string[] {
  // A recursive schema ends where it begins again.
  if (oldGiven.$ref !== undefined && seen.includes(oldGiven.$ref)) return [];
  const path = oldGiven.$ref === undefined ? seen : [...seen, oldGiven.$ref];
  const old = flatten(oldGiven, sides[0]);
  const now = flatten(nowGiven, sides[1]);
  const faults: string[] = [];
  const types = (schema: Schema) => [schema.type ?? []].flat();
  const lostTypes =
    direction === "request"
      ? types(old).filter((type) => !types(now).includes(type))
      : types(now).filter((type) => !types(old).includes(type));
  if (types(old).length > 0 && types(now).length > 0 && lostTypes.length > 0) faults.push(`${at} has another type`);
  const values = ({ enum: listed, const: only }: Schema) => listed ?? (only === undefined ? undefined : [only]);
  const gone = values(old)?.filter((value) => values(now) !== undefined && !values(now)?.includes(value)) ?? [];
  for (const value of gone) faults.push(`${at} has no value ${JSON.stringify(value)} any more`);
  for (const [name, schema] of Object.entries(old.properties ?? {})) {
    const current = now.properties?.[name];
    if (!current) faults.push(`${at} has no field ${name} any more`);
    else faults.push(...compareSchemas(`${at}.${name}`, [schema, current], sides, direction, path));
  }
  const [wasRequired, isRequired] = [new Set(old.required), new Set(now.required)];
  if (direction === "request") {
    const added = [...isRequired].filter((name) => !wasRequired.has(name));
    for (const name of added) faults.push(`${at} needs the field ${name} now`);
  } else {
    const lost = [...wasRequired].filter((name) => !isRequired.has(name) && now.properties?.[name]);
    for (const name of lost) faults.push(`${at} may lack the field ${name} now`);
  }
  if (old.items && now.items) faults.push(...compareSchemas(`${at}[]`, [old.items, now.items], sides, direction, path));
  for (const word of ["anyOf", "oneOf"] as const) {
    const [before, after] = [old[word] ?? [], now[word] ?? []];
    if (direction === "request" && after.length < before.length) faults.push(`${at} accepts fewer forms`);
    before.forEach((schema, index) => {
      const current = after[index];
      if (current) faults.push(...compareSchemas(at, [schema, current], sides, direction, path));
    });
  }
  return faults;
}

const releasedFolder = "tooling/released";

/** Returns the breaking changes of published documents since their release, without those for which a changeset names a major version. */
export function checkReleasedDocuments(root: string): string[] {
  const folder = join(root, releasedFolder);
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return files.flatMap((file) => {
    const name = basename(file, ".json");
    if (hasMajorChangeset(root, `@reinstate/${name}`)) return [];
    const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as object;
    const faults = findBreakingChanges(read(join(folder, file)), read(join(root, "packages", name, "openapi.json")));
    return faults.map((fault) => `${name}: ${fault}; keep it, or add a changeset with a major version`);
  });
}

function hasMajorChangeset(root: string, name: string): boolean {
  const folder = join(root, ".changeset");
  return readdirSync(folder)
    .filter((file) => file.endsWith(".md"))
    .some((file) => readFileSync(join(folder, file), "utf8").includes(`"${name}": major`));
}

/** Keeps the documents of all packages as released. Part of a release. */
function keepReleasedDocuments(root: string): void {
  mkdirSync(join(root, releasedFolder), { recursive: true });
  for (const path of listPublished(root)) {
    const file = join(root, path, "openapi.json");
    if (existsSync(file)) writeFileSync(join(root, releasedFolder, `${basename(path)}.json`), readFileSync(file));
  }
}

const [, program = ""] = process.argv;
if (import.meta.url === pathToFileURL(program).href)
  keepReleasedDocuments(fileURLToPath(new URL("../..", import.meta.url)));
