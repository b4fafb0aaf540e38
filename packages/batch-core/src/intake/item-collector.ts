import * as z from "zod";
import { invalidRequest, ReinstateError } from "../errors/errors.ts";
import type { AnyOperation } from "../operation/operation.ts";
import { findFlagFault } from "../safety-flags/safety-flags.ts";
import type { Issue } from "../text/issue.ts";
import { showValue } from "../text/show-value.ts";
import type { Row } from "./record.ts";
import type { Sink } from "./sink.ts";
import { issueLimit, toIssues } from "./validate-items.ts";

/** Validates rows. Valid items go to the sink; faults are recorded with their line. */
export interface ItemCollector {
  accept(row: Row): void;
  reject(issue: Issue): void;
  isClean(): boolean;
  /** Throws `invalid_request` if there are issues. */
  assertClean(): void;
}

export function createItemCollector(operation: AnyOperation, sink: Sink<unknown>): ItemCollector {
  const issues: Issue[] = [];
  let badRows = 0;
  let isItem: ((value: unknown) => boolean) | undefined;
  const report = (line: number, message: string) => {
    badRows++;
    if (issues.length < issueLimit) issues.push({ path: `line ${line}`, message });
  };
  return {
    accept(row) {
      if (row.fault !== undefined) return report(row.line, row.fault);
      // Only their number is still reported, and no item is stored.
      if (issues.length >= issueLimit) {
        isItem ??= compileCheck(operation.item);
        const isValid = isItem(row.value) || (row.second !== undefined && isItem(row.second()));
        if (!isValid || findFlagFault(row.value) !== undefined) badRows++;
        return;
      }
      // The schema of an item may ignore unknown names.
      const fault = findFlagFault(row.value);
      if (fault !== undefined) return report(row.line, fault);
      const parsed = operation.item.safeParse(row.value);
      if (parsed.success) return sink.add(parsed.data);
      const again = row.second && operation.item.safeParse(row.second());
      if (again?.success) return sink.add(again.data);
      badRows++;
      issues.push(...describeIssues(parsed.error, row));
    },
    reject: (issue) => void issues.unshift(issue),
    isClean: () => issues.length === 0,
    assertClean() {
      if (issues.length === 0) return;
      const listed = issues.slice(0, issueLimit);
      const { message } = invalidRequest(...listed);
      throw new ReinstateError("invalid_request", message, { issues: listed, badRows: badRows || undefined });
    },
  };
}

/**
 * Returns a function that reports whether a value is an item.
 * Performance: a compiled schema builds no issues, which take most of the time of a million bad rows. It is for these alone, because
 * compiling takes as long as thousands of rows.
 */
function compileCheck(item: z.ZodType): (value: unknown) => boolean {
  try {
    const check = z.core.compileFn(item, { assertOnly: true });
    return (value) => check(value) !== z.INVALID;
  } catch {
    // The schema has a feature that cannot be compiled.
    return (value) => z.core.validate(item, value);
  }
}

/** Returns the issues of a row with the values that they are about. */
function describeIssues(error: z.ZodError, { line, value }: Extract<Row, { value: unknown }>): Issue[] {
  const issues = toIssues(error, `line ${line}`);
  return issues.map(({ path, message }, index) => {
    const issue = error.issues[index] as z.core.$ZodIssue;
    const given = issue.path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown>)?.[step], value);
    // The message of an unknown name has the name, and a missing value is none.
    if (given === undefined || issue.code === "unrecognized_keys") return { path, message };
    return { path, message: `${message}; it is ${showValue(given)}` };
  });
}
