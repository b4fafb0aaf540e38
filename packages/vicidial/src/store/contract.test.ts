import { AssertionError } from "node:assert";
import { openDatabase } from "@reinstate/batch-core";
import { createTestHost } from "@reinstate/batch-core/testing";
import { ledgerDatabases, mariadbDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { insertRows } from "../fixtures/insert-rows.ts";
import { leadTables } from "../fixtures/vicidial-tables.ts";
import { AllOrNothingRefused } from "../index.ts";
import type { Lead } from "../leads/columns.ts";
import { leadStoreContract, type StoreUnderTest } from "../testing.ts";
import { createDemoStore, demoArchive, demoLive } from "./demo-store.ts";
import type { LeadStore } from "./lead-store.ts";
import { createMariadbStore } from "./mariadb/mariadb-store.ts";

type Opened = StoreUnderTest & AsyncDisposable;

async function openSql(open: (typeof ledgerDatabases)[number]["open"]): Promise<Opened> {
  const file = await open();
  const database = openDatabase(file.url);
  const store = await createDemoStore(database);
  const names = { live: demoLive, archive: demoArchive };
  return {
    store,
    transaction: database.transaction,
    async fill(table, leads) {
      await database.transaction((db) => db.insertInto(names[table]).values(leads).execute());
    },
    async leads(table) {
      const all = sql<Lead>`select * from ${sql.table(names[table])} order by lead_id`;
      return (await all.execute(database.tables())).rows.map((row) => ({ ...row }));
    },
    async [Symbol.asyncDispose]() {
      await database.close();
      await file[Symbol.asyncDispose]();
    },
  };
}

async function openMariadb(engines: { live: string; archive: string }): Promise<Opened> {
  const database = await mariadbDatabase();
  const admin = await mysql.createConnection({ uri: database.url, dateStrings: true });
  await admin.query("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'");
  for (const statement of leadTables(engines)) await admin.query(statement);
  const host = await createTestHost({ role: "web" });
  const store = await createMariadbStore(host, {
    url: database.url,
    leadsPerLock: 2,
    lockWaitSeconds: 1,
    journalDays: 1,
  });
  const names = { live: "vicidial_list", archive: "vicidial_list_archive" };
  return {
    store,
    transaction: (work) => work(host.database.tables()),
    fill: (table, leads) => insertRows(admin, names[table], leads),
    async leads(table) {
      const [rows] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${names[table]} ORDER BY lead_id`);
      return rows.map((row) => ({ ...row }) as Lead);
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await host.close();
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

const adapters = [
  ...ledgerDatabases.map(({ name, open }) => ({ name, open: () => openSql(open) })),
  ...[
    { live: "MyISAM", archive: "MyISAM" },
    { live: "InnoDB", archive: "InnoDB" },
    { live: "Aria", archive: "Aria" },
    { live: "InnoDB", archive: "MyISAM" },
  ].map((engines) => ({
    name: `MariaDB, live ${engines.live}, archive ${engines.archive}`,
    open: () => openMariadb(engines),
  })),
];

describe.each(adapters)("the lead store on $name", ({ open }) => {
  for (const { name, check } of leadStoreContract) {
    test(name, async () => {
      await using under = await open();
      await check(under);
    });
  }
});

test("the contract accepts a store that is built from the public names", async () => {
  const rejections = leadStoreContract.filter(({ name }) => name.includes("rejects an all-or-nothing move"));
  expect(rejections).toHaveLength(2);
  for (const { check } of rejections) {
    await using under = await openSql(ledgerDatabases[0]!.open);
    const move: LeadStore["move"] = async ({ allOrNothing, ...move }, work) => {
      const source = move.verb === "dearchive" ? demoArchive : demoLive;
      const rows = await work.transaction.selectFrom(source).select("lead_id").execute();
      const found = new Set(rows.map((row) => row.lead_id));
      const missing = move.ids.filter((id) => !found.has(id));
      if (allOrNothing && missing.length > 0) throw new AllOrNothingRefused(missing);
      return under.store.move(move, work);
    };
    await check({ ...under, store: { ...under.store, move } });
  }
});

describe("the contract catches a store that", () => {
  const sqlite = ledgerDatabases[0];

  test.each<[string, (store: LeadStore) => Partial<LeadStore>]>([
    [
      "deletes what has no copy",
      (store) => ({
        async move(move, work) {
          const source = move.verb === "dearchive" ? demoArchive : demoLive;
          const moved = await store.move({ ...move, delete: false }, work);
          if (move.delete) await work.transaction.deleteFrom(source).where("lead_id", "in", move.ids).execute();
          return moved;
        },
      }),
    ],
    ["overwrites a duplicate", (store) => ({ move: (move, work) => store.move({ ...move, update: true }, work) })],
    [
      "moves a part of the whole",
      (store) => ({ move: (move, work) => store.move({ ...move, allOrNothing: false }, work) }),
    ],
    ["never updates", (store) => ({ move: (move, work) => store.move({ ...move, update: false }, work) })],
    ["never deletes", (store) => ({ move: (move, work) => store.move({ ...move, delete: false }, work) })],
    ["always inserts", (store) => ({ move: (move, work) => store.move({ ...move, insert: true }, work) })],
    [
      "looks for leads in the target",
      (store) => ({
        findInSource: (verb, ids) => store.findInSource(verb === "archive" ? "dearchive" : "archive", ids),
      }),
    ],
    [
      "names no column",
      (store) => ({
        async move(move, work) {
          const { counts, results } = await store.move(move, work);
          return { counts, results: results.map((result) => ({ ...result, differs: [] })) };
        },
      }),
    ],
    [
      "changes a column on the way",
      (store) => ({
        async move(move, work) {
          const moved = await store.move(move, work);
          for (const table of [demoLive, demoArchive]) {
            await work.transaction.updateTable(table).set({ comments: sql`trim(comments)` }).execute();
          }
          return moved;
        },
      }),
    ],
  ])("%s", async (_name, change) => {
    let caught: unknown;
    for (const { check } of leadStoreContract) {
      await using under = await openSql(sqlite!.open);
      await check({ ...under, store: { ...under.store, ...change(under.store) } }).catch((error: unknown) => {
        caught = error;
      });
      if (caught !== undefined) break;
    }
    expect(caught).toBeInstanceOf(AssertionError);
  });
});
