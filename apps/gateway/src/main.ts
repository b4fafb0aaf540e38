#!/usr/bin/env -S node --max-semi-space-size=8
import { enableCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";
import { exitStatus } from "./cli/terminal/exit-statuses.ts";
import { runProgram } from "./run-program.ts";

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

await runProgram(args);
