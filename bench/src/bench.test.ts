import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("every benchmark runs at a small size and counts right", () => {
  const program = fileURLToPath(new URL("main.ts", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, "--quick"], { encoding: "utf8" });
  expect([status, stderr.split("\n").filter((line) => line.includes("Error"))]).toEqual([0, []]);
  for (const name of ["pg-boss", "BullMQ", "bare statements", "VICIdial's own call", "hand-written loop"]) {
    expect(stdout).toContain(name);
  }
});
