import { setImmediate } from "node:timers/promises";
import { parseJson } from "@reinstate/batch-core/http";

/**
 * A parameter as Ruby on Rails reads it: a text, a list, or a map of them. A name with two shapes (`a=1&a[from]=2`) becomes a
 * list that starts with its map.
 */
export type Param = string | Param[] | ParamMap;
export interface ParamMap {
  [name: string]: Param;
}

const maxDepth = 5;

/**
 * Parses names with brackets: `filters[status][]=a&filters[status][]=b` → `{ filters: { status: ["a", "b"] } }`. Repeated
 * names become a list too, because some clients send lists that way. Nothing is omitted, so a reader can reject unknown names.
 */
export function parseBracketParams(pairs: Iterable<[string, string]>): ParamMap {
  const root: ParamMap = Object.create(null);
  for (const [name, value] of pairs) put(root, parseName(name), value);
  return root;
}

/** Characters of a form that are parsed before yielding to the event loop. */
const formSliceCharacters = 16 * 1024;

/** Parses a form of any length in slices and yields to the event loop between them. `visit` receives the pairs of each slice. */
export async function parseFormInSlices(text: string, visit: (pairs: URLSearchParams) => void): Promise<ParamMap> {
  const root: ParamMap = Object.create(null);
  for (let start = 0; start < text.length; ) {
    const end = start + formSliceCharacters < text.length ? text.indexOf("&", start + formSliceCharacters) : -1;
    const pairs = new URLSearchParams(text.slice(start, end < 0 ? text.length : end));
    for (const [name, value] of pairs) put(root, parseName(name), value);
    visit(pairs);
    if (end < 0) break;
    await setImmediate();
    start = end + 1;
  }
  return root;
}

/**
 * Splits a name into its steps: `a[b][]` → `["a", "b", ""]`. Malformed or too deep brackets become one step, which matches no
 * known name.
 */
export function parseName(name: string): [string, ...string[]] {
  const first = name.indexOf("[", 1);
  if (first < 0) return [name];
  const root = name.slice(0, first);
  const brackets = name.slice(first);
  const steps = /^(?:\[[^[\]]*\])+$/.test(brackets) ? brackets.slice(1, -1).split("][") : [];
  return steps.length > 0 && steps.length < maxDepth ? [root, ...steps] : [root, brackets];
}

/** Returns whether a map was built from names with brackets (`a[b]=1`). Such a map may have only some of the fields. */
export const isFromNames = (map: object) => Object.getPrototypeOf(map) === null;

const isMap = (param: unknown): param is ParamMap =>
  typeof param === "object" && param !== null && !Array.isArray(param);

function put(map: ParamMap, [name, next, ...rest]: [string, ...string[]], value: string): void {
  const known = map[name];
  if (next === undefined) {
    if (known === undefined) map[name] = value;
    else if (Array.isArray(known)) known.push(value);
    else map[name] = [known, value];
    return;
  }
  if (next === "") {
    const list: Param[] = known === undefined ? [] : Array.isArray(known) ? known : [known];
    map[name] = list;
    list.push(nest(rest, value));
    return;
  }
  put(mapAt(map, name), [next, ...rest], value);
}

/** Returns the map under a name. Puts a new map in front if the name has another value. */
function mapAt(map: ParamMap, name: string): ParamMap {
  const known = map[name];
  const first = Array.isArray(known) ? known[0] : known;
  if (isMap(first)) return first;
  const created: ParamMap = Object.create(null);
  map[name] = known === undefined ? created : [created, known].flat();
  return created;
}

function nest(steps: readonly string[], value: string): Param {
  const [first, ...rest] = steps;
  if (first === undefined) return value;
  const map: ParamMap = Object.create(null);
  put(map, [first, ...rest], value);
  return map;
}

/**
 * Expands the names of a JSON body that hold brackets: `{ "profile[website]": "x" }` → `{ profile: { website: "x" } }`. The
 * result is merged into an existing `profile`. `"ids[]"` appends to a list.
 */
export function expandNames(body: Record<string, unknown>): Record<string, unknown> {
  const names = Object.keys(body);
  if (!names.some((name) => name.includes("["))) return body;
  const bracketed = names.map((name) => ({ name, path: parseName(name) }));
  const expanded: Record<string, unknown> = Object.create(null);
  for (const { name, path } of bracketed.filter(({ path }) => path.length === 1)) expanded[path[0]] = body[name];
  for (const { name, path } of bracketed.filter(({ path }) => path.length > 1)) lay(expanded, path, body[name]);
  return expanded;
}

