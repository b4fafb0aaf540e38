import { fileURLToPath } from "node:url";
import { runChecks } from "./run-checks.ts";

// The fastest check comes first, so its result is there at once.
const failed = runChecks(fileURLToPath(new URL("../..", import.meta.url)), [
  ["format and lint", "biome", "check", "--error-on-warnings", "."],
  ["conventions", "vitest", "run", "--config", "tooling/house.config.ts"],
  ["types", "tsc", "--incremental", "--tsBuildInfoFile", "node_modules/.cache/types.tsbuildinfo"],
]);

for (const [name, ...command] of failed) process.stderr.write(`Failed: ${name} (${command.join(" ")})\n`);
process.exit(failed.length > 0 ? 1 : 0);
