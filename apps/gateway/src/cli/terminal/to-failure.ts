import { type ExitStatus, exitStatus } from "./exit-statuses.ts";
import { CommandFailure, type Failure } from "./failure.ts";

/** Returns the three parts of any error that ends a command. */
export async function toFailure(error: unknown): Promise<Failure> {
  if (error instanceof CommandFailure) return error.failure;
  const { isUnavailable, ReinstateError, toMessage } = await import("@reinstate/batch-core");
  const message = toMessage(error);
  // A setting that cannot work is one also if the cause is an error of the connection.
  if (!ReinstateError.is(error, "bad_setting") && isUnavailable(error)) {
    const fix = "check REINSTATE_DATABASE_URL, and that the database runs; reinstate doctor examines it";
    return { what: "A database cannot be reached", why: message, fix, status: exitStatus.unreachable };
  }
  if (!ReinstateError.is(error)) {
    const fix = "repeat the command; if it happens again, report it with this output";
    return { what: "Unexpected error", why: message, fix, status: exitStatus.unexpected };
  }
  // One line, because programs that start the gateway show a single line.
  if (error.code === "bad_setting") return { what: message, status: exitStatus.wrongUse };
  const status: ExitStatus = error.code === "transient" ? exitStatus.unreachable : exitStatus.wrongUse;
  // Messages of the core hold what is wrong and what to do, with a semicolon between them.
  const [what = message, ...rest] = message.split("; ");
  return { what, fix: rest.join("; ") || undefined, status };
}
