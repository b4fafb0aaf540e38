import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { unpack } from "../batch/chunk-codec.ts";
import { ReinstateError } from "../errors/errors.ts";
import type { AnyOperation } from "../operation/operation.ts";
import { heldMemory } from "../testing/held-memory.ts";
import { double, send } from "../testing/test-api.ts";
import { createIntegerSink } from "./integer-sink.ts";
import { type ReadItemsOptions, readItems } from "./read-items.ts";
import { longestLine } from "./split-lines.ts";
import type { Intake } from "./validate-items.ts";

async function* parts(body: string | Uint8Array, sizes: readonly number[] = []): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(body);
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

async function readAllItems(intake: Pick<Intake, "chunks">, chunkSize = 100): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const { packed } of intake.chunks(chunkSize)) items.push(...unpack(packed.codec, packed.bytes));
  return items;
}

async function take(operation: AnyOperation, body: string | Uint8Array, options: ReadItemsOptions, sizes?: number[]) {
  const intake = await readItems(operation, parts(body, sizes), options);
  const { total, duplicates } = intake;
  const items = await readAllItems(intake);
  intake.close();
  return { items, total, duplicates };
}

async function refusal(operation: AnyOperation, body: string | Uint8Array, options: ReadItemsOptions) {
  const error = await take(operation, body, options).catch((error: unknown) => error);
  if (!ReinstateError.is(error, "invalid_request")) throw new Error(`It was taken: ${JSON.stringify(error)}`);
  return error.issues.map(({ path, message }) => `${path}: ${message}`);
}

const ndjson = { format: "ndjson" } as const;
const csv = { format: "csv" } as const;

describe("NDJSON", () => {
  test("returns distinct integers sorted and counts duplicates", async () => {
    expect(await take(double, "5\n3\r\n\n 4 \n3\n5", ndjson)).toEqual({ items: [3, 4, 5], total: 3, duplicates: 2 });
    expect(await take(double, "\ufeff9007199254740991\n", ndjson)).toMatchObject({ items: [9007199254740991] });
  });

  test("reports every invalid line by its number", async () => {
    const lines = ["1", "x", '"2"', "0", "[1]", "007", "1.5", "", "9007199254740992", "1e2"];
    const found = await refusal(double, lines.join("\n"), ndjson);
    expect(found.map((line) => line.split(":")[0])).toEqual(
      [2, 3, 4, 5, 6, 7, 9, 10].map((number) => `line ${number}`),
    );
    expect(found.slice(0, 2)).toEqual([
      "line 2: is not JSON: Unexpected token 'x'; it is \"x\"",
      expect.stringMatching(/^line 3: .*expected number.*; it is "2"$/),
    ]);
    expect(await refusal(double, Buffer.from([0x31, 0x0a, 0xff]), ndjson)).toEqual([
      expect.stringMatching(/^line 2: is not UTF-8/),
    ]);
    expect(await refusal(send, '{"channel":"mail","to":1}\n', ndjson)).toEqual([
      'line 1: Invalid input; it is {"channel":"mail","to":1}',
    ]);
  });

  test("reports at most one hundred lines", async () => {
    const found = await refusal(double, `1\n${"bad\n".repeat(1000)}`, ndjson);
    expect(found).toHaveLength(100);
    expect(found.at(-1)).toMatch(/^line 101: is not JSON: /);
  });

  test("counts the bad rows of an upload", async () => {
    const reject = (body: string) => take(double, body, ndjson).catch((error: unknown) => error);
    expect(await reject(`1\n${"bad\n".repeat(1000)}`)).toMatchObject({ badRows: 1000 });
    expect(await reject("bad\n2\n0\n")).toMatchObject({ badRows: 2 });
    expect(await reject("\n")).toMatchObject({ badRows: undefined });
  });

  test.each([
    ["a schema", send.item],
    ["a schema that cannot be compiled", z.union([send.item, z.object({ channel: z.literal("data"), to: z.json() })])],
  ])("counts bad rows among good ones by %s", async (_name, item) => {
    const bad = '{"channel":"mail","to":1}\n';
    const good = '{"channel":"mail","to":"a"}\n{"channel":"app","chat":{"id":"b"}}\n';
    const flag = '{"channel":"mail","to":"a","dryrun":true}\n';
    const body = bad.repeat(100) + [good, bad, flag, "x\n"].join("").repeat(20);
    const operation = { ...send, item } as AnyOperation;
    await expect(take(operation, body, ndjson)).rejects.toMatchObject({ badRows: 160 });
  });

  test("drops a line that is too long and continues", async () => {
    const long = `"${"x".repeat(3 * longestLine)}"`;
    const sizes = Array.from({ length: 60 }, () => 50_000);
    await expect(take(double, `1\n${long}\n2\nbad`, ndjson, sizes)).rejects.toMatchObject({
      issues: [{ path: "line 2", message: `is longer than ${longestLine} bytes` }, { path: "line 4" }],
    });
  });

  test("rejects an empty upload", async () => {
    expect(await refusal(double, "\n \n", ndjson)).toEqual(["body: A batch needs at least one item"]);
    expect(await refusal(send, "", csv)).toEqual(["body: A batch needs at least one item"]);
  });

  test("reads parts that are split anywhere", async () => {
    const item = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
    const cuts = fc.array(fc.nat(12), { maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 100 }), cuts, async (items, sizes) => {
        const expected = [...new Set(items)].sort((a, b) => a - b);
        const taken = await take(double, `${items.join("\r\n")}\r\n`, ndjson, sizes);
        expect(taken).toEqual({ items: expected, total: expected.length, duplicates: items.length - expected.length });
      }),
    );
  });

  test("returns objects in order, one for each key", async () => {
    const a = { channel: "mail", to: "ä@x" };
    const b = { channel: "bot", chat: { id: 1 } };
    const c = { channel: "app", chat: { id: "1" } };
    const lines = [a, b, { ...a, urgent: true }, c].map((item) => JSON.stringify(item)).join("\n");
    expect(await take(send, lines, ndjson, [30, 1, 1])).toEqual({ items: [a, b, c], total: 3, duplicates: 1 });
  });
});

