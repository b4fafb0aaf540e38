/** Parameters as Ruby on Rails reads them: text, a list, or a map of them. */
export type Param = string | Param[] | ParamMap;
export interface ParamMap {
  [name: string]: Param;
}

const maxPairs = 5_000;
const maxDepth = 5;

/**
 * `filters[status][]=a&filters[status][]=b` → `{ filters: { status: ["a", "b"] } }`. Equal names collect too, as some clients
 * write lists; where one value is wanted, `textOf` takes the last.
 */
export function parseBracketParams(pairs: Iterable<[string, string]>): ParamMap {
  const root: ParamMap = Object.create(null);
  let count = 0;
  for (const [name, value] of pairs) {
    if (++count > maxPairs) break;
    const first = name.indexOf("[", 1);
    const path = first < 0 ? [name] : [name.slice(0, first), ...bracketsOf(name.slice(first))];
    if (path.length <= maxDepth) put(root, path, value);
  }
  return root;
}

const isList = (param: Param) => typeof param === "string" || Array.isArray(param);

function bracketsOf(text: string): string[] {
  return [...text.matchAll(/\[([^[\]]*)\]/g)].map((match) => match[1] as string);
}

function put(map: ParamMap, path: string[], value: string): void {
  const [name, next, ...rest] = path as [string, string | undefined, ...string[]];
  if (next === undefined) {
    const before = map[name];
    map[name] = before === undefined || !isList(before) ? value : [before, value].flat();
    return;
  }
  if (next === "") {
    const known = map[name];
    const list = known === undefined || !isList(known) ? [] : [known].flat();
    map[name] = list;
    // Lists of maps are not part of this API.
    if (rest.length === 0) list.push(value);
    return;
  }
  const known = map[name];
  const inner: ParamMap =
    typeof known === "object" && !Array.isArray(known) ? known : (Object.create(null) as ParamMap);
  map[name] = inner;
  put(inner, [next, ...rest], value);
}

/** The same without what is blank, at any depth: an empty text, null, a list of nothing else. */
export function withoutBlanks(params: Record<string, unknown>): Record<string, unknown> {
  const full = Object.entries(params).map(([name, value]) => [name, presentOf(value)] as const);
  return Object.fromEntries(full.filter(([, value]) => value !== undefined));
}

function presentOf(value: unknown): unknown {
  if (value === null || (typeof value === "string" && value.trim() === "")) return undefined;
  if (Array.isArray(value)) {
    const full = value.map(presentOf).filter((one) => one !== undefined);
    return full.length === 0 ? undefined : full;
  }
  if (typeof value !== "object") return value;
  const full = withoutBlanks(value as Record<string, unknown>);
  return Object.keys(full).length === 0 ? undefined : full;
}

/** A map; a text that is a JSON object counts as one, as some clients send `filters` so. */
export function mapOf(param: unknown): Record<string, unknown> {
  if (typeof param === "object" && param !== null && !Array.isArray(param)) return param as Record<string, unknown>;
  if (typeof param !== "string" || !param.trimStart().startsWith("{")) return {};
  try {
    return mapOf(JSON.parse(param));
  } catch {
    return {};
  }
}

/** One value or many, in every spelling: `a`, `a,b`, `["a","b"]`, `[]=a`, `[0]=a`. */
export function listOf(param: unknown): string[] {
  if (Array.isArray(param)) return param.flatMap((one) => listOf(one));
  if (typeof param === "object" && param !== null) return Object.values(param).flatMap((one) => listOf(one));
  if (typeof param === "number" || typeof param === "boolean") return [String(param)];
  if (typeof param !== "string") return [];
  return param
    .split(",")
    .map((one) => one.trim().replace(/^\[?\s*"?|"?\s*\]?$/g, ""))
    .filter((one) => one !== "");
}

/** A single text: the last where several were given. */
export function textOf(param: unknown): string | undefined {
  if (typeof param === "string") return param;
  if (typeof param === "number" || typeof param === "boolean") return String(param);
  return Array.isArray(param) ? textOf(param.at(-1)) : undefined;
}

/** A whole number that can be an id or a count; undefined for anything else. */
export function integerOf(param: unknown): number | undefined {
  const text = textOf(param)?.trim();
  if (text === undefined || !/^-?\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}

/**
 * `true`, `yes`, `1` and their opposites; undefined for anything else. Clients that were generated from the vendor's file send
 * the words with the back-ticks that stand around them there.
 */
export function booleanOf(param: unknown): boolean | undefined {
  const text = textOf(param)?.replaceAll("`", "").trim().toLowerCase();
  if (text === "true" || text === "yes" || text === "1") return true;
  if (text === "false" || text === "no" || text === "0") return false;
  return undefined;
}
