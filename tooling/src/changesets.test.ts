import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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

/** Releases all packages as 1.0.0, so that a patch stays in the ranges of its dependents. */
function releaseFirst(): void {
  moved(`${folders.map((folder) => `"@reinstate/${basename(folder)}": major`).join("\n")}`);
}

describe("a changeset", () => {
  test.each(["packages/altcraft", "packages/firstpromoter", "packages/vicidial", "packages/batch-core"])(
    "for a fix releases %s alone",
    (folder) => {
      releaseFirst();
      expect(moved(`"@reinstate/${basename(folder)}": patch`)).toEqual([folder]);
    },
  );

  test("for a feature of the core releases no vendor", () => {
    expect(moved('"@reinstate/batch-core": minor')).toEqual(["packages/batch-core"]);
  });

  test("becomes an entry of the package's changelog", () => {
    moved('"@reinstate/vicidial": minor');
    expect(readFileSync(join(copy, "packages/vicidial/CHANGELOG.md"), "utf8")).toContain("A trial.");
  });
});
