import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readPropertyDocs } from "./property-docs.ts";

describe("doc comments of properties", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "reinstate-docs-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const read = (source: string) => {
    const file = join(folder, "options.ts");
    writeFileSync(file, source);
    return readPropertyDocs(file);
  };

  test("are read as one line, with the default apart", () => {
    const docs = read(`const options = object({
      /**
       * The largest number
       * of ids.
       *
       * @defaultValue none
       */
      limit: whole(),
      // No doc comment.
      plain: 1,
      /** The URL. */
      url: text(),
    });`);
    expect([...docs]).toEqual([
      ["limit", { text: "The largest number of ids.", defaultValue: "none" }],
      ["url", { text: "The URL.", defaultValue: undefined }],
    ]);
  });

  test("of two properties of one name are rejected", () => {
    expect(() => read("const a = { /** One. */ x: 1 }, b = { /** Two. */ x: 2 };")).toThrow("x has two doc comments");
  });
});
