import { describe, expect, test } from "vitest";
import { mapColumns } from "../intake/csv-columns.ts";
import type { OpenTable } from "../intake/read-csv.ts";
import { importRecords, type RecordImport, type RefusedLine } from "./import-records.ts";
import type { ImportCounts } from "./vendor.ts";

const table: OpenTable = (header, line) => {
  const places = mapColumns(header, line, (name) => name);
  return { read: (cells) => ({ value: Object.fromEntries(places.map((name, place) => [name, cells[place]])) }) };
};

/** Imports tickets with a name; the store rejects those that are taken. */
async function importTickets(text: string, change: Partial<RecordImport<string>> = {}) {
  const sets: string[][] = [];
  const refused: RefusedLine[] = [];
  const progress: ImportCounts[] = [];
  async function* source() {
    yield Buffer.from(text);
  }
  const counts = await importRecords<string>(source(), {
    format: "ndjson",
    table,
    setSize: 3,
    parse: (value) => {
      const { name } = value as { name?: string };
      return name ? { item: name } : { fault: "name: is required" };
    },
    async store(names) {
      sets.push([...names]);
      return names.map((name) => (name === "taken" ? "name: is taken" : undefined));
    },
    onRefused: (line) => refused.push(line),
    onProgress: (counts) => progress.push(counts),
    ...change,
  });
  return { counts, sets, refused, progress };
}

const lines = (...names: string[]) => names.map((name) => `${JSON.stringify({ name })}\n`).join("");

describe("an import of records", () => {
  test("stores sets and reports rejected lines in their order", async () => {
    const text = `${lines("a")}{}\n${lines("taken", "b")}{"name":\n${lines("c", "taken")}`;
    const { counts, sets, refused, progress } = await importTickets(text);
    expect(sets).toEqual([["a", "taken"], ["b", "c"], ["taken"]]);
    expect(refused).toEqual([
      { line: 2, message: "name: is required" },
      { line: 3, message: "name: is taken" },
      { line: 5, message: expect.stringMatching(/^is not JSON/) },
      { line: 7, message: "name: is taken" },
    ]);
    expect(progress).toEqual([
      { imported: 1, refused: 2 },
      { imported: 3, refused: 3 },
      { imported: 3, refused: 4 },
    ]);
    expect(counts).toEqual({ imported: 3, refused: 4 });
  });

  test("rejects a line with a safety flag, except in data", async () => {
    const text = '{"name":"a","dry_run":true}\n{"name":"b","fields":{"dry_run":true}}\n';
    const { refused } = await importTickets(text, { data: ["fields"] });
    expect(refused).toEqual([{ line: 1, message: "dry_run is not supported in an item; remove it" }]);
  });

  test("reads a table", async () => {
    const { counts, sets } = await importTickets("name,note\na,x\nb,y\n", { format: "csv" });
    expect(sets).toEqual([["a", "b"]]);
    expect(counts).toEqual({ imported: 2, refused: 0 });
  });

  test("calls no store for a set without items", async () => {
    const { counts, sets } = await importTickets("{}\n{}\n{}\n{}\n");
    expect(sets).toEqual([]);
    expect(counts).toEqual({ imported: 0, refused: 4 });
  });

  test("ends with the signal", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(importTickets(lines("a"), { signal })).rejects.toThrow("enough");
  });
});
