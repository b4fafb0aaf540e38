import { describe, expect, test } from "vitest";
import { unpack } from "../batch/chunk-codec.ts";
import { ReinstateError } from "../errors/errors.ts";
import { measureLongestStretch } from "../testing/longest-stretch.ts";
import { double, send } from "../testing/test-api.ts";
import { readItems } from "./read-items.ts";

type Format = "csv" | "ndjson";

async function* parts(body: string | Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Returns the accepted items, or the issues. */
async function take(body: string | Uint8Array, format: Format, options: { column?: string; size?: number } = {}) {
  const { size, column } = options;
  try {
    const intake = await readItems(double, parts(body, size), { format, column });
    const items: unknown[] = [];
    for await (const { packed } of intake.chunks(100)) items.push(...unpack(packed.codec, packed.bytes));
    intake.close();
    return items;
  } catch (error) {
    if (!ReinstateError.is(error, "invalid_request")) throw error;
    return error.issues.map(({ path, message }) => `${path}: ${message}`);
  }
}

const utf16 = (text: string, isBigEndian = false) => {
  const bytes = Buffer.from(`\ufeff${text}`, "utf16le");
  return isBigEndian ? bytes.swap16() : bytes;
};

describe("spreadsheet numbers", () => {
  test.each([
    ["csv", "id,name\n1.23E+02,Ann\n"],
    ["csv", "id;name\n1.000;Ann\n"],
    ["csv", 'id,name\n"1,000",Ann\n'],
    ["csv", "5\n1.000\n"],
    ["csv", 'id\n"1,000"\n'],
    ["csv", "id\n1 000\n"],
    ["csv", "id;name\n123.00;Ann\n"],
    ["csv", "id;name\n+5;Ann\n"],
    ["csv", "id;name\n１２;Ann\n"],
    ["ndjson", "5\n1.000\n"],
    ["ndjson", "5\n1.23E+02\n"],
    ["ndjson", "5\n1e3\n"],
  ] as [Format, string][])("in %s are rejected with their line: %j", async (format, body) => {
    expect(await take(body, format)).toEqual([
      expect.stringMatching(/^line 2: ".*" looks like a spreadsheet number; format the column as text$/),
    ]);
  });

  test("without loss are accepted", async () => {
    expect(await take("id,name\n 12 ,a\n123.0,b\n1E+05,c\n0007,d\n", "csv")).toEqual([7, 12, 123, 100_000]);
    expect(await take("1.0\n1e+05\n 3 \n", "ndjson")).toEqual([1, 3, 100_000]);
  });

  test("in a row without separators name the way out", async () => {
    expect(await take("id\n1,000\n", "csv")).toEqual([
      'line 2: has 2 cells, and the header has 1; quote a cell that holds the separator, and format numbers as text; it is "1,000"',
    ]);
    expect(await take("1,000\n2,000\n", "csv")).toEqual([
      expect.stringMatching(/^line 1: there is no column row_id or id/),
    ]);
    expect(await take("id,name\n,Ann\n", "csv")).toEqual(["line 2: has no id"]);
  });
});

describe("the column of the ids", () => {
  test.each([
    ["id,row_id\n500,7\n", [7]],
    ["row_id,id\n7,500\n", [7]],
    ["other_id,row_id\n501,8\n", [8]],
    ["other_id,id\n501,8\n", [8]],
    ["Row ID;name\n8;x\n", [8]],
    ["rowId,name\n8,x\n", [8]],
    ["ID\n8\n", [8]],
    ['"id","name"\n8,x\n', [8]],
    ["rows\n8\n", [8]],
    ["Row\n8\n", [8]],
    ["row IDs\n8\n", [8]],
    ["sep=;\nid;name\n8;x\n", [8]],
    ['"sep=\t"\nid\tname\n8\tx\n', [8]],
    ["id,\n8,\n,\n", [8]],
    ['id;"last, first, other"\n8;x\n', [8]],
  ])("is found in %j", async (body, items) => expect(await take(body, "csv")).toEqual(items));

  test.each([
    "id,id\n1,2\n",
    "id,ID\n1,2\n",
    "row_id,row_id\n1,2\n",
    "row_id,Row ID,id\n1,2,3\n",
    "other_id,name\n501,x\n",
    "phone\n312\n",
    "e-mail\n7\n",
    "total\n7\n",
    "rowing\n7\n",
    "other_id\n501\n",
    "otherId\n501\n",
    "a,b\n1,2\n",
  ])("is asked for by ?column= in %j", async (body) => {
    expect(await take(body, "csv")).toEqual([expect.stringMatching(/^line 1: .*\?column=/)]);
  });

  test("is the one that the caller names", async () => {
    expect(await take("id,number\n1,2\n", "csv", { column: "Number" })).toEqual([2]);
    expect(await take("Number,number\n1,2\n", "csv", { column: "number" })).toEqual([2]);
    expect(await take("number,number\n1,2\n", "csv", { column: "number" })).toEqual([
      expect.stringContaining("could all hold"),
    ]);
    expect(await take("id,number\n1,2\n", "csv", { column: "x" })).toEqual([expect.stringContaining("no column x")]);
  });
});

describe("lines glued together", () => {
  test.each([
    ["ndjson", "456"],
    ["csv", "456"],
    ["csv", "id456"],
    ["csv", "id,name4,Ann5,Bob"],
    ["ndjson", "\ufeff456 "],
  ] as [Format, string][])("are rejected in %s: %j", async (format, body) => {
    expect(await take(body, format)).toEqual(
      expect.arrayContaining([expect.stringMatching(/^line 1: .*--data-binary/)]),
    );
  });

  test("of objects are rejected, and one object is accepted", async () => {
    const one = '{"channel":"mail","to":"a"}';
    const intake = await readItems(send, parts(one), { format: "ndjson" });
    expect(intake.total).toBe(1);
    intake.close();
    await expect(readItems(send, parts(one + one), { format: "ndjson" })).rejects.toThrow("--data-binary");
  });

  test("are not seen in one line with a line end, or in several", async () => {
    expect(await take("456\n", "ndjson")).toEqual([456]);
    expect(await take("4\n5", "ndjson")).toEqual([4, 5]);
    expect(await take("4\r5\r6", "csv")).toEqual([4, 5, 6]);
    expect(await take(" ", "ndjson")).toEqual(["body: A batch needs at least one item"]);
  });
});

describe("encodings and line ends", () => {
  test.each([1, 2, 3, 65_536])("are recognised in parts of %i bytes", async (size) => {
    const table = 'id;name\r\n4;Ünal\r\n5;"a\r\nb"\r\n';
    for (const body of [table, `\ufeff${table}`, table.replaceAll("\r\n", "\n"), table.replaceAll("\r\n", "\r")]) {
      expect(await take(body, "csv", { size })).toEqual([4, 5]);
    }
    expect(await take(utf16(table), "csv", { size })).toEqual([4, 5]);
    expect(await take(utf16(table, true), "csv", { size })).toEqual([4, 5]);
    expect(await take(utf16("4\n5\n"), "ndjson", { size })).toEqual([4, 5]);
  });

  test("are named with the line that does not fit", async () => {
    const windows1251 = Buffer.concat([Buffer.from("id,name\n4,x\n5,"), Buffer.from([0xc0, 0xed, 0xed, 0xe0, 0x0a])]);
    expect(await take(windows1251, "csv")).toEqual([expect.stringMatching(/^line 3: is not UTF-8; save the file as/)]);
    expect(
      await take(Buffer.concat([utf16("id,name\n4,x\n5,"), Buffer.from([0x00, 0xd8, 0x0a, 0x00])]), "csv"),
    ).toEqual([expect.stringMatching(/^line 3: is not UTF-16/)]);
    expect(await take(Buffer.from("id\n4\n", "utf16le"), "csv")).toEqual([
      expect.stringMatching(/^line 1: holds a NUL/),
    ]);
    expect(await take(Buffer.from([0xff, 0x0a]), "csv")).toEqual([expect.stringMatching(/^line 1: is not UTF-8/)]);
  });
});

const fills: Record<string, string> = {
  "one letter": "a",
  names: "a.",
  digits: "7",
  commas: ",",
  spaces: " ",
  quotes: '"',
  brackets: "[",
  "line feeds": "\n",
  "carriage returns": "\r",
  ids: "7\n",
  "open quotes": '"\n',
  "open quotes far apart": `"x\n${"a\n".repeat(1000)}`,
  "quoted cells": '"a",',
};

const heads: [string, typeof double | typeof send, Format, string][] = [
  ["NDJSON of integers", double, "ndjson", ""],
  ["a list of integers", double, "csv", ""],
  ["a table of integers", double, "csv", "row_id,name\n"],
  ["a table of objects", send, "csv", "channel,to\n"],
];

describe.each(heads)("adversarial input as %s", (_, operation, format, head) => {
  test.each(Object.keys(fills))("takes time that grows with its size: %s", async (name) => {
    const fill = fills[name] as string;
    const measure = async (size: number) => {
      const body = Buffer.from(head + fill.repeat(size / fill.length));
      const before = process.threadCpuUsage();
      const { longestMs } = await measureLongestStretch(async () => {
        const intake = await readItems(operation as never, parts(body), { format }).catch(() => undefined);
        intake?.close();
      });
      const { user, system } = process.threadCpuUsage(before);
      return { longestMs, cpuMs: (user + system) / 1000 };
    };
    // The first run warms the code up. Of a longest stretch the least counts: the rest is other work of the process.
    await measure(65_536);
    const few = [await measure(131_072), await measure(131_072)];
    const many = await measure(1_048_576);
    const least = (times: number[]) => Math.min(...times);
    expect(many.cpuMs).toBeLessThan(16 * Math.max(least(few.map(({ cpuMs }) => cpuMs)), 25));
    expect(least([...few, many].map(({ longestMs }) => longestMs))).toBeLessThan(50);
  });
});