describe("CSV", () => {
  test("takes ids from the named column, its own, or id", async () => {
    const taken = { items: [1, 2], total: 2, duplicates: 0 };
    expect(await take(double, "2\n1\n", csv)).toEqual(taken);
    expect(await take(double, '\ufeffrow\r\n"2"\r\n001\r\n', csv)).toEqual(taken);
    expect(await take(double, "name,Row ID\nAda,2\nGrace,1", csv)).toEqual(taken);
    expect(await take(double, 'name;ID\n"A;\nda";2\n;1\n;\n', csv)).toEqual(taken);
    expect(await take(double, "id,number\n7,2\n8,1", { ...csv, column: "number" })).toEqual(taken);
    expect(await take(double, "number\n1\n2", { ...csv, column: "number" })).toEqual(taken);
  });

  test("rejects a missing column before reading the rows", async () => {
    expect(await refusal(double, "a,b\n1,2", csv)).toEqual([
      "line 1: there is no column row_id or id (there are: a, b); ?column= names another",
    ]);
    expect(await refusal(double, "1\n2", { ...csv, column: "id" })).toHaveLength(1);
    expect(await refusal(send, "a,b\n1,2", { ...csv, column: "a" })).toHaveLength(1);
  });

  test("reports invalid lines after cells with line ends", async () => {
    expect(await refusal(double, "12a\n1\n-\n0", csv)).toEqual([
      'line 1: "12a" is not an integer; write it with the digits 0 to 9 alone',
      expect.stringMatching(/^line 3: /),
      expect.stringMatching(/^line 4: /),
    ]);
    expect(await refusal(double, 'id,n\n1,"a\nb"\nx,c\n2\n', csv)).toEqual([
      expect.stringMatching(/^line 4: "x" is not an integer/),
      'line 5: has 1 cells, and the header has 2; it is "2"',
    ]);
    expect(await refusal(double, 'id,n\n1,"a\n2,b', csv)).toEqual([
      'line 2: a quote stands where none can, or is never closed; the line is "1,\\"a"',
    ]);
    expect(await refusal(double, Buffer.from("id,n\n1,M\xfcller", "latin1"), csv)).toEqual([
      expect.stringMatching(/^line 2: is not UTF-8/),
    ]);
  });

  test("reads columns as fields with the types of the schema", async () => {
    const table = [
      "channel,to,urgent,chat.id,tags",
      "mail,a@x,TRUE,,",
      "mail,17,,,",
      "bot,,,17,",
      'bot,,,18,"[""x""]"',
      "app,,,17,",
    ].join("\n");
    expect(await take(send, table, csv)).toMatchObject({
      items: [
        { channel: "mail", to: "a@x", urgent: true },
        { channel: "mail", to: "17" },
        { channel: "bot", chat: { id: 17 } },
        { channel: "bot", chat: { id: 18 }, tags: ["x"] },
        { channel: "app", chat: { id: "17" } },
      ],
    });
    expect(await refusal(send, "channel,chat.id\nbot,x", csv)).toHaveLength(1);
  });

  test("rejects columns that are no fields", async () => {
    for (const header of [
      "__proto__.x,channel",
      "a.__proto__,channel",
      ",channel",
      "channel,channel",
      "chat,chat.id",
    ]) {
      expect(await refusal(send, `${header}\n1,mail`, csv)).toHaveLength(1);
    }
    await refusal(send, "constructor.prototype.x,channel\n1,mail", csv);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });
});

