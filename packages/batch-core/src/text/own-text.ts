import * as z from "zod";
import type { Issue } from "./issue.ts";

/** Characters of a name of ours at most: of an operation, an account, a column, a code, a key. */
const mostNameCharacters = 255;

/** Returns the reason why a database may not store a text unchanged; undefined if every database stores it. */
export function findTextFault(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain a NUL character";
  if (!text.isWellFormed()) return "must not contain half of a surrogate pair";
  return undefined;
}

/** Characters that a report shows of a text from elsewhere, such as the message of a vendor. */
const mostReportedCharacters = 2000;

/** Returns a foreign text that every database can store: bounded, with NUL characters and unpaired surrogates replaced. */
export function toStorableText(text: string): string {
  const bounded = text.length > mostReportedCharacters ? `${text.slice(0, mostReportedCharacters)}…` : text;
  return findTextFault(bounded) === undefined ? bounded : bounded.replaceAll("\0", "\ufffd").toWellFormed();
}

/** Characters of one text within params at most. */
const mostParamCharacters = 10_000;

/** Finds the texts and names within a value that a database may not store, or that are too long. */
export function findTextIssues(value: unknown, path: string): Issue[] {
  if (typeof value === "string") {
    const message =
      value.length > mostParamCharacters ? `must have at most ${mostParamCharacters} characters` : findTextFault(value);
    return message === undefined ? [] : [{ path, message }];
  }
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((inner, at) => findTextIssues(inner, `${path}[${at}]`));
  return Object.entries(value).flatMap(([name, inner]) => {
    const fault = findTextFault(name);
    if (fault !== undefined) return [{ path, message: `has a name that ${fault}` }];
    return findTextIssues(inner, `${path}.${name.slice(0, 100)}`);
  });
}

/**
 * Accepts a text of our own APIs: of a bounded length, without NUL characters and without half surrogate pairs. PostgreSQL would
 * reject those with an error of its own, and SQLite would store them.
 *
 * @example ownText().parse("acc_1")
 */
export const ownText = (most = mostNameCharacters) =>
  z
    .string()
    .max(most, { error: `must have at most ${most} characters`, abort: true })
    .check(({ value, issues }) => {
      const message = findTextFault(value);
      if (message !== undefined) issues.push({ code: "custom", message, input: value });
    });
