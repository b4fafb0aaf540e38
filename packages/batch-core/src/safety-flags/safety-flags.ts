import { setImmediate } from "node:timers/promises";
import { invalidRequest } from "../errors/errors.ts";
import type { Issue } from "../text/issue.ts";
import { itemsPerSlice } from "../text/time-slice.ts";

/**
 * The flags that keep a call from changing records, or let it change fewer. A call that ignored one of them, or misread its
 * value, would change records that its caller meant to leave alone. So every entry point reads them with `readSafetyFlags`.
 */
export const safetyFlags = ["dry_run", "explain", "consent_guard"] as const;
/** The name of a safety flag. */
export type SafetyFlag = (typeof safetyFlags)[number];

/** A named value of a request whose name is a safety flag, or resembles one. */
export interface FlagField {
  /** The names from the root to the value: `["params", "consentGuard"]`. */
  path: readonly string[];
  value: unknown;
}

/** One part of a request, with the fields that were found in it. */
export interface FlagPart {
  place: "header" | "path" | "query" | "body";
  fields: readonly FlagField[];
  /** The flags that the call reads there, with dots between the names of a path: `dry_run`, `params.consent_guard`. */
  supported?: readonly string[];
}

const between = "[^\\p{L}\\p{N}]*";
const resembling = new RegExp(safetyFlags.map((flag) => flag.replaceAll("_", between)).join("|"), "iu");
const spellings = safetyFlags.map((flag) => ({
  flag,
  spelling: new RegExp(`^${flag.replaceAll("_", "[_-]?")}$`, "i"),
}));

/** Matches every text in which a name may resemble a flag. Escapes and characters beyond ASCII may hide one. */
const traces = /dry|explain|consent|\\u|[^\0-\x7f]/i;

/** Fields that are collected of one part at most: one is enough to reject a request. */
const fieldLimit = 100;

/** Whether a name is a safety flag or may be meant for one: `dryRun`, `X-Dry-Run`, `dry_run[]`, `explain_only`. */
export function resemblesSafetyFlag(name: string): boolean {
  if (/^[\0-\x7f]*$/.test(name)) return resembling.test(name);
  // Compatibility forms and invisible characters look like the letters of a flag.
  const plain = name.normalize("NFKC").replace(/\p{Cf}/gu, "");
  return resembling.test(plain) || resembling.test(toLatin(plain));
}

/** Letters of other scripts that look like those of a flag. */
const lookalikes: Record<string, string> = {
  а: "a",
  е: "e",
  і: "i",
  о: "o",
  р: "p",
  с: "c",
  х: "x",
  у: "y",
  ԁ: "d",
  ѕ: "s",
  г: "r",
  п: "n",
  ո: "n",
  ս: "u",
  ο: "o",
  ρ: "p",
  ν: "u",
  υ: "u",
  χ: "x",
  ε: "e",
  ι: "i",
  α: "a",
  γ: "y",
  τ: "t",
  т: "t",
};

const toLatin = (name: string) => [...name.toLowerCase()].map((letter) => lookalikes[letter] ?? letter).join("");

/** Returns the flag that a name spells in any case, in snake, camel or kebab case; undefined for any other name. */
export function safetyFlagNamed(name: string): SafetyFlag | undefined {
  // Performance: the shortest spelling has 6 letters, the longest 13.
  if (name.length < 6 || name.length > 13) return undefined;
  return spellings.find(({ spelling }) => spelling.test(name))?.flag;
}

/**
 * Reads the safety flags of a request: `true`, `1`, `yes`, `y`, `t`, `on` and the empty text mean yes; `false`, `0`, `no`, `n`,
 * `f`, `off` mean no. Returns a boolean for each supported flag that is given, by its path.
 * @throws ReinstateError `invalid_request` for any other value, for two different values of one flag, and for a field that
 * resembles a flag where the call does not support it.
 * @example
 * const { dry_run = false } = readSafetyFlags(
 *   { place: "query", fields: findFlags(url.searchParams), supported: ["dry_run"] },
 *   { place: "header", fields: findFlags(request.headers) },
 * );
 */