test("sorts integers across segments", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 120 }),
      fc.integer({ min: 1, max: 9 }),
      async (items, size) => {
        const sink = createIntegerSink(size);
        for (const item of items) sink.add(item);
        const sealed = await sink.finish();
        const expected = [...new Set(items)].sort((a, b) => a - b);
        expect([sealed.total, sealed.duplicates]).toEqual([expected.length, items.length - expected.length]);
        expect(await readAllItems(sealed, 7)).toEqual(expected);
        expect(await readAllItems(sealed, 7)).toEqual(expected);
      },
    ),
  );
});

test("reads two hundred thousand objects in constant memory", async () => {
  const before = heldMemory();
  let most = 0;
  async function* lines() {
    for (let n = 0; n < 200_000; n += 1000) {
      const line = (_: unknown, at: number) => `{"channel":"mail","to":"person.${n + at}@example.com"}\n`;
      yield Buffer.from(Array.from({ length: 1000 }, line).join(""));
      if (n % 20_000 === 0) most = Math.max(most, heldMemory());
    }
  }
  const intake = await readItems(send, lines(), ndjson);
  expect(intake.total).toBe(200_000);
  let count = 0;
  for await (const { packed } of intake.chunks(500)) {
    count += packed.count;
    if (count % 20_000 === 0) most = Math.max(most, heldMemory());
  }
  intake.close();
  expect(count).toBe(200_000);
  expect(most - before).toBeLessThan(15 * 1024 * 1024);
});

test("deletes the spool file when it is closed", async () => {
  const folder = mkdtempSync(join(tmpdir(), "reinstate-test-"));
  const before = process.env.SQLITE_TMPDIR;
  process.env.SQLITE_TMPDIR = folder;
  try {
    // More than SQLite keeps in memory.
    const lines = Array.from({ length: 30_000 }, (_, n) => `{"channel":"mail","to":"${"x".repeat(500)}${n}"}\n`);
    const intake = await readItems(send, parts(lines.join("")), ndjson);
    expect(intake.total).toBe(30_000);
    expect(readdirSync(folder)).toEqual([]);
    intake.close();
    await expect(readAllItems(intake)).rejects.toThrow();
    async function* broken(body: string) {
      yield Buffer.from(body);
      throw new Error("gone");
    }
    await expect(readItems(send, broken(lines.join("")), ndjson)).rejects.toThrow("gone");
    await expect(readItems(send, broken("channel,to\nmail,a@x\nmail,b@x"), csv)).rejects.toThrow("gone");
    await expect(readItems(double, broken("1\n2\n"), csv)).rejects.toThrow("gone");
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    if (before === undefined) delete process.env.SQLITE_TMPDIR;
    else process.env.SQLITE_TMPDIR = before;
    rmSync(folder, { recursive: true });
  }
});
