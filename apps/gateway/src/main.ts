#!/usr/bin/env -S node --max-semi-space-size=8
import { enableCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";
import { CommanderError } from "commander";
import { exitStatus } from "./cli/terminal/exit-statuses.ts";
import { explainUsage } from "./cli/terminal/explain-usage.ts";
import { writeFailure } from "./cli/terminal/failure.ts";
import { rejectSecrets } from "./cli/terminal/reject-secrets.ts";
import { createProgram } from "./program.ts";

enableCompileCache();
// Performance: collect garbage once the heap has grown by half, not fourfold (docs/decisions/cap-v8-semi-space.md).
setFlagsFromString("--heap-growing-percent=50");

const args = process.argv.slice(2).filter((arg) => {
  if (arg === "--no-color") process.env.NO_COLOR = "1";
  return arg !== "--no-color";
});

// A reader such as `head` may leave before the end.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(process.exitCode ?? exitStatus.done);
  throw error;
});

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
