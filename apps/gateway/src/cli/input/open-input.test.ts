import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineOperation, type Outcome, readItems } from "@reinstate/batch-core";
import { createTestHost } from "@reinstate/batch-core/testing";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { temporaryFolder } from "../../testing/gateway-process.ts";
import { CommandFailure } from "../terminal/failure.ts";
import { openInput } from "./open-input.ts";

const rows = defineOperation<number, unknown>({
  name: "test.rows.restore",
  label: "row/restore",
  item: z.int().min(0),
  params: z.strictObject({}),
  columns: ["row_id"],
  key: (item) => item,
  chunkSize: 7,
  apply: async ({ items }) => items.map((key): Outcome => ({ key, outcome: "done" })),
});

const ids = [4711, 3, 17, 1, 900719925474099, 25, 12, 13, 14, 15, 16];
const lines = (end: string, values: readonly unknown[] = ids) => values.map((value) => `${value}${end}`).join("");
const table = (separator: string, end = "\n", quote = "") =>
  [["name", "row_id", "note"], ...ids.map((id) => [`n${id}`, id, "x"])]
    .map((cells) => cells.map((cell) => `${quote}${cell}${quote}`).join(separator) + end)
    .join("");
const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, "utf16le");
const utf16be = (text: string) => utf16(text).swap16();
const bom = "\ufeff";

/** Files that hold the same ids, by name. */
const files: [
  name: string,
  content: string | Uint8Array,
  options?: { column?: string; format?: "csv" | "ndjson" | "json" },
][] = [
  ["bare.txt", lines("\n")],
  ["bare-crlf.txt", lines("\r\n")],
  ["bare-cr.txt", lines("\r")],
  ["bare-unended.txt", lines("\n").trimEnd()],
  ["bare-bom.txt", bom + lines("\n")],
  ["bare-blank-lines.txt", lines("\n\n")],
  ["no-ending", lines("\n")],
  ["bare.csv", lines("\n")],
  ["header.csv", `row_id\n${lines("\n")}`],
  ["header-id.csv", `id\n${lines("\n")}`],
  ["header-other-case.csv", `Row ID\n${lines("\n")}`],
  ["named-after-records.csv", `Rows\n${lines("\n")}`],
  [
    "quoted.csv",
    `"row_id"\n${lines(
      "\n",
      ids.map((id) => `"${id}"`),
    )}`,
  ],
  ["comma.csv", table(",")],
  ["semicolon.csv", table(";")],
  ["tab.csv", table("\t")],
  ["tab.tsv", table("\t")],
  ["crlf.csv", table(",", "\r\n")],
  ["unended.csv", table(",").trimEnd()],
  ["bom.csv", bom + table(";")],
  ["all-quoted.csv", table(",", "\n", '"')],
  ["separator-line.csv", `sep=;\n${table(";")}`],
  ["quoted-line-break.csv", table(",").replace("n3", '"n\n3"')],
  ["quoted-separator.csv", table(",").replace("n3", '"n,3"')],
  ["column.csv", table(",").replace("row_id", "their_row"), { column: "their_row" }],
  ["table.dat", table(";"), { format: "csv" }],
  ["utf16.csv", utf16(table("\t"))],
  ["utf16be.csv", utf16be(table("\t"))],
  ["utf16-unended.txt", utf16(lines("\n").trimEnd())],
  ["lines.ndjson", lines("\n")],
  ["lines.jsonl", lines("\n")],
  ["lines-unended.ndjson", lines("\n").trimEnd()],
  ["lines-crlf.ndjson", lines("\r\n")],
  ["array.json", JSON.stringify(ids)],
  ["array-indented.json", JSON.stringify(ids, null, 2)],
  ["array-bom.json", bom + JSON.stringify(ids)],
  ["array-crlf.json", JSON.stringify(ids, null, 1).replaceAll("\n", "\r\n")],
  ["array-utf16.json", utf16(JSON.stringify(ids))],
  ["array.txt", `\n  ${JSON.stringify(ids)}\n`],
  ["array.ndjson", JSON.stringify(ids)],
  ["twice.txt", lines("\n") + lines("\n")],
];

/** Returns the number of items and the digest of their sorted texts. */
async function readAll(options: Parameters<typeof openInput>[0] & { column?: string }) {
  await using host = await createTestHost();
  host.register(rows);
  const { source, format } = await openInput(options);
  const intake = await readItems(rows, source, { format, column: options.column });
  const { id, total } = await host.batches.submitIntake({ operation: rows.name }, intake);
  intake.close();
  const items: string[] = [];
  for await (const { item } of host.batches.everyItem(id)) items.push(String(item));
  return { total, digest: createHash("sha256").update(items.sort().join("\n")).digest("hex") };
}

const expected = {
  total: ids.length,
  digest: createHash("sha256").update(ids.map(String).sort().join("\n")).digest("hex"),
};

describe("the input of a command", () => {
  test.each(files)("reads the same ids from %s", async (name, content, options = {}) => {
    await using folder = temporaryFolder();
    const file = join(folder.path, name);
    writeFileSync(file, content);
    expect(await readAll({ file, ...options })).toEqual(expected);
  });

  test("reads ids and ranges of the command line", async () => {
    expect(await readAll({ ids: "4711,3,17,1,900719925474099,25,12-16" })).toEqual(expected);
    expect((await readAll({ ids: "1-25000, 20000-30000" })).total).toBe(30_000);
  });

  test.each(["", "1-", "-5", "a", "1,,2", "1.5", "9-3", "1-200000000", "1e5"])("rejects --ids %j", async (text) => {
    await expect(openInput({ ids: text })).rejects.toThrow(/--ids/);
  });

  test("reports another encoding with its line, before reading on", async () => {
    await using folder = temporaryFolder();
    const file = join(folder.path, "latin.csv");
    writeFileSync(file, Buffer.concat([Buffer.from("name;row_id\nM"), Buffer.from([0xfc]), Buffer.from("ller;1\n")]));
    const failure = await openInput({ file }).catch((error: unknown) => error as CommandFailure);
    expect(failure).toBeInstanceOf(CommandFailure);
    expect((failure as CommandFailure).failure).toMatchObject({ why: expect.stringMatching(/^line 2 /), status: 2 });
  });

  test.each(["[1,2", "[1,,2]", "[1] 2", "[", '["a'])("rejects the broken array %s", async (text) => {
    await using folder = temporaryFolder();
    const file = join(folder.path, "broken.json");
    writeFileSync(file, text);
    await expect(readAll({ file })).rejects.toThrow(/broken\.json|line/);
  });

  test("keeps elements of an array apart from each other", async () => {
    await using folder = temporaryFolder();
    const file = join(folder.path, "objects.json");
    const items = [{ a: 'x, ] " \\', b: [1, { c: 2 }] }, "text\\n", [[]], null, 1];
    writeFileSync(file, JSON.stringify(items, null, 3));
    const { source } = await openInput({ file });
    let text = "";
    for await (const part of source) text += Buffer.from(part).toString();
    expect(
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual(items);
  });
});
