import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listPublished } from "./workspace.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folders = listPublished(root);

let copy = "";

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), "reinstate-changesets-"));
  for (const file of ["package.json", "pnpm-workspace.yaml", ".changeset", "tooling/package.json"]) {
    cpSync(join(root, file), join(copy, file), { recursive: true });
  }
  for (const folder of folders) cpSync(join(root, folder, "package.json"), join(copy, folder, "package.json"));
  for (const file of readdirSync(join(copy, ".changeset"))) {
    if (file.endsWith(".md")) rmSync(join(copy, ".changeset", file));
  }
  execFileSync("git", ["init", "-q", "-b", "main"], { cwd: copy });
});
afterEach(() => rmSync(copy, { recursive: true, force: true }));

const versions = () =>
  folders.map(
    (folder) => (JSON.parse(readFileSync(join(copy, folder, "package.json"), "utf8")) as { version: string }).version,
  );

/** The folders whose version a change of this kind moves. */
function moved(change: string): string[] {
  const before = versions();
  writeFileSync(join(copy, ".changeset/trial.md"), `---\n${change}\n---\n\nA trial.\n`);
  execFileSync(join(root, "node_modules/.bin/changeset"), ["version"], { cwd: copy, stdio: "pipe" });
  const after = versions();
  return folders.filter((_, index) => before[index] !== after[index]);
}

test("a fix in one vendor is released as that vendor alone", () => {
  expect(moved('"@reinstate/vicidial": patch')).toContain("packages/vicidial");
  expect(moved('"@reinstate/vicidial": patch').filter((folder) => folder.startsWith("packages/"))).toEqual([
    "packages/vicidial",
  ]);
});

test("a new feature of the core moves no vendor", () => {
  expect(moved('"@reinstate/batch-core": minor')).toEqual(["packages/batch-core"]);
});
