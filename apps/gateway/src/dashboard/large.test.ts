import { DatabaseSync } from "node:sqlite";
import { defineOperation, defineVendor } from "@reinstate/batch-core";
import { ledgerDatabases, sqliteDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import pg from "pg";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import type { Gateway } from "../gateway.ts";
import { signIn } from "../testing/dashboard-client.ts";
import { openDemoGateway } from "../testing/demo-gateway.ts";

/** With LARGE=1: 10,000 batches, and one of a million failures. */
const isLarge = process.env.LARGE === "1";
const batchCount = isLarge ? 10_000 : 5000;
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
  const gateway = await openDemoGateway(url, { REINSTATE_ENGINE: "in-process" }, [sink]);
  const { batches, database } = gateway.host;
  await batches.submit({ operation: fail.name, items: Array.from({ length: failureCount }, (_, index) => index + 1) });
  await batches.wait(1);
  await batches.submit({ operation: "firstpromoter.promoters.restore", account: "acc_demo", items: [1] });
  await batches.wait(2);
  await copyBatch(database);
  return Object.assign(gateway, { client: await signIn(gateway) });
}

/** Copies the row of batch 2, because many small batches take long. Each copy has another item. */
async function copyBatch(database: Gateway["host"]["database"]): Promise<void> {
  const db = database.tables<Record<string, Record<string, unknown>>>();
  const { rows } = await sql<Record<string, unknown>>`select * from reinstate_batches where id = 2`.execute(db);
  const own = ["id", "first_item", "last_item"];
  const others = sql.join(
    Object.keys(rows[0] ?? {}).flatMap((column) => (own.includes(column) ? [] : [sql.ref(column)])),
  );
  await sql`insert into reinstate_batches (${sql.join(own.map((column) => sql.ref(column)))}, ${others})
    with recursive numbers(n) as (select 1 union all select n + 1 from numbers where n < ${sql.lit(batchCount)})
    select 2 + n, 1 + n, 1 + n, ${others} from numbers, reinstate_batches where id = 2`.execute(db);
  await sql`analyze`.execute(db);
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
  "/find?operation=firstpromoter.promoters.restore%40local&item=1",
  "/systems",
  "/keys",
];

/**
 * Statements that a page may run. Items of one code are spread over the chunks, which are read one by one. The search for an item reads all
 * batches, a thousand with each statement.
 */
const countAllowed = (path: string) =>
  path.includes("code=") ? 25 : path.startsWith("/find") ? 9 + Math.ceil(batchCount / 1000) : 8;

/** Rows that a statement may read. */
const rowsAllowed = 1000;

interface Ran {
  sql: string;
  args: unknown[];
}

/** Records the calls of methods of a prototype while `work` runs. */
async function record(
  prototype: object,
  methods: string[],
  read: (self: unknown, args: unknown[]) => Ran | undefined,
  work: () => Promise<void>,
): Promise<Ran[]> {
  const ran: Ran[] = [];
  const target = prototype as Record<string, (...args: unknown[]) => unknown>;
  const originals = methods.map((name) => [name, target[name]] as const);
  for (const [name, original] of originals) {
    target[name] = function (this: unknown, ...args: unknown[]) {
      const call = read(this, args);
      if (call) ran.push(call);
      return original?.apply(this, args);
    };
  }
  try {
    await work();
  } finally {
    for (const [name, original] of originals) if (original) target[name] = original;
  }
  return ran;
}

/** Records the statements of a database, and examines what they read. */
interface Recorder {
  record(work: () => Promise<void>): Promise<Ran[]>;
  /** Returns what is wrong with the plan of a statement. */
  explain(ran: Ran): Promise<unknown>;
  close(): Promise<void>;
}

function recordSqlite(url: string): Recorder {
  const reader = new DatabaseSync(url.slice("sqlite:".length), { readOnly: true });
  const prototype = Object.getPrototypeOf(reader.prepare("select 1"));
  return {
    record: (work) =>
      record(
        prototype,
        ["all", "get", "run", "iterate"],
        (self, args) => ({ sql: (self as { sourceSQL: string }).sourceSQL, args }),
        work,
      ),
    async explain({ sql }) {
      const plan = reader.prepare(`explain query plan ${sql}`).all() as { detail: string }[];
      // Without a condition, the limit ends the scan. `c`, `w` and `l` are windows of rows that were read before. Few batches and chunks are
      // open. There are few keys, and one row of `reinstate_pace` for each operation and account.
      const isShort = /limit 1$|^(?!.* and ).*order by .* desc limit|reinstate_(keys|pace)/is.test(sql);
      const scans = plan.filter(({ detail }) => /^SCAN (?!CONSTANT|[cwl]$|.*_open$|\(?subquery)/i.test(detail));
      return isShort || scans.length === 0 ? undefined : scans;
    },
    close: async () => reader.close(),
  };
}

interface Plan {
  "Node Type": string;
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  Plans?: Plan[];
}

/** The rows that the scans of a plan read from tables and indexes. */
function countRead(plan: Plan): number {
  const isScan = /^(Seq|Index|Index Only|Bitmap Heap) Scan$/.test(plan["Node Type"]);
  const own = isScan ? (plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0)) * plan["Actual Loops"] : 0;
  return (plan.Plans ?? []).reduce((sum, child) => sum + countRead(child), own);
}

async function recordPostgres(url: string): Promise<Recorder> {
  const reader = new pg.Client({ connectionString: url });
  await reader.connect();
  return {
    record: (work) =>
      record(
        pg.Client.prototype,
        ["query"],
        (_self, [query, values]) => {
          const { text = String(query), values: given = values } = query as { text?: string; values?: unknown };
          return { sql: text, args: (given as unknown[]) ?? [] };
        },
        work,
      ),
    async explain({ sql, args }) {
      if (!/^\s*(select|with)/i.test(sql)) return undefined;
      const { rows } = await reader.query(`explain (analyze, format json) ${sql}`, args);
      const read = countRead(rows[0]["QUERY PLAN"][0].Plan);
      return read > rowsAllowed ? { read } : undefined;
    },
    close: () => reader.end(),
  };
}

describe.each(ledgerDatabases)("pages of a large ledger on $name", ({ open: openDatabase }) => {
  test("run few statements, each of which reads few rows", async () => {
    await using database = await openDatabase();
    await using gateway = await open(database.url);
    const { client } = gateway;
    // The first views of the systems ask the vendors.
    for (const path of pages) await client.get(path);
    const faults: unknown[] = [];
    const recorder = database.url.startsWith("sqlite:")
      ? recordSqlite(database.url)
      : await recordPostgres(database.url);
    try {
      for (const path of pages) {
        let status = 0;
        const all = await recorder.record(async () => {
          const answer = await client.get(path);
          status = answer.status;
          await answer.arrayBuffer();
        });
        const ran = all.filter(({ sql }) => !isOfEngine(sql));
        if (status !== 200 || ran.length > countAllowed(path) || ran.length === 0)
          faults.push({ path, status, statements: ran.map(({ sql }) => sql) });
        for (const each of ran) {
          const fault = await recorder.explain(each);
          if (fault !== undefined) faults.push({ path, sql: each.sql, fault });
        }
      }
    } finally {
      await recorder.close();
    }
    expect(faults).toEqual([]);
  });
});

/** The engine looks for open batches at the same time. */
const isOfEngine = (sql: string) => /"status" in \('pending'|'claimed'/.test(sql);

describe("pages of a large ledger", () => {
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
