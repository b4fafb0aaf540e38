import { DatabaseSync } from "node:sqlite";
import { defineOperation, defineVendor } from "@reinstate/batch-core";
import { ledgerDatabases, sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { signIn } from "../testing/dashboard-client.ts";
import { openDemoGateway } from "../testing/demo-gateway.ts";

/** With LARGE=1: 10,000 batches, and one of a million failures. */
const isLarge = process.env.LARGE === "1";
const batchCount = isLarge ? 10_000 : 1500;
const failureCount = isLarge ? 1_000_000 : 60_000;
const codeCount = 40;

/** Every item fails, in one of 40 codes. */
const fail = defineOperation<number, unknown>({
  name: "sink.rows.restore",
  label: "row/restore",
  item: z.int().min(1),
  params: z.strictObject({}),
  key: (id) => id,
  chunkSize: 500,
  apply: async ({ items }) =>
    items.map((key) => ({ key, outcome: "failed", code: `code_${key % codeCount}`, message: `Row ${key} is gone` })),
});

const sink = defineVendor({
  name: "sink",
  label: "Sink",
  paths: ["/sink"],
  settings: z.strictObject({}),
  async create(host) {
    host.register(fail);
    return { operations: [fail], routes: { fetch: () => new Response(null, { status: 404 }) } };
  },
  demo: { keys: [], load: async () => {}, curl: () => "" },
});

async function open(url: string) {
  const gateway = await openDemoGateway(url, {}, [sink]);
  const { batches } = gateway.host;
  await batches.submit({ operation: fail.name, items: Array.from({ length: failureCount }, (_, index) => index + 1) });
  await batches.wait(1);
  const small = { operation: "firstpromoter.promoters.restore", account: "acc_demo" };
  for (let first = 1; first <= batchCount; first += 100) {
    const submits = Array.from({ length: 100 }, (_, index) => batches.submit({ ...small, items: [first + index] }));
    await Promise.all(submits);
  }
  return Object.assign(gateway, { client: await signIn(gateway) });
}

/** Every page, at the places where it could be slow. */
const pages = [
  "/batches",
  "/batches?operation=sink.rows.restore",
  "/batches?status=failed",
  "/batches?account=nowhere",
  "/batches?before=700",
  "/batches/1",
  "/batches/2",
  "/batches/1/items",
  "/batches/1/items?outcome=failed&code=code_7",
  "/batches/1/items?outcome=done",
  `/batches/1/items?outcome=failed&cursor=0.${Math.floor((failureCount * 0.9) / 500)}.0`,
  "/batches/new",
  "/batches/new?operation=sink.rows.restore%40local",
  "/find?operation=sink.rows.restore%40local&item=777",
  "/find?operation=firstpromoter.promoters.restore%40local&item=5",
  "/systems",
  "/keys",
];

/** Items of one code are spread over the chunks, which are read one by one. */
const countAllowed = (path: string) => (path.includes("code=") ? 25 : 8);

interface Ran {
  sql: string;
  args: unknown[];
  rows: number;
}

/** Records the statements of SQLite while `work` runs. */
async function record(work: () => Promise<void>): Promise<Ran[]> {
  const ran: Ran[] = [];
  const probe = new DatabaseSync(":memory:");
  const prototype = Object.getPrototypeOf(probe.prepare("select 1")) as Record<string, (...args: unknown[]) => unknown>;
  const originals = ["all", "get", "run", "iterate"].map((name) => [name, prototype[name]] as const);
  for (const [name, original] of originals) {
    prototype[name] = function (this: { sourceSQL: string }, ...args: unknown[]) {
      const result = original?.apply(this, args);
      ran.push({ sql: this.sourceSQL, args, rows: Array.isArray(result) ? result.length : 1 });
      return result;
    };
  }
  try {
    await work();
  } finally {
    for (const [name, original] of originals) if (original) prototype[name] = original;
    probe.close();
  }
  return ran;
}

describe("pages of a large ledger", () => {
  test("run few statements, each by an index", async () => {
    await using database = sqliteDatabase();
    await using gateway = await open(database.url);
    const { client } = gateway;
    // The first views of the systems ask the vendors.
    for (const path of pages) await client.get(path);
    const faults: unknown[] = [];
    const reader = new DatabaseSync(database.url.slice("sqlite:".length), { readOnly: true });
    // The search for an item reads the range of every batch of the operation, so that accepting a batch needs no further index.
    for (const path of pages.filter((path) => !path.startsWith("/find"))) {
      let status = 0;
      const ran = await record(async () => {
        const answer = await client.get(path);
        status = answer.status;
        await answer.arrayBuffer();
      });
      if (status !== 200 || ran.length > countAllowed(path) || ran.length === 0)
        faults.push({ path, status, statements: ran.map(({ sql }) => sql) });
      for (const { sql, rows } of ran) {
        // The engine looks for open batches at the same time.
        if (sql.includes('where "status" in')) continue;
        const plan = reader.prepare(`explain query plan ${sql}`).all() as { detail: string }[];
        // Without a condition, the limit ends the scan; `c` is a page of chunks that was read before.
        const isShort = /limit 1$|^(?!.* and ).*order by .* desc limit/is.test(sql);
        const scans = plan.filter(({ detail }) => /^SCAN (?!CONSTANT|c$)/.test(detail));
        // Keys are few, and pruned by no age.
        if (rows > 1000 || (scans.length > 0 && !isShort && !sql.includes("reinstate_keys"))) {
          faults.push({ path, sql, rows, scans });
        }
      }
    }
    reader.close();
    expect(faults).toEqual([]);
  });

  test("are small", async () => {
    await using database = sqliteDatabase();
    await using gateway = await open(database.url);
    for (const path of pages) {
      const plain = (await (await gateway.client.get(path)).arrayBuffer()).byteLength;
      const packed = await gateway.client.get(path, { "accept-encoding": "gzip" });
      const bytes = (await packed.arrayBuffer()).byteLength;
      expect([path, packed.headers.get("content-encoding"), plain <= 60_000, bytes <= 16_000]).toEqual([
        path,
        "gzip",
        true,
        true,
      ]);
    }
    const page = await (await gateway.client.get("/batches")).text();
    for (const [name, most] of [
      ["css", 8192],
      ["js", 3072],
      ["svg", 1024],
    ] as const) {
      const [, path = ""] = new RegExp(`"(/assets/[^"]*\\.${name}\\?[^"]*)"`).exec(page) ?? [];
      const answer = await gateway.client.get(path);
      expect(answer.headers.get("cache-control")).toContain("immutable");
      expect((await answer.arrayBuffer()).byteLength).toBeLessThanOrEqual(most);
    }
    expect(page).not.toMatch(/ style=|<style|<script(?! src)| on\w+="/);
  });
});

// Times are meaningful only on a quiet machine, so only the long form measures them.
const timed = isLarge ? ledgerDatabases : [];
for (const { name, open: openDatabase } of timed) {
  describe(`times on ${name}`, () => {
    test("of every page", async () => {
      await using database = await openDatabase();
      await using gateway = await open(database.url);
      const rows: object[] = [];
      for (const path of pages) {
        const times: number[] = [];
        for (let view = 0; view < 40; view++) {
          const started = performance.now();
          await (await gateway.client.get(path)).arrayBuffer();
          times.push(performance.now() - started);
        }
        times.sort((a, b) => a - b);
        rows.push({ path, median: times[20]?.toFixed(1), p95: times[38]?.toFixed(1) });
      }
      process.stdout.write(`${rows.map((row) => JSON.stringify(row)).join("\n")}\n`);
    });
  });
}