export function readSafetyFlags(...parts: readonly FlagPart[]): Record<string, boolean> {
  const flags: Record<string, boolean> = {};
  const issues: Issue[] = [];
  for (const { place, fields, supported = [] } of parts) {
    for (const { path, value } of fields) {
      const at = path.join(".").slice(0, 100);
      const flag = [...path.slice(0, -1), safetyFlagNamed(path.at(-1) ?? "")].join(".");
      const isOn = parseFlag(value);
      if (!supported.includes(flag)) {
        issues.push({ path: at, message: `is not supported in the ${place} of this call; remove it` });
      } else if (isOn === undefined) {
        const given = String(JSON.stringify(value)).slice(0, 50);
        issues.push({ path: at, message: `is ${given}; it must be true or false` });
      } else if (flags[flag] === !isOn) {
        issues.push({ path: at, message: "is given both as true and as false; give it once" });
      } else flags[flag] = isOn;
    }
  }
  if (issues.length > 0) throw invalidRequest(...issues);
  return flags;
}

function parseFlag(value: unknown): boolean | undefined {
  if (typeof value === "boolean") return value;
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const word = String(value).trim();
  if (/^(?:true|1|yes|y|t|on)?$/i.test(word)) return true;
  return /^(?:false|0|no|n|f|off)$/i.test(word) ? false : undefined;
}

/** Returns the members with every spelling of a flag replaced by the flag's own name and a boolean. */
export function withSafetyFlags(
  members: Readonly<Record<string, unknown>>,
  flags: Readonly<Partial<Record<SafetyFlag, boolean | undefined>>>,
): Readonly<Record<string, unknown>> {
  const given = Object.entries(flags).filter(([, isOn]) => isOn !== undefined);
  const spelled = Object.keys(members).filter((name) => safetyFlagNamed(name) !== undefined);
  // Performance: a hostile body has hundreds of thousands of members.
  if (spelled.length === 0 && given.length === 0) return members;
  const others = Object.entries(members).filter(([name]) => !spelled.includes(name));
  return Object.fromEntries([...others, ...given]);
}

/** Whether the names below a member are data of the caller's own, such as custom fields, in which no flag is looked for. */
const isData = (name: string, data: readonly string[]) =>
  data.some((one) => name === one || name.startsWith(`${one}[`));

/**
 * Finds the fields of a query, a form or headers whose names resemble a flag. `data`: members whose names inside are data, as
 * in `custom_fields[explain]=1`.
 */
export function findFlags(pairs: Iterable<readonly [string, unknown]>, data: readonly string[] = []): FlagField[] {
  const found: FlagField[] = [];
  // The texts of a form are data, in which a semicolon is one.
  const isHeaderOrQuery = pairs instanceof URLSearchParams || pairs instanceof Headers;
  for (const [name, value] of pairs) {
    if (resemblesSafetyFlag(name) && !isData(name, data)) found.push({ path: [name], value });
    else if (isHeaderOrQuery && typeof value === "string" && hidesFlag(name, value))
      found.push({ path: [name], value });
  }
  return found;
}

/**
 * Whether a value holds a flag that its sender meant as a parameter of its own: after a semicolon, which older clients put between
 * parameters, or as a preference of the header `Prefer`.
 */
function hidesFlag(name: string, value: string): boolean {
  const parts = name.toLowerCase() === "prefer" ? value.split(/[;,]/) : value.split(";").slice(1);
  return parts.some((part) => safetyFlagNamed((part.split("=")[0] as string).trim()) !== undefined);
}

/** A value in a JSON text, with the way back to the root. */
interface Node {
  name: string;
  value: unknown;
  parent: Node | undefined;
}

/**
 * Finds the properties of a JSON value whose names resemble a flag, at any depth. `root`: the name of the value itself in paths;
 * `data`: properties of the root whose names inside are data.
 */
export function findFlagsInValue(
  value: unknown,
  { root, data = [] }: { root?: string; data?: readonly string[] } = {},
): FlagField[] {
  return walk(value, { root, data, nameOf: (name) => name });
}

