import { describe, expect, test } from "vitest";
import { listApiChanges } from "./api-reports.ts";

const report = "// @public\nexport function restore(ids: number[]): Promise<void>;\n";
const compare = (after: Record<string, string>) =>
  listApiChanges(new Map([["core.api.md", report]]), new Map(Object.entries(after)));

describe("API reports", () => {
  test("that are equal have no changes", () => {
    expect(compare({ "core.api.md": report })).toEqual([]);
  });

  test("show a changed signature", () => {
    expect(compare({ "core.api.md": report.replace("number[]", "string[]") })).toEqual([
      "core.api.md",
      "- export function restore(ids: number[]): Promise<void>;",
      "+ export function restore(ids: string[]): Promise<void>;",
    ]);
  });

  test("show a new and a missing entry point", () => {
    expect(compare({ "http.api.md": "export {};" })).toEqual([
      "core.api.md",
      "- // @public",
      "- export function restore(ids: number[]): Promise<void>;",
      "http.api.md",
      "+ export {};",
    ]);
  });

  test("show a changed order", () => {
    expect(compare({ "core.api.md": report.split("\n").reverse().join("\n") })).toEqual(["core.api.md"]);
  });
});
