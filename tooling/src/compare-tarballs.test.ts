import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareTarballs } from "./compare-tarballs.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "reinstate-compare-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Packs files in a folder of their own. Returns the tarball. */
function pack(name: string, files: Record<string, string>, seconds = 1): string {
  const at = join(folder, name);
  mkdirSync(join(at, "package"), { recursive: true });
  const paths = Object.entries(files).map(([path, text]) => {
    writeFileSync(join(at, "package", path), text);
    utimesSync(join(at, "package", path), seconds, seconds);
    return join("package", path);
  });
  execFileSync("tar", ["-czf", "core-1.0.0.tgz", ...paths], { cwd: at });
  return join(at, "core-1.0.0.tgz");
}

describe("two tarballs", () => {
  test("of the same bytes have no difference", () => {
    expect(compareTarballs(pack("a", { "x.js": "1" }), pack("b", { "x.js": "1" }))).toEqual([]);
  });

  test("are compared by file and line", () => {
    const first = pack("c", { "same.js": "1", "gone.js": "2", "x.js": "a\nb\nc" });
    const second = pack("d", { "same.js": "1", "new.js": "2", "x.js": "a\nB\nc" });
    expect(compareTarballs(first, second)).toEqual([
      "core-1.0.0.tgz: package/gone.js is only in the first",
      "core-1.0.0.tgz: package/new.js is only in the second",
      'core-1.0.0.tgz: package/x.js differs in line 2: "b" and "B"',
    ]);
  });

  test("of equal files with other times differ", () => {
    expect(compareTarballs(pack("e", { "x.js": "1" }), pack("f", { "x.js": "1" }, 60))).toEqual([
      "core-1.0.0.tgz: the files are equal, but their order, times or modes are not",
    ]);
  });
});