/** Finds the same fields in a value of any size, with turns of the event loop in between. */
export async function findFlagsInSlices(
  value: unknown,
  { root, data = [] }: { root?: string; data?: readonly string[] } = {},
): Promise<FlagField[]> {
  const slices = walkInSlices(value, { root, data, nameOf: (name) => name });
  for (;;) {
    const slice = slices.next();
    if (slice.done) return slice.value;
    await setImmediate();
  }
}

/**
 * Returns the fault of a record with a property that resembles a flag: readers of records ignore names that they do not know, and
 * so they would ignore the flag. Returns undefined for any other value. `data`: properties whose names inside are data.
 */
export function findFlagFault(record: unknown, data: readonly string[] = []): string | undefined {
  const [flag] = typeof record === "object" ? findFlagsInValue(record, { data }) : [];
  return flag && `${flag.path.join(".")} is not supported in an item; remove it`;
}

/**
 * Finds the properties that resemble a flag in a JSON text, with every occurrence of a name that is repeated: `JSON.parse` keeps only the last one.
 * @throws SyntaxError for a text that is not JSON.
 */
export function findFlagsInJson(
  text: string,
  { root, data = [] }: { root?: string; data?: readonly string[] } = {},
): FlagField[] {
  if (!traces.test(text)) return [];
  return walk(JSON.parse(numberNames(text)), { root, data, nameOf: (name) => name.slice(0, name.lastIndexOf("#")) });
}

/**
 * Appends a number to every property name of a JSON text, so that no property hides another.
 * Performance: no regular expression, because those overflow the stack on megabytes of escapes.
 */
function numberNames(text: string): string {
  const parts: string[] = [];
  let copied = 0;
  for (let start = text.indexOf('"'); start >= 0; start = text.indexOf('"', start)) {
    const end = endOfString(text, start);
    let next = end;
    while (isBlank(text.charCodeAt(next))) next++;
    if (text[next] === ":") {
      parts.push(text.slice(copied, end - 1), `#${parts.length}"`);
      copied = end;
    }
    start = next;
  }
  return parts.join("") + text.slice(copied);
}

const isBlank = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

/** The place behind the quote that ends the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at++;
    else if (code === 0x22) return at + 1;
  }
  return text.length;
}

interface WalkOptions {
  root: string | undefined;
  data: readonly string[];
  nameOf(name: string): string;
}

function walk(value: unknown, options: WalkOptions): FlagField[] {
  const slices = walkInSlices(value, options);
  for (;;) {
    const slice = slices.next();
    if (slice.done) return slice.value;
  }
}

/** Yields after each slice of nodes, and returns the fields. */
function* walkInSlices(value: unknown, { root, data, nameOf }: WalkOptions): Generator<void, FlagField[], undefined> {
  const found: FlagField[] = [];
  const open: Node[] = [{ name: root ?? "", value, parent: undefined }];
  let visited = 0;
  for (let node = open.pop(); node && found.length < fieldLimit; node = open.pop()) {
    if (++visited % itemsPerSlice === 0) yield;
    if (typeof node.value !== "object" || node.value === null) continue;
    if (Array.isArray(node.value)) {
      // Performance: most lists are of ids, and long.
      for (let index = 0; index < node.value.length; index++) {
        const inner: unknown = node.value[index];
        if (typeof inner === "object") open.push({ name: String(index), value: inner, parent: node });
      }
      continue;
    }
    for (const [key, inner] of Object.entries(node.value)) {
      const name = nameOf(key);
      if (node.parent === undefined && isData(name, data)) continue;
      const child: Node = { name, value: inner, parent: node };
      if (resemblesSafetyFlag(name)) found.push({ path: pathTo(child), value: inner });
      else if (typeof inner === "object") open.push(child);
    }
  }
  return found;
}

function pathTo(node: Node): string[] {
  const path: string[] = [];
  for (let at: Node | undefined = node; at; at = at.parent) path.push(at.name);
  if (path.at(-1) === "") path.pop();
  return path.reverse();
}
