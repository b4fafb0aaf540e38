import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

// Runs every check, the fastest first, whatever fails: one run shows all there is to mend.
const root = fileURLToPath(new URL("../..", import.meta.url));
const checks: [name: string, command: string, args: string[]][] = [
  ["format and lint", "biome", ["check", "--error-on-warnings", "."]],
  ["conventions", "vitest", ["run", "--config", "tooling/house.config.ts"]],
  ["types", "tsc", ["--incremental", "--tsBuildInfoFile", "node_modules/.cache/types.tsbuildinfo"]],
];

const failed = checks.filter(([, command, args]) => {
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit" });
  return status !== 0;
});

for (const [name, command, args] of failed) process.stderr.write(`Failed: ${name} (${command} ${args.join(" ")})\n`);
process.exit(failed.length > 0 ? 1 : 0);
