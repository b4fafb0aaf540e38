import { fileURLToPath } from "node:url";
import { listFillMarks } from "./fill-marks.ts";
import { runChecks } from "./run-checks.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

// The fastest check comes first, so its result is there at once.
const failed = runChecks(root, [
  ["format and lint", "biome", "check", "--error-on-warnings", "."],
  ["conventions", "vitest", "run", "--config", "tooling/house.config.ts"],
  ["changesets", "node", "tooling/src/unreleased-changes.ts"],
  ["types", "tsc", "--incremental", "--tsBuildInfoFile", "node_modules/.cache/types.tsbuildinfo"],
]);

for (const { place, text } of listFillMarks(root)) process.stdout.write(`To fill: ${place}: ${text}\n`);
for (const [name, ...command] of failed) process.stderr.write(`Failed: ${name} (${command.join(" ")})\n`);
process.exit(failed.length > 0 ? 1 : 0);
