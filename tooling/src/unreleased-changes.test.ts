import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { listUnreleasedChanges } from "./unreleased-changes.ts";

const source = "packages/vicidial/src/leads/rules.ts";
let repository = "";

const git = (...args: string[]) =>
  execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@example.com", ...args], {
    cwd: repository,
    stdio: "pipe",
  });

function write(file: string, text: string): void {
  mkdirSync(dirname(join(repository, file)), { recursive: true });
  writeFileSync(join(repository, file), text);
}

function commit(file: string, text: string): void {
  write(file, text);
  git("add", "--all");
  git("commit", "-q", "-m", file);
}

const changeset = (names: string[]) => `---\n${names.map((name) => `"${name}": patch\n`).join("")}---\n\nA change.\n`;

beforeEach(() => {
  repository = mkdtempSync(join(tmpdir(), "reinstate-unreleased-"));
  git("init", "-q", "-b", "main");
  mkdirSync(join(repository, "apps"));
  write(".changeset/config.json", '{ "baseBranch": "main" }');
  for (const name of ["altcraft", "vicidial"]) {
    write(`packages/${name}/package.json`, JSON.stringify({ name: `@reinstate/${name}`, version: "1.0.0" }));
    write(`packages/${name}/src/leads/rules.ts`, "export {};\n");
  }
  commit("README.md", "A repository.");
});
afterEach(() => rmSync(repository, { recursive: true, force: true }));

const place = (file: string) =>
  expect.stringMatching(`^@reinstate/vicidial: ${file} changed since .* without a changeset`);

describe.each(["main", "topic"])("a changed source on %s", (branch) => {
  beforeEach(() => {
    if (branch !== "main") git("checkout", "-q", "-b", branch);
  });

  test("is reported without a changeset", () => {
    commit(source, "export const a = 1;\n");
    expect(listUnreleasedChanges(repository)).toEqual([place(source)]);
  });

  test("is reported before it is committed", () => {
    commit("docs/a.md", "A page.");
    write("packages/vicidial/src/new.ts", "export {};\n");
    expect(listUnreleasedChanges(repository)).toEqual([place("packages/vicidial/src/new.ts")]);
  });

  test("is reported when it was deleted", () => {
    rmSync(join(repository, source));
    commit("docs/a.md", "A page.");
    expect(listUnreleasedChanges(repository)).toEqual([place(source)]);
  });

  test("is reported when the changeset names another package", () => {
    commit(source, "export const a = 1;\n");
    commit(".changeset/a.md", changeset(["@reinstate/altcraft"]));
    expect(listUnreleasedChanges(repository)).toEqual([place(source)]);
  });

  test.each([[["@reinstate/altcraft", "@reinstate/vicidial"]], [[]]])(
    "is accepted with a changeset for %j",
    (names) => {
      commit(source, "export const a = 1;\n");
      commit(".changeset/a.md", changeset(names));
      expect(listUnreleasedChanges(repository)).toEqual([]);
    },
  );

  test("needs no changeset when it is a test or a page", () => {
    commit("packages/vicidial/src/leads/rules.test.ts", "export const a = 1;\n");
    commit("packages/vicidial/README.md", "A page.");
    expect(listUnreleasedChanges(repository)).toEqual([]);
  });
});

describe("a base of changes", () => {
  test("is the last release of the package", () => {
    commit(source, "export const a = 1;\n");
    commit(".changeset/a.md", changeset(["@reinstate/vicidial"]));
    rmSync(join(repository, ".changeset/a.md"));
    commit("packages/vicidial/package.json", '{ "name": "@reinstate/vicidial", "version": "1.0.1" }');
    git("tag", "@reinstate/vicidial@1.0.1");
    expect(listUnreleasedChanges(repository)).toEqual([]);
    commit(source, "export const a = 2;\n");
    expect(listUnreleasedChanges(repository)).toEqual([place(source)]);
  });

  test("is the branch point, although main has a changeset", () => {
    commit(".changeset/a.md", changeset(["@reinstate/vicidial"]));
    git("checkout", "-q", "-b", "topic");
    commit(source, "export const a = 1;\n");
    expect(listUnreleasedChanges(repository)).toEqual([place(source)]);
  });
});
