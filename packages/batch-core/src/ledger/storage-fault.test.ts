import { postgresDatabase, sqliteDatabase, type TestDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import type { EngineFactory } from "../engine/engine.ts";
import { createPgBossEngine } from "../engine/pg-boss.ts";
import { type Database, defineOperation, type Host, isFinished, isStorageFault, toMessage } from "../index.ts";
import { createTestHost, until } from "../testing/index.ts";

const fill = defineOperation({
  name: "test.rows.fill",
  label: "row/fill",
  item: z.int(),
  params: z.strictObject({}),
  key: (id) => id,
  chunkSize: 20,
  inlineLimit: 0,
  async apply({ items, transaction }) {
    const filler = Buffer.alloc(20_000);
    for (const id of items) await sql`insert into filled (id, filler) values (${id}, ${filler})`.execute(transaction);
    return items.map((key) => ({ key, outcome: "done" }));
  },
});

interface Fault {
  name: string;
  open(): Promise<TestDatabase>;
  engine?: EngineFactory;
  /** Makes the storage unwritable, as a full disk would; `end` reverses it. */
  begin(database: Database): Promise<unknown>;
  end(database: Database): Promise<unknown>;
}

const pragma = (text: string) => (database: Database) => sql.raw(`pragma ${text}`).execute(database.tables());

const pages = async (database: Database) =>
  (await sql<{ page_count: number }>`pragma page_count`.execute(database.tables())).rows[0]?.page_count ?? 0;

/** Makes new sessions of the database read-only, and ends all existing sessions. */
const readOnly = (value: "on" | "off") => async (database: Database) => {
  const db = database.tables();
  await sql`do $$ begin execute format('alter database %I set default_transaction_read_only = ${sql.raw(value)}', current_database()); end $$`
    .execute(db)
    .catch(() => {});
  await sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`.execute(db);
};

const faults: Fault[] = [
  {
    name: "a full SQLite file",
    open: async () => sqliteDatabase(),
    begin: async (database) => pragma(`max_page_count = ${(await pages(database)) + 40}`)(database),
    end: pragma("max_page_count = 1000000"),
  },
  {
    name: "a read-only SQLite file",
    open: async () => sqliteDatabase(),
    begin: pragma("query_only = on"),
    end: pragma("query_only = off"),
  },
];

/** Accepts a batch that waits for another host to work on it. */
async function submit(host: Host, count: number) {
  host.register(fill);
  const items = Array.from({ length: count }, (_, index) => index + 1);
  return (await host.batches.submit({ operation: fill.name, items })).id;
}

describe.each(faults)("$name", ({ open, begin, end }) => {
  test("delays a batch without counting an attempt, then resumes it", async () => {
    await using opened = await open();
    await using web = await createTestHost({ databaseUrl: opened.url, role: "web" });
    await sql`create table filled (id bigint not null, filler blob not null)`.execute(web.database.tables());
    const id = await submit(web, 100);
    await using host = await createTestHost({ databaseUrl: opened.url });
    await begin(host.database);
    host.register(fill);
    const waiting = await until(async () => {
      const batch = await host.batches.get(id);
      return batch.waitingFor === "storage" && batch;
    });
    expect(isFinished(waiting.status)).toBe(false);
    expect(waiting).toMatchObject({ nextAllowedAt: expect.any(Number), counts: { failed: 0, unknown: 0 } });
    await expect(host.database.storage.check()).rejects.toSatisfy(isStorageFault);
    await end(host.database);
    const batch = await host.batches.wait(id);
    expect(batch).toMatchObject({ status: "completed", waitingFor: null, counts: { done: 100 } });
    const { rows } = await sql<{ most: number }>`select max(attempts) as most from reinstate_chunks`.execute(
      host.database.tables(),
    );
    expect(rows[0]?.most).toBe(0);
    const { rows: filled } = await sql<{ id: number }>`select id from filled`.execute(host.database.tables());
    expect(filled).toHaveLength(100);
  });

  test("reports the error of the transaction, not of its rollback", async () => {
    await using opened = await open();
    await using host = await createTestHost({ databaseUrl: opened.url });
    const { database } = host;
    await sql`create table filled (id bigint not null, filler blob not null)`.execute(database.tables());
    await begin(database);
    const failed = database.transaction((on) => sql`insert into filled values (1, zeroblob(1000000))`.execute(on));
    const error = await failed.catch((error: unknown) => error);
    expect([isStorageFault(error), toMessage(error)]).toEqual([true, expect.not.stringContaining("rollback")]);
    await end(database);
    await database.transaction((on) => sql`insert into filled values (1, zeroblob(1000000))`.execute(on));
  });
});

describe.each([
  ["in-process", undefined],
  ["pg-boss", createPgBossEngine],
])("a read-only PostgreSQL, engine %s", (_, engine) => {
  test("delays a batch without counting an attempt, then resumes it", async () => {
    await using opened = await postgresDatabase();
    await using web = await createTestHost({ databaseUrl: opened.url, role: "web" });
    await using host = await createTestHost({ databaseUrl: opened.url, ...(engine && { engine }) });
    await sql`create table filled (id bigint not null, filler bytea not null)`.execute(web.database.tables());
    const id = await submit(web, 400);
    await readOnly("on")(web.database);
    host.register(fill);
    const get = () => host.batches.get(id).catch(() => undefined);
    const waiting = await until(async () => {
      const batch = await get();
      return batch?.waitingFor === "storage" && batch;
    });
    expect(isFinished(waiting.status)).toBe(false);
    await until(async () => {
      const error = await host.database.storage.check().catch((error: unknown) => error);
      return isStorageFault(error);
    });
    await readOnly("off")(web.database);
    const batch = await until(
      async () => {
        const batch = await get();
        return batch?.status === "completed" && batch;
      },
      { timeoutMs: 60_000 },
    );
    expect(batch).toMatchObject({ waitingFor: null, counts: { done: 400, failed: 0, unknown: 0 } });
    const { rows } = await sql<{ ids: number }>`select count(distinct id) as ids from filled`.execute(
      web.database.tables(),
    );
    expect(rows[0]?.ids).toBe(400);
  }, 90_000);
});

test("storage check succeeds while another transaction locks the SQLite file", async () => {
  await using opened = sqliteDatabase();
  await using host = await createTestHost({ databaseUrl: opened.url });
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const holding = host.database.transaction(async () => {
    held.resolve();
    await release.promise;
  });
  await held.promise;
  await host.database.storage.check();
  release.resolve();
  await holding;
});
