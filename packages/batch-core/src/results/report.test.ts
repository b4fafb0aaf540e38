import { createHash } from "node:crypto";
import { parse } from "csv-parse/sync";
import { expect, test } from "vitest";
import type { ItemOutcome } from "./items.ts";
import { type ReportFormat, writeManifest, writeReport } from "./report.ts";

async function* pages(...pages: Partial<ItemOutcome>[][]): AsyncGenerator<ItemOutcome[]> {
  for (const page of pages) yield page.map((item) => ({ outcome: "done", generation: 0, item: 1, ...item }));
}

async function readReport(format: ReportFormat, ...items: Partial<ItemOutcome>[][]): Promise<string> {
  let text = "";
  for await (const part of writeReport(pages(...items), format)) text += Buffer.from(part).toString("utf8");
  return text;
}

test("writes a line for each item with its outcome", async () => {
  const failed = { item: { a: "ä" }, outcome: "failed", code: "no", message: 'not "that"', generation: 1 } as const;
  const items: Partial<ItemOutcome>[][] = [
    [{}, { item: -2 }],
    [failed, { item: 3, outcome: undefined }],
    [{ item: "x" }],
  ];
  expect(await readReport("csv", ...items)).toBe(
    [
      "item,outcome,code,message,generation",
      "1,done,,,0",
      "-2,done,,,0",
      '"{""a"":""ä""}",failed,no,"not ""that""",1',
      "3,,,,0",
      "x,done,,,0",
      "",
    ].join("\n"),
  );
  const lines = (await readReport("ndjson", ...items)).split("\n");
  expect(lines.pop()).toBe("");
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { item: 1, outcome: "done", generation: 0 },
    { item: -2, outcome: "done", generation: 0 },
    failed,
    { item: 3, outcome: null, generation: 0 },
    { item: "x", outcome: "done", generation: 0 },
  ]);
});

test("escapes formulas and leaves numbers unchanged", async () => {
  const texts = [
    "=1+1",
    "+cmd",
    "-x",
    "@sum",
    "\tx",
    "\rx",
    "\n=1",
    "＝1",
    "＋1",
    "－1",
    "＠x",
    "-5",
    "+49",
    "-1.5",
    "--1",
    "a=b",
    'q"',
    "l\nl",
    "a,b",
  ];
  const csv = await readReport(
    "csv",
    texts.map((item) => ({ item, code: item, message: item })),
  );
  const rows = parse(csv, { columns: true }) as Record<string, string>[];
  const expected = texts.map((text, index) => (index < 11 || text === "--1" ? `'${text}` : text));
  for (const column of ["item", "code", "message"]) expect(rows.map((row) => row[column])).toEqual(expected);
});

test("builds a manifest with counts and digests of both files", async () => {
  const items: Partial<ItemOutcome>[][] = [
    [{}, { outcome: "skipped", code: "live" }],
    [{ outcome: "failed", message: "two\nlines" }, { outcome: undefined }, { outcome: "unknown" }],
  ];
  const file = async (format: ReportFormat, lines: number) => {
    const text = await readReport(format, ...items);
    return { bytes: Buffer.byteLength(text), lines, sha256: createHash("sha256").update(text).digest("hex") };
  };
  expect(await writeManifest(pages(...items))).toEqual({
    total: 5,
    counts: { done: 1, skipped: 1, failed: 1, unknown: 1, pending: 1 },
    reports: { "report.csv": await file("csv", 7), "report.ndjson": await file("ndjson", 5) },
  });
});
