import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

// What `pnpm check` says, said again by the test command, so that nothing lands unformatted or untyped.
test.each([
  ["format and lint", "biome", ["check", "--error-on-warnings", "."]],
  ["types", "turbo", ["run", "typecheck", "--output-logs=errors-only"]],
])("%s", { timeout: 300_000 }, (_, command, args) => {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  expect(status, stdout + stderr).toBe(0);
});
