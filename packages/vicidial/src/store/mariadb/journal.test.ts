import { DatabaseSync } from "node:sqlite";
import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";
import type { Move } from "../../leads/move-types.ts";
import { createMariadbStore } from "./mariadb-store.ts";
import type { Step } from "./slice.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const none = { transaction: undefined as never };

const moves: Move[] = [
  { verb: "dearchive", ids: [1, 2], insert: true, update: false, delete: true },
  { verb: "archive", ids: [3, 4], insert: true, update: true, delete: true },
];

/** Two leads to bring back, two to archive, of which one is stale in the archive; the ledger is a file of its own. */
async function setUp(engines: { live: string; archive: string }) {
  const database = await mariadbDatabase();
  const ledger = sqliteDatabase();
  const admin = await mysql.createConnection({ uri: database.url, dateStrings: true });
  for (const statement of leadTables(engines)) await admin.query(statement);
  await insertRows(admin, archive, [makeLead(1), makeLead(2), makeLead(4, { comments: "stale" })]);
  await insertRows(admin, live, [makeLead(3), makeLead(4)]);
  const host = await createTestHost({ databaseUrl: ledger.url, role: "web" });
  const steps: Step[] = [];
  const store = await createMariadbStore(host, {
    url: database.url,
    leadsPerLock: 50,
    lockWaitSeconds: 5,
    journalDays: 1,
    onStep: async (step) => void steps.push(step),
  });
  return {
    host,
    store,
    steps,
    ledgerFile: new URL(ledger.url).pathname,
    /** Both tables at one moment without a lock. */
    async rows() {
      await admin.query(`LOCK TABLES ${live} READ, ${archive} READ`);
      const both: RowDataPacket[][] = [];
      for (const table of [live, archive]) {
        both.push((await admin.query<RowDataPacket[]>(`SELECT * FROM ${table} ORDER BY lead_id`))[0]);
      }
      await admin.query("UNLOCK TABLES");
      return both.map((rows) => rows.map((row) => ({ ...row })));
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await host.close();
      await admin.end();
      await database[Symbol.asyncDispose]();
      await ledger[Symbol.asyncDispose]();
    },
  };
}

// Guarantee 8: before a foreign database loses a record, the ledger has stored it.
describe.each([
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "InnoDB" },
  { live: "InnoDB", archive: "MyISAM" },
])("the images of the rows come first, live $live, archive $archive", (engines) => {
  test.each(moves)("$verb: writes and locks nothing while the journal cannot be written", async (move) => {
    await using place = await setUp(engines);
    // What a session looks after at its beginning is not what is asked here.
    await place.store.move({ ...move, ids: [99] }, none);
    place.steps.length = 0;
    const before = await place.rows();
    const busy = new DatabaseSync(place.ledgerFile);
    busy.exec("BEGIN IMMEDIATE");
    const moved = place.store.move(move, none);
    expect([await place.rows(), place.steps]).toEqual([before, []]);
    busy.exec("COMMIT");
    busy.close();
    expect((await moved).counts.delete_count).toBe(2);
    expect(place.steps).toEqual(["journaled", "locked", "released", "finished"]);
  });

  test.each(moves)("$verb: fails and writes nothing if the journal is unavailable", async (move) => {
    await using place = await setUp(engines);
    const before = await place.rows();
    const refuse = sql`create trigger full before insert on vicidial_journal
      begin select raise(abort, 'the disk is full'); end`;
    await refuse.execute(place.host.database.tables());
    for (const throttled of [false, true]) {
      await expect(place.store.move(move, { ...none, throttled })).rejects.toThrow("the disk is full");
    }
    expect(await place.rows()).toEqual(before);
    expect(place.steps).toEqual([]);
  });
});
