import { invalidRequest, ReinstateError } from "../errors/errors.ts";
import type { AnyOperation } from "../operation/operation.ts";
import { findFlagFault } from "../safety-flags/safety-flags.ts";
import type { Issue } from "../text/issue.ts";
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
  const report = (line: number, message: string) => {
    badRows++;
    if (issues.length < issueLimit) issues.push({ path: `line ${line}`, message });
  };
  return {
    accept(row) {
      if (row.fault !== undefined) return report(row.line, row.fault);
      // The schema of an item may ignore unknown names.
      const fault = findFlagFault(row.value);
      if (fault !== undefined) return report(row.line, fault);
      const parsed = operation.item.safeParse(row.value);
      if (parsed.success) return sink.add(parsed.data);
      const again = row.second && operation.item.safeParse(row.second());
      if (again?.success) return sink.add(again.data);
      badRows++;
      if (issues.length < issueLimit) issues.push(...toIssues(parsed.error, `line ${row.line}`));
    },
    reject: (issue) => void issues.unshift(issue),
    isClean: () => issues.length === 0,
    assertClean() {
      if (issues.length === 0) return;
      const listed = issues.slice(0, issueLimit);
      if (issues.length < issueLimit) throw invalidRequest(...listed);
      const { message } = invalidRequest(...listed);
      throw new ReinstateError("invalid_request", `${message} (${badRows} rows are bad in all)`, { issues: listed });
    },
  };
}
