import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { listPublicNames, renderPublicNames, reportFile } from "./public-names.ts";
import { listPublished } from "./workspace.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

describe("public names", () => {
  test.each(listPublished(root))("of %s are those of its report", (path) => {
    const report = join(root, path, reportFile);
    const written = existsSync(report) ? readFileSync(report, "utf8") : "";
    expect(renderPublicNames(root, path), "after a wanted change, run pnpm public-names").toBe(written);
  });

  test.each(listPublished(root))("of %s include all values that its modules export", async (path) => {
    const { exports } = JSON.parse(readFileSync(join(root, path, "package.json"), "utf8")) as {
      exports: Record<string, string>;
    };
    for (const file of Object.values(exports).filter((file) => file.endsWith(".ts"))) {
      const names = listPublicNames(join(root, path, file)).filter((name) => !name.startsWith("type "));
      expect(names).toEqual(Object.keys((await import(join(root, path, file))) as object).sort());
    }
  });
});

describe("a module", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "reinstate-names-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const list = (text: string) => {
    writeFileSync(join(folder, "inner.ts"), "export function inner() {}\nexport interface Inner {}\n");
    writeFileSync(join(folder, "index.ts"), text);
    return listPublicNames(join(folder, "index.ts"));
  };

  test.each([
    ['export { a, type B, c as d } from "./x.ts";', ["a", "d", "type B"]],
    ['export type { A } from "./x.ts";', ["type A"]],
    ["export const a = 1;\nexport async function b() {}\nexport class C {}", ["C", "a", "b"]],
    ["export interface A {}\nexport type B = A;", ["type A", "type B"]],
    ['export * from "./inner.ts";', ["inner", "type Inner"]],
    ['export * as all from "./inner.ts";', ["all"]],
  ])("with %j has these names", (text, names) => {
    expect(list(text)).toEqual(names);
  });

  test("with an export of an unknown form is rejected", () => {
    expect(() => list("export default 1;")).toThrow(/unknown form/);
  });
});
