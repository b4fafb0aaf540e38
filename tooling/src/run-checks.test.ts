import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Check, runChecks } from "./run-checks.ts";

test("runs every check in order and returns those that failed", () => {
  const folder = mkdtempSync(join(tmpdir(), "reinstate-checks-"));
  const makeCheck = (name: string, status: number): Check => [
    name,
    process.execPath,
    "-e",
    `fs.appendFileSync("ran", "${name} "); process.exit(${status})`,
  ];
  const checks = [
    makeCheck("first", 1),
    makeCheck("second", 0),
    ["missing", "no-such-program"] satisfies Check,
    makeCheck("last", 3),
  ];
  expect(runChecks(folder, checks).map(([name]) => name)).toEqual(["first", "missing", "last"]);
  expect(readFileSync(join(folder, "ran"), "utf8")).toBe("first second last ");
  rmSync(folder, { recursive: true, force: true });
});
