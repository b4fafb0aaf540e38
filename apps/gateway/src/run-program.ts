import { CommanderError } from "commander";
import { exitStatus } from "./cli/terminal/exit-statuses.ts";
import { explainUsage } from "./cli/terminal/explain-usage.ts";
import { writeFailure } from "./cli/terminal/failure.ts";
import { rejectSecrets } from "./cli/terminal/reject-secrets.ts";
import { createProgram } from "./program.ts";

/** Runs a command line to its end. Errors are written to standard error. Sets the exit status of the process. */
export async function runProgram(args: readonly string[]): Promise<void> {
  try {
    rejectSecrets(args);
    await createProgram(args).parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) {
      process.exitCode = exitStatus.done;
    } else if (error instanceof CommanderError) {
      // The help of a command without its subcommand is written already.
      if (error.code !== "commander.help") writeFailure(explainUsage(error));
      process.exitCode = exitStatus.wrongUse;
    } else {
      const { toFailure } = await import("./cli/terminal/to-failure.ts");
      const failure = await toFailure(error);
      writeFailure(failure);
      process.exitCode = failure.status;
    }
  }
}
