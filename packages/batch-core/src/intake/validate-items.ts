import { setImmediate } from "node:timers/promises";
import type * as z from "zod";
import { listNames } from "../errors/cut-text.ts";
import { invalidRequest } from "../errors/errors.ts";
import type { NewChunk } from "../ledger/ledger.ts";
import type { AnyOperation } from "../operation/operation.ts";
import type { Issue } from "../text/issue.ts";
import { findTextIssues } from "../text/own-text.ts";
import { itemsPerSlice } from "../text/time-slice.ts";

/** The distinct, valid items of an upload, ready to be packed into chunks. */
export interface Intake {
  /** Number of distinct items. */
  total: number;
  duplicates: number;
  /** Yields the items as chunks. */
  chunks(chunkSize: number): Iterable<NewChunk> | AsyncIterable<NewChunk>;
  /** Frees the items. Their chunks cannot be read any more. */
  close(): void;
}

/** Maximum number of issues in one response. */
export const issueLimit = 100;

/** Parses the params of a request by the schema of the operation. Throws `invalid_request`. */
export function parseParams(operation: AnyOperation, params: unknown): unknown {
  const read = readParams(operation, params);
  if ("value" in read) return read.value;
  throw invalidRequest(...read.issues);
}

function readParams(operation: AnyOperation, params: unknown): { value: unknown } | { issues: Issue[] } {
  const parsed = operation.params.safeParse(params ?? {});
  if (!parsed.success) return { issues: toIssues(parsed.error, "params") };
  const issues = findTextIssues(parsed.data, "params");
  return issues.length === 0 ? { value: parsed.data } : { issues };
}

/** Parses params and items by the schemas of the operation. Returns the parsed items, and the issues of both by path. */
export async function parseItems(
  operation: AnyOperation,
  params: unknown,
  items: readonly unknown[],
): Promise<{ items: unknown[]; issues: Issue[] }> {
  const read = readParams(operation, params);
  const issues = "issues" in read ? read.issues : [];
  const parsed: unknown[] = [];
  for (let index = 0; index < items.length && issues.length < issueLimit; index++) {
    if (index % itemsPerSlice === itemsPerSlice - 1) await setImmediate();
    const item = operation.item.safeParse(items[index]);
    if (item.success) parsed.push(item.data);
    else issues.push(...toIssues(item.error, `items[${index}]`));
  }
  return { items: parsed, issues };
}

/** Converts Zod's issues, with paths like `items[3].email`. */
export function toIssues(error: z.ZodError, root: string): Issue[] {
  return error.issues.slice(0, issueLimit).map((issue) => ({
    path: issue.path.reduce<string>(
      (at, step) => (typeof step === "number" ? `${at}[${step}]` : `${at}.${String(step)}`),
      root,
    ),
    message: messageOfIssue(issue),
  }));
}

/** Returns Zod's message, with at most ten unknown keys. */
export function messageOfIssue(issue: z.core.$ZodIssue): string {
  if (issue.code !== "unrecognized_keys" || issue.keys.length <= 10) return issue.message;
  return `Unrecognized keys: ${listNames(issue.keys)}`;
}
