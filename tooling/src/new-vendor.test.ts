import { execFile, execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { listFillMarks } from "./fill-marks.ts";
import { generateVendor } from "./vendor-generator/generate.ts";
import type { VendorRequest } from "./vendor-generator/request.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const copies: string[] = [];
afterAll(() => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
});

/** Copies the repository as it is in the working tree, without what is installed and built. */
function copyRepository(): string {
  const copy = mkdtempSync(join(tmpdir(), "reinstate-new-vendor-"));
  copies.push(copy);
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root });
  for (const path of listed.toString().trim().split("\n")) {
    if (!existsSync(join(root, path))) continue;
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(root, path), join(copy, path));
  }
  // Biome finds its files by git. The types of all other packages are known already.
  execFileSync("git", ["init", "-q", "-b", "main"], { cwd: copy });
  const types = "node_modules/.cache/types.tsbuildinfo";
  if (existsSync(join(root, types))) cpSync(join(root, types), join(copy, types));
  return copy;
}

const requests: VendorRequest[] = [
  { name: "zendesk", record: "ticket", accounts: true, ids: "integer" },
  { name: "graph", record: "message", accounts: false, ids: "string" },
];

describe("a generated vendor", () => {
  test("passes check, its tests and the packed test", async () => {
    const copy = copyRepository();
    const pnpm = (...args: string[]) => run("npx", ["-y", packageManager, ...args], { cwd: copy });
    for (const request of requests) generateVendor(copy, request);
    // The lock file does not know the new packages, and CI would freeze it.
    await pnpm("install", "--prefer-offline", "--no-frozen-lockfile");
    const env = { ...process.env, PACKED: "packages/zendesk" };
    const vitest = join(copy, "node_modules/.bin/vitest");
    const [check] = await Promise.all([
      pnpm("check"),
      run(vitest, ["run", "packages/zendesk", "packages/graph"], { cwd: copy }),
      run(vitest, ["run", "tooling/src/packed.test.ts"], { cwd: copy, env }),
    ]);
    const marks = listFillMarks(copy);
    expect(marks.length).toBeGreaterThan(20);
    for (const { place, text } of marks) expect(check.stdout).toContain(`To fill: ${place}: ${text}`);
    // It installs, builds and tests a whole repository.
  }, 1_800_000);
});
