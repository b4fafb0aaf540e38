import { type Issue, invalidRequest } from "../errors.ts";
import { issueLimit, issuesOf } from "../intake.ts";
import type { AnyOperation } from "../operation.ts";
import { findFlagsInValue } from "../safety-flags.ts";
import type { Sink } from "./sink.ts";

/** Where what was read is looked at: a valid item goes on to the sink, what is wrong is noted with its line. */
export interface Desk {
  /** `second` is another reading of the same line, asked for where the first is not valid. */
  take(value: unknown, line: number, second?: () => unknown): void;
  refuse(line: number, message: string): void;
  /** So much is wrong that no more will be told: what comes now need not be looked at. */
  full(): boolean;
  /** Throws `invalid_request` where something is wrong. */
  assertClean(): void;
}

export function createDesk(operation: AnyOperation, sink: Sink<unknown>): Desk {
  const issues: Issue[] = [];
  const refuse = (line: number, message: string) => {
    if (issues.length < issueLimit) issues.push({ path: `line ${line}`, message });
  };
  return {
    take(value, line, second) {
      // The schema of an item may ignore names that it does not know.
      const [flag] = typeof value === "object" ? findFlagsInValue(value) : [];
      if (flag) return refuse(line, `${flag.path.join(".")} is not supported in an item; remove it`);
      const parsed = operation.item.safeParse(value);
      if (parsed.success) return sink.add(parsed.data);
      const again = second && operation.item.safeParse(second());
      if (again?.success) return sink.add(again.data);
      if (issues.length < issueLimit) issues.push(...issuesOf(parsed.error, `line ${line}`));
    },
    refuse,
    full: () => issues.length >= issueLimit,
    assertClean() {
      if (issues.length === 0) return;
      throw invalidRequest(...issues);
    },
  };
}
