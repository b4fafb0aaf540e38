import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

// The test command repeats the checks, so nothing lands unformatted or untyped. What `check` has just seen is not checked anew.
test.each([
  ["format and lint", "biome", ["check", "--error-on-warnings", "."]],
  ["types", "tsc", ["--incremental", "--tsBuildInfoFile", "node_modules/.cache/types.tsbuildinfo"]],
])("%s", { timeout: 300_000 }, (_, command, args) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  expect(status, stdout + stderr).toBe(0);
});
