import type { CommanderError } from "commander";
import { exitStatus } from "./exit-statuses.ts";
import type { Failure } from "./failure.ts";

/** Returns the three parts of an error of the command line's parser. */
export function explainUsage({ message }: CommanderError): Failure {
  const [what = "", hint] = message.replace(/^error: /, "").split("\n");
  const suggestion = /^\((.*)\)$/.exec(hint ?? "")?.[1];
  return {
    what: what.charAt(0).toUpperCase() + what.slice(1),
    fix: suggestion ?? "see reinstate --help, or --help after the command",
    status: exitStatus.wrongUse,
  };
}
