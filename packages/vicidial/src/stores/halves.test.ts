import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { expect, test } from "vitest";
import type { Lead } from "../columns.ts";
import { insertRows } from "../fixtures/insert-rows.ts";
import { leadTables } from "../fixtures/vicidial-tables.ts";
import { makeLead } from "../lead.ts";
import type { Move } from "../store.ts";
import { createMariadbStore } from "./mariadb.ts";
import { underLocks } from "./mariadb-lock.ts";
import type { Step } from "./mariadb-slice.ts";
import { preflight } from "./mariadb-tables.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const ids = Array.from({ length: 40 }, (_, index) => index + 1);
const leads = ids.map((id) => makeLead(id));
const none = { transaction: undefined as never };
const dearchive: Move = { verb: "dearchive", ids, insert: true, update: false, delete: true };

/** Tables that lock rows, with all the leads in the archive; sets of 20 and more go by halves. */
async function site() {
  const database = await mariadbDatabase();
  const admin = await mysql.createConnection({ uri: database.url, dateStrings: true });
  for (const statement of leadTables({ live: "InnoDB", archive: "InnoDB" })) await admin.query(statement);
  await insertRows(admin, archive, leads);
  const host = await createTestHost({ role: "web" });
  const steps: Step[] = [];
  const open = (onStep = async (_step: Step) => {}, url = database.url) =>
    createMariadbStore(host, {
      ...{ url, lockMs: 10_000, leadsPerLock: 50, lockWaitSeconds: 2, journalDays: 1, leadsPerSession: 10 },
      async onStep(step) {
        steps.push(step);
        await onStep(step);
      },
    });
  return {
    database,
    admin,
    open,
    host,
    steps,
    took: (step: Step) => steps.filter((one) => one === step).length,
    async rows(table: string) {
      const [rows] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${table} ORDER BY lead_id`);
      return rows.map((row) => ({ ...row }) as Lead);
    },
    async unfinished() {
      const { rows } = await sql`select id from vicidial_journal where state = 'open'`.execute(host.database.tables());
      return rows.length;
    },
    /** Somebody else is at work on a lead of the archive; answers what ends that. */
    async lock(id: number) {
      const other = await mysql.createConnection({ uri: database.url });
      await other.query("START TRANSACTION");
      await other.query(`UPDATE ${archive} SET comments = 'at work' WHERE lead_id = ?`, [id]);
      return async () => {
        await other.query("ROLLBACK");
        await other.end();
      };
    },
    /** The connections of the movers, in the order in which they were opened. */
    async sessions() {
      const [rows] = await admin.query<RowDataPacket[]>(
        `SELECT ID AS id FROM information_schema.PROCESSLIST
          WHERE DB = DATABASE() AND ID <> CONNECTION_ID() ORDER BY ID`,
      );
      return rows.map((row) => Number(row.id));
    },
    async [Symbol.asyncDispose]() {
      await host.close();
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

test("a set that two sessions move comes out as if one had moved it", async () => {
  await using place = await site();
  const { admin } = place;
  await insertRows(admin, live, [makeLead(3), makeLead(35, { status: "SALE" })]);
  await admin.query(`DELETE FROM ${archive} WHERE lead_id IN (8, 30)`);
  await insertRows(admin, live, [makeLead(30)]);
  const store = await place.open();
  const { counts, fates } = await store.move(dearchive, none);
  expect([place.took("locked"), place.took("journaled"), place.took("released")]).toEqual([2, 2, 2]);
  expect(counts).toEqual({ select_count: 38, insert_count: 36, update_count: 0, delete_count: 37 });
  expect(fates.map(({ id }) => id)).toEqual(ids);
  const odd = fates.filter(({ inserted, deleted }) => !inserted || !deleted);
  expect(odd.map(({ id, source, target, deleted, differs }) => ({ id, source, target, deleted, differs }))).toEqual([
    { id: 3, source: true, target: true, deleted: true, differs: [] },
    { id: 8, source: false, target: false, deleted: false, differs: [] },
    { id: 30, source: false, target: true, deleted: false, differs: [] },
    { id: 35, source: true, target: true, deleted: false, differs: ["status"] },
  ]);
  expect(await place.rows(live)).toEqual(
    leads
      .filter(({ lead_id }) => lead_id !== 8)
      .map((lead) => (lead.lead_id === 35 ? { ...lead, status: "SALE" } : lead)),
  );
  expect(await place.rows(archive)).toEqual([makeLead(35)]);
  await store.close();
  expect(await place.unfinished()).toBe(0);
});

test.each([
  { gone: [7], half: "the first half" },
  { gone: [33], half: "the second half" },
  { gone: [7, 33], half: "both halves" },
])("all or none: a lead that is missing in $half keeps back the other half too", async ({ gone }) => {
  await using place = await site();
  await place.admin.query(`DELETE FROM ${archive} WHERE lead_id IN (?)`, [gone]);
  const store = await place.open();
  await expect(store.move({ ...dearchive, whole: true }, none)).rejects.toMatchObject({ ids: gone });
  expect([place.took("locked"), await place.rows(live)]).toEqual([2, []]);
  expect(await place.rows(archive)).toHaveLength(ids.length - gone.length);
  await store.close();
  expect(await place.unfinished()).toBe(0);
});

test("all or none: half of a set does not go where the other half waits in vain for a lock", async () => {
  await using place = await site();
  const letGo = await place.lock(33);
  const store = await place.open();
  await expect(store.move({ ...dearchive, whole: true }, none)).rejects.toThrow();
  expect([await place.rows(live), await place.rows(archive)]).toEqual([[], leads]);
  await letGo();
  expect((await store.move({ ...dearchive, whole: true }, none)).counts.delete_count).toBe(40);
  await store.close();
});

test("a lead that somebody else has locked keeps nobody waiting who wants others, however few there are", async () => {
  await using place = await site();
  const letGo = await place.lock(40);
  const store = await place.open();
  const { counts } = await store.move({ ...dearchive, ids: ids.slice(0, 39) }, none);
  expect(counts.delete_count).toBe(39);
  await letGo();
  await store.close();
});

test("a key that has got another name is found by it", async () => {
  await using place = await site();
  const store = await place.open();
  await store.move({ ...dearchive, ids: [1] }, none);
  await place.admin.query(`ALTER TABLE ${archive} DROP PRIMARY KEY, ADD UNIQUE KEY by_lead (lead_id)`);
  expect((await store.move({ ...dearchive, ids: [2, 3] }, none)).counts.delete_count).toBe(2);
  await store.close();
});

test.each([
  { which: "the session that holds the movers' lock", cut: 0 },
  { which: "the second session", cut: 1 },
])("where $which is cut off at work no lead is lost, and the next move finishes it", async ({ cut }) => {
  for (const step of ["locked", "journaled"] as const) {
    await using place = await site();
    // Both halves wait there until one of them has been cut off.
    const bothThere = Promise.withResolvers<void>();
    let visits = 0;
    const store = await place.open(async (now) => {
      if (now !== step || ++visits > 2) return;
      if (visits === 1) return bothThere.promise;
      const sessions = await place.sessions();
      await place.admin.query(`KILL ${sessions[cut]}`);
      bothThere.resolve();
    });
    await expect(store.move(dearchive, none)).rejects.toThrow();
    // What was journaled is looked at again: nobody knows how it ended.
    expect(await place.unfinished()).toBeGreaterThan(0);
    // The half that was not cut off may have gone.
    const [there, left] = [await place.rows(live), await place.rows(archive)];
    expect([...there, ...left].sort((a, b) => a.lead_id - b.lead_id)).toEqual(leads);
    const { fates } = await store.move(dearchive, none);
    expect(fates.every(({ deleted, target }) => deleted || target)).toBe(true);
    expect([await place.rows(live), await place.rows(archive)]).toEqual([leads, []]);
    await store.close();
    expect(await place.unfinished()).toBe(0);
  }
});

test("where the server has no second connection to give, one session moves the set", async () => {
  await using place = await site();
  const { admin, database } = place;
  const user = `one_${database.url.split("_").at(-1)}`.slice(0, 40);
  await admin.query(`CREATE USER '${user}'@'%' IDENTIFIED BY 'secret' WITH MAX_USER_CONNECTIONS 1`);
  await admin.query(`GRANT ALL ON *.* TO '${user}'@'%'`);
  const url = Object.assign(new URL(database.url), { username: user, password: "secret" }).href;
  const store = await place.open(async () => {}, url);
  expect((await store.move(dearchive, none)).counts.delete_count).toBe(40);
  expect([place.took("locked"), await place.rows(live)]).toEqual([1, leads]);
  await store.close();
  await admin.query(`DROP USER '${user}'@'%'`);
});

test("a lead that comes into the source after the images were read is left alone", async () => {
  await using place = await site();
  const { admin, database } = place;
  await admin.query(`DELETE FROM ${archive} WHERE lead_id = 2`);
  await insertRows(admin, live, [makeLead(1), makeLead(2)]);
  const connection = await mysql.createConnection({ uri: database.url, multipleStatements: true, dateStrings: true });
  await connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
  const plan = await preflight(connection);
  const query = connection.query.bind(connection);
  connection.query = (async (...asked: Parameters<typeof query>) => {
    const { sql } = asked[0] as unknown as { sql?: string };
    if (sql?.includes("STRAIGHT_JOIN")) await insertRows(admin, archive, [makeLead(2)]);
    return query(...asked);
  }) as typeof query;
  await underLocks(connection, plan, plan.verbs.dearchive, [1, 2], async ({ images, checked }) => {
    const { twins, finish } = await checked;
    expect([[...images.keys()], [...twins.keys()]]).toEqual([[1], [1]]);
    await finish("DO 0");
  });
  await connection.end();
});
