import type * as z from "zod";
import { invalidRequest, ReinstateError } from "../errors/errors.ts";
import { messageOfIssue } from "../intake/validate-items.ts";
import { safetyFlagNamed } from "../safety-flags/safety-flags.ts";
import { readJson } from "../text/json-text.ts";

/**
 * Parses input by a schema.
 *
 * @throws ReinstateError `invalid_request` with the path of every fault
 * @example const { limit } = parseInput(listQuery, readOnce(new URL(c.req.url).searchParams));
 */
export function parseInput<Value>(schema: z.ZodType<Value>, input: unknown): Value {
  const result = schema.safeParse(input);
  if (result.success) return result.data;
  const issues = result.error.issues.map((issue) => ({ path: issue.path.join("."), message: messageOfIssue(issue) }));
  const [first] = issues;
  throw new ReinstateError("invalid_request", first ? `${first.path}: ${first.message}` : "invalid", { issues });
}

/** Parses the id of a batch in a path. Throws `unknown_batch` if it cannot be one. */
export function parseBatchId(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new ReinstateError("unknown_batch", `There is no batch ${text.slice(0, 50)}`);
  return Number(text);
}

/**
 * Reads the item in a query: an integer, an object as JSON, or a text.
 *
 * @example readItemText("42") // 42
 */
export function readItemText(text: string): unknown {
  if (/^-?\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  if (!text.startsWith("{")) return text;
  const read = readJson(text);
  return read.fault === undefined ? read.value : text;
}

/**
 * Reads the parameters of a query, each of which must have one value: `account=a&account=b` names no account. Safety flags are checked
 * by their own rule.
 *
 * @throws ReinstateError `invalid_request`
 */
export function readOnce(query: URLSearchParams): Record<string, string> {
  for (const name of new Set(query.keys())) {
    if (!safetyFlagNamed(name) && new Set(query.getAll(name)).size > 1)
      throw invalidRequest({ path: name, message: "has two different values in the query; send one" });
  }
  return Object.fromEntries(query);
}