function lay(map: Record<string, unknown>, [name, next, ...rest]: [string, ...string[]], value: unknown): void {
  if (next === undefined) {
    map[name] = value;
  } else if (next === "" && rest.length === 0) {
    map[name] = [map[name] ?? [], value].flat();
  } else {
    const known = parseMap(map[name]);
    const inner: Record<string, unknown> = known && !isFromNames(known) ? { ...known } : (known ?? Object.create(null));
    map[name] = inner;
    lay(inner, [next, ...rest], value);
  }
}

/** Removes blank values: an empty text, null, and lists or maps of nothing else. */
export function withoutBlanks(params: Record<string, unknown>): Record<string, unknown> {
  return present(params, 0) ?? {};
}

function present(params: Record<string, unknown>, depth: number): Record<string, unknown> | undefined {
  const full = Object.entries(params)
    .map(([name, value]) => [name, presentValue(value, depth + 1)] as const)
    .filter(([, value]) => value !== undefined);
  return full.length === 0 ? undefined : Object.fromEntries(full);
}

function presentValue(value: unknown, depth: number): unknown {
  if (value === null || (typeof value === "string" && value.trim() === "")) return undefined;
  // No known parameter is nested deeper.
  if (typeof value !== "object" || depth > maxDepth) return value;
  if (!Array.isArray(value)) return present(value as Record<string, unknown>, depth);
  const full = value.map((entry) => presentValue(entry, depth + 1)).filter((entry) => entry !== undefined);
  return full.length === 0 ? undefined : full;
}

/** Returns a map unchanged, and parses a JSON object, because some clients send `filters` as JSON. Otherwise undefined. */
export function parseMap(param: unknown): Record<string, unknown> | undefined {
  if (isMap(param)) return param;
  if (typeof param !== "string" || !param.trimStart().startsWith("{")) return undefined;
  return parsedOr(param, isMap);
}

/**
 * Returns the words of a list in every spelling: `a`, `a,b`, `["a","b"]`, `[]=a`, `[0]=a`. Returns undefined for a map with
 * names, invalid JSON, or a nested list.
 */
export function parseWords(param: unknown): string[] | undefined {
  const list = parseList(param);
  const words = list?.map(readText);
  if (!words?.every((word) => word !== undefined)) return undefined;
  return words.flatMap((word) => word.split(",")).flatMap((word) => word.trim() || []);
}

/** Returns the entries of a list, also in the form `ids[0]=8&ids[1]=9`. A single value is a list of one. */
export function parseList(param: unknown): unknown[] | undefined {
  if (Array.isArray(param)) return param;
  if (isMap(param)) {
    return Object.keys(param).every((place) => /^\d+$/.test(place)) ? Object.values(param) : undefined;
  }
  if (typeof param === "string" && /^\s*\[/.test(param)) return parsedOr(param, Array.isArray);
  return [param];
}

function parsedOr<Value>(text: string, is: (value: unknown) => value is Value): Value | undefined {
  try {
    const value = parseJson(text);
    return is(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Returns a text, number or boolean as text; undefined for a list or a map. */
export function readText(param: unknown): string | undefined {
  if (typeof param === "string") return param;
  return typeof param === "number" || typeof param === "boolean" ? String(param) : undefined;
}

/** Returns a text, or the last one if a name is repeated, as Rails does. */
export function lastText(param: unknown): string | undefined {
  return readText(Array.isArray(param) ? param.at(-1) : param);
}

/** Parses a whole number that can be an id or a count; undefined for anything else. */
export function parseInteger(param: unknown): number | undefined {
  const text = readText(param)?.trim();
  if (text === undefined || !/^-?\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * Parses `true`, `yes`, `1` and their opposites; undefined for anything else. Vendor quirk: clients generated from the vendor's
 * file send the words with the back-ticks of that file.
 */
export function parseBoolean(param: unknown): boolean | undefined {
  const text = lastText(param)?.replaceAll("`", "").trim().toLowerCase();
  if (text === "true" || text === "yes" || text === "1") return true;
  if (text === "false" || text === "no" || text === "0") return false;
  return undefined;
}
