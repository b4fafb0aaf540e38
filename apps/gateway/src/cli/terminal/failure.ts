import { type ExitStatus, exitStatus } from "./exit-statuses.ts";
import { writeError } from "./output.ts";
import { paint } from "./paint.ts";

/** An error in three parts, as every command reports it. */
export interface Failure {
  /** The fault, in one line. */
  what: string;
  why?: string | undefined;
  /** The way out. */
  fix?: string | undefined;
  /** Faults of the input, one line each. */
  details?: readonly string[];
  status: ExitStatus;
}

/** Ends a command with a failure. */
export class CommandFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.what);
    this.name = "CommandFailure";
    this.failure = failure;
  }
}

/** Returns the error for wrong use of a command. */
export function wrongUse(what: string, fix?: string, why?: string): CommandFailure {
  return new CommandFailure({ what, why, fix, status: exitStatus.wrongUse });
}

/** Returns the error for a server, database or vendor that cannot be used. */
export function unreachable(what: string, why: string, fix: string): CommandFailure {
  return new CommandFailure({ what, why, fix, status: exitStatus.unreachable });
}

/** Writes a failure to standard error: what, why, and what to do. */
export function writeFailure({ what, why, fix, details = [] }: Failure): void {
  writeError(`${paint("error", "reinstate:")} ${what}`);
  for (const detail of details) writeError(`  ${detail}`);
  if (why) writeError(`  ${paint("dim", "why")}  ${why}`);
  if (fix) writeError(`  ${paint("dim", "do")}   ${fix}`);
}
