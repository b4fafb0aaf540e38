import * as z from "zod";

/** Characters of a name of ours at most: of an operation, an account, a column, a code, a key. */
const mostNameCharacters = 255;

/** Returns why a database may not store a text as it is; undefined if every database stores it. */
export function findTextFault(text: string): string | undefined {
  if (text.includes("\0")) return "must not contain a NUL character";
  if (!text.isWellFormed()) return "must not contain half of a surrogate pair";
  return undefined;
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
