import { spawn, spawnSync } from "node:child_process";
import { createHost, systemClock } from "@reinstate/batch-core";
import { until } from "@reinstate/batch-core/testing";
import { bundleText } from "@reinstate/tooling/bundle";
import { mariadbDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { createVicidial } from "../../create.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";
import { createJournal, serializeEntry } from "./journal.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const leadIds = Array.from({ length: 130 }, (_, index) => index + 1);

const environment = (MOVE: string) => ({ ...process.env, MOVE });

// A process of its own that moves the leads, in slices of 50, and is killed at the given visit of the given step.
const mover = await bundleText(
  `
  import { flushCompileCache } from "node:module";
  import { createHost } from "@reinstate/batch-core";
  import { createOperations } from "../../operations/operations.ts";
  import { createMariadbStore } from "./mariadb-store.ts";
  flushCompileCache();
  const { ledger, url, verb, step, visit, ids } = JSON.parse(process.env.MOVE);
  const host = await createHost({ databaseUrl: ledger, role: "web" });
  let visits = 0;
  const store = await createMariadbStore(host, {
    url, leadsPerLock: 50, lockWaitSeconds: 5, journalDays: 1,
    async onStep(now) {
      if (now === step && ++visits === visit) process.kill(process.pid, "SIGKILL");
    },
  });
  host.register(...createOperations(store, { isAllowed: async () => true, allowedFrom: (_verb, now) => now, hours: () => undefined }, () => Date.now()));
  const params = { insert_leads: true, delete_leads: true, ...(verb === "archive" && { update_leads: true }) };
  await host.batches.submit({ operation: "vicidial.leads." + verb, items: ids, params, inline: true });
  console.log("it was not killed");
`,
  import.meta.dirname,
);

const sides = { dearchive: { from: archive, to: live }, archive: { from: live, to: archive } } as const;
type Verb = keyof typeof sides;
type Engines = { live: string; archive: string };

// Later than every lease of a killed worker.
const later = { ...systemClock, now: () => systemClock.now() + 60_000 };

/** Leads to be moved; where they are to be archived, with an update, every tenth has a stale copy in the archive. */
async function setUp(engines: Engines, verb: Verb = "dearchive", change: string[] = []) {
  const database = await mariadbDatabase();
  const ledger = sqliteDatabase();
  const admin = await mysql.createConnection({ uri: database.url, dateStrings: true });
  for (const statement of leadTables(engines)) await admin.query(statement);
  const leads = leadIds.map((id) => makeLead(id));
  await insertRows(admin, sides[verb].from, leads);
  if (verb === "archive") {
    const stale = leadIds.filter((id) => id % 10 === 0).map((id) => makeLead(id, { comments: "old" }));
    await insertRows(admin, archive, stale);
  }
  for (const statement of change) await admin.query(statement);
  async function rows(table: string) {
    const [rows] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${table} ORDER BY lead_id`);
    return rows.map((row) => ({ ...row }) as Record<string, unknown>);
  }
  const before = await rows(sides[verb].from);
  const copies = await rows(sides[verb].to);
  return {
    admin,
    url: database.url,
    ledger: ledger.url,
    rows,
    /** What there was to be moved. */
    before,
    /**
     * Of both tables at one moment, for what a killed mover had said may still be under way: the leads that are whole in
     * neither, and rows that were nowhere before.
     */
    async wrong() {
      await admin.query(`LOCK TABLES ${live} READ, ${archive} READ`);
      const there = [...(await rows(live)), ...(await rows(archive))].map((row) => JSON.stringify(row));
      await admin.query("UNLOCK TABLES");
      const known = [...before, ...copies].map((row) => JSON.stringify(row));
      const lost = before.filter((row) => !there.includes(JSON.stringify(row))).map(({ lead_id }) => lead_id);
      return { lost, strange: there.filter((row) => !known.includes(row)) };
    },
    /** Has another process move the leads, which is killed at a visit of a step. */
    killAt(step: string, visit: number) {
      const MOVE = JSON.stringify({ ledger: ledger.url, url: database.url, verb, step, visit, ids: leadIds });
      const { signal, stdout, stderr } = spawnSync(process.execPath, ["--no-warnings", mover], {
        encoding: "utf8",
        timeout: 30_000,
        env: environment(MOVE),
      });
      expect([signal, stdout, stderr]).toEqual(["SIGKILL", "", ""]);
    },
    async [Symbol.asyncDispose]() {
      await admin.end();
      await database[Symbol.asyncDispose]();
      await ledger[Symbol.asyncDispose]();
    },
  };
}

const nothingWrong = { lost: [], strange: [] };

const [myisam, innodb] = [
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "InnoDB" },
];

const mixed = { live: "InnoDB", archive: "MyISAM" };
const verbs = ["dearchive", "archive"] as const;

/** Of the two leads that do not fit one is to be copied, the other is to overwrite a stale copy. */
const drifts = [
  { drift: "too long", change: "MODIFY comments VARCHAR(3)", unfit: "comments = 'more'" },
  { drift: "refused by the target", change: "ADD CHECK (called_count < 200)", unfit: "called_count = 200" },
  { drift: "changed by the target", change: "MODIFY phone_number DOUBLE", unfit: "phone_number = '0312'" },
];

describe.each([myisam, innodb, mixed])(
  "a mover killed between the copy and the delete, live $live, archive $archive",
  (engines) => {
    test.each(drifts.flatMap((drift) => verbs.map((verb) => ({ verb, ...drift }))))(
      "$verb: keeps leads that are $drift and their stale copies, and moves the others once",
      async ({ verb, drift, change, unfit: values }) => {
        const { from, to } = sides[verb];
        await using place = await setUp(engines, verb, [
          `ALTER TABLE ${to} ${change}`,
          `UPDATE ${from} SET ${values} WHERE lead_id IN (7, 20)`,
        ]);
        const unfit = ({ lead_id }: Record<string, unknown>) => lead_id === 7 || lead_id === 20;
        const kept = (await place.rows(from)).filter(unfit);
        const staleCopies = (await place.rows(to)).filter(unfit);
        // A lead that is known to be too long is not written at all.
        place.killAt(drift === "too long" ? "locked" : "copied", 1);
        const copied = (await place.rows(to)).filter(unfit);
        // The server rolls a transaction back; without one the changed copies are there.
        const isLeft = drift === "changed by the target" && engines !== innodb;
        expect(copied.map(({ lead_id }) => lead_id)).toEqual(isLeft ? [7, 20] : staleCopies.map(() => 20));
        if (isLeft) expect(copied).not.toContainEqual(staleCopies[0] ?? kept[0]);
        const host = await createHost({ databaseUrl: place.ledger, clock: later });
        const vicidial = await createVicidial(host, { url: place.url });
        const [batch] = await host.batches.list({ limit: 1 });
        const { counts } = await host.batches.wait(batch?.id ?? 0);
        expect(counts).toMatchObject({ failed: 2, unknown: 0 });
        expect(await place.rows(from)).toEqual(kept);
        const there = await place.rows(to);
        expect(there.filter(unfit)).toEqual(staleCopies);
        expect(there.filter((row) => !unfit(row)).map(({ lead_id }) => lead_id)).toEqual(
          leadIds.filter((id) => id !== 7 && id !== 20),
        );
        await vicidial.close();
        await host.close();
      },
    );
  },
);

describe("a mover killed at work", () => {
  const kills: (Engines & { step: string; visit: number })[] = [
    { ...myisam, step: "journaled", visit: 1 },
    { ...myisam, step: "locked", visit: 2 },
    { ...myisam, step: "released", visit: 1 },
    { ...myisam, step: "released", visit: 3 },
    { ...myisam, step: "finished", visit: 1 },
    { ...innodb, step: "locked", visit: 1 },
    { ...innodb, step: "journaled", visit: 2 },
    { ...innodb, step: "released", visit: 1 },
    { ...innodb, step: "released", visit: 2 },
    { ...innodb, step: "released", visit: 3 },
    { ...innodb, step: "finished", visit: 1 },
    { ...mixed, step: "released", visit: 1 },
    { live: "MyISAM", archive: "InnoDB", step: "released", visit: 2 },
  ];
  test.each(kills.flatMap((kill) => verbs.map((verb) => ({ verb, ...kill }))))(
    "$verb, live $live, archive $archive, when $step, visit $visit: no lead is lost, and the next start finishes the work",
    async ({ verb, step, visit, ...engines }) => {
      await using place = await setUp(engines, verb);
      place.killAt(step, visit);
      expect(await place.wrong()).toEqual(nothingWrong);

      const host = await createHost({ databaseUrl: place.ledger, clock: later });
      const vicidial = await createVicidial(host, { url: place.url });
      const batch = await until(async () => {
        const [batch] = await host.batches.list({ limit: 1 });
        return batch?.status === "completed" && batch;
      });
      expect(batch.counts).toMatchObject({ failed: 0, unknown: 0 });
      expect(batch.counts.done + batch.counts.skipped).toBe(leadIds.length);
      expect(await place.rows(sides[verb].to)).toEqual(place.before);
      expect(await place.rows(sides[verb].from)).toEqual([]);
      const open = sql`select id from vicidial_journal where state = 'open'`;
      expect((await open.execute(host.database.tables())).rows).toEqual([]);
      await vicidial.close();
      await host.close();
    },
  );
});

// A process of its own that moves all leads, and is killed at any time.
const hurried = await bundleText(
  `
  import { createHost, systemClock } from "@reinstate/batch-core";
  import { createVicidial } from "../../create.ts";
  const { ledger, url, verb, round, ids } = JSON.parse(process.env.MOVE);
  const clock = { ...systemClock, now: () => systemClock.now() + round * 60_000 };
  const host = await createHost({ databaseUrl: ledger, clock, role: "web" });
  await createVicidial(host, { url, leadsPerLock: 20 });
  const params = { insert_leads: true, delete_leads: true, ...(verb === "archive" && { update_leads: false }) };
  console.log("at work");
  const batch = await host.batches.submit({ operation: "vicidial.leads." + verb, items: ids, params, inline: true });
  console.log(JSON.stringify(batch.counts));
  process.exit();
`,
  import.meta.dirname,
);

describe.each([myisam, innodb, mixed])("a mover killed at any time, live $live, archive $archive", (engines) => {
  test("no lead is lost, and who comes after finishes it", async () => {
    await using place = await setUp(engines);
    const run = (round: number, verb: string, killAfter?: number) =>
      new Promise<{ signal: string | null; said: string }>((resolve) => {
        const MOVE = JSON.stringify({ ledger: place.ledger, url: place.url, verb, round, ids: leadIds });
        const child = spawn(process.execPath, ["--no-warnings", hurried], { env: environment(MOVE) });
        let said = "";
        child.stdout.on("data", (text) => {
          if (said === "" && killAfter !== undefined) setTimeout(() => child.kill("SIGKILL"), killAfter);
          said += text;
        });
        child.on("exit", (_code, signal) => resolve({ signal, said }));
      });
    let killed = 0;
    let round = 0;
    for (; round < 4 || killed === 0; round++) {
      const { signal } = await run(round, round % 2 === 0 ? "dearchive" : "archive", 5 + Math.random() * 60);
      if (signal === "SIGKILL") killed++;
      expect(await place.wrong()).toEqual(nothingWrong);
    }
    const { said } = await run(round, "dearchive");
    expect(said).toMatch(/"failed":0,"unknown":0/);
    expect(await place.rows(live)).toEqual(place.before);
    expect(await place.rows(archive)).toEqual([]);
  });
});

test("restores a lead that a crash removed from both tables", async () => {
  await using place = await setUp({ live: "MyISAM", archive: "MyISAM" });
  await place.admin.query(
    `ALTER TABLE ${archive} ADD COLUMN scan BLOB, ADD COLUMN note VARCHAR(50) CHARACTER SET latin1, ADD COLUMN more TEXT`,
  );
  await place.admin.query(
    `ALTER TABLE ${live} ADD COLUMN scan BLOB, ADD COLUMN note VARCHAR(50), ADD COLUMN more TEXT`,
  );
  await place.admin.query(
    `UPDATE ${archive} SET scan = X'00FF27', note = 'Jos\u00e9', more = 'Zo\u00eb' WHERE lead_id = 60`,
  );
  const before = await place.rows(archive);
  place.killAt("released", 2);
  // What power loss can do to MyISAM: the insert is gone, the delete is kept.
  await place.admin.query(`DELETE FROM ${live} WHERE lead_id IN (60, 61)`);
  const host = await createHost({ databaseUrl: place.ledger, role: "web" });
  const vicidial = await createVicidial(host, { url: place.url });
  await until(async () => (await place.rows(archive)).some(({ lead_id }) => lead_id === 61));
  const found = [...(await place.rows(live)), ...(await place.rows(archive))].sort(
    (a, b) => Number(a.lead_id) - Number(b.lead_id),
  );
  expect(found).toEqual(before);
  await vicidial.close();
  await host.close();
});

test("recovers moves just before the server's last start once more", async () => {
  await using place = await setUp({ live: "MyISAM", archive: "MyISAM" });
  const before = await place.rows(archive);
  const [status] = await place.admin.query<RowDataPacket[]>("SHOW GLOBAL STATUS LIKE 'Uptime'");
  const sinceStart = Number(status[0]?.Value) * 1000;
  const startedAt = systemClock.now() - sinceStart;
  const moveAt = async (ago: number, items: number[]) => {
    const clock = { ...systemClock, now: () => systemClock.now() - ago };
    const host = await createHost({ databaseUrl: place.ledger, clock, role: "web" });
    const vicidial = await createVicidial(host, { url: place.url });
    const params = { insert_leads: true, delete_leads: true };
    const batch = await host.batches.submit({ operation: "vicidial.leads.dearchive", items, params, inline: true });
    expect(batch.counts.done).toBe(items.length);
    await vicidial.close();
    await host.close();
  };
  await moveAt(-900_000, [63]);
  await moveAt(-600_000, [70]);
  await moveAt(sinceStart + 600_000, [5]);
  await moveAt(sinceStart + 60_000, [60, 61, 62]);
  // The move of lead 63 came a minute after the start, and a user has deleted the lead since.
  const ledger = await createHost({ databaseUrl: place.ledger, role: "web" });
  await sql`update vicidial_journal set created_at = ${startedAt + 60_000}
    where created_at = (select max(created_at) from vicidial_journal)`.execute(ledger.database.tables());
  await ledger.close();
  // A power failure lost inserts and a delete. Leads of older and newer moves were removed on purpose.
  await place.admin.query(`DELETE FROM ${live} WHERE lead_id IN (5, 60, 63, 70)`);
  await place.admin.query(`INSERT INTO ${archive} SELECT * FROM ${live} WHERE lead_id = 61`);
  const ids = async (table: string) => (await place.rows(table)).map(({ lead_id }) => lead_id);
  await moveAt(0, [80]);
  expect(await ids(live)).toEqual([61, 62, 80]);
  expect(await place.rows(archive)).toEqual(
    before.filter(({ lead_id }) => ![5, 61, 62, 63, 70, 80].includes(Number(lead_id))),
  );
  // A user deletes it for good: it is not restored a second time.
  await place.admin.query(`DELETE FROM ${archive} WHERE lead_id = 60`);
  await moveAt(0, [81]);
  expect(await ids(archive)).not.toContain(60);
});

test("purges old images, but never unfinished ones", async () => {
  const host = await createHost({ databaseUrl: "sqlite::memory:", role: "web" });
  let now = 0;
  const journal = await createJournal(host.database, { now: () => now, sleep: async () => {} }, 2);
  const entry = { verb: "archive" as const, deletes: true, columns: ["`lead_id`"] };
  const record = serializeEntry({ ...entry, copied: [7], source: new Map([[7, ["7"]]]), target: new Map() });
  const open = (chunk?: string) => journal.open("a", record, chunk);
  const first = await open();
  const second = await open();
  await journal.markDone([second]);
  now = 3 * 24 * 60 * 60 * 1000;
  const third = await open("5.0.2");
  const { rows } = await sql<{ id: number }>`select id from vicidial_journal order by id`.execute(
    host.database.tables(),
  );
  expect(rows.map(({ id }) => id)).toEqual([first, third]);
  expect((await journal.unfinished("a")).map(({ id, doubted }) => [id, doubted])).toEqual([
    [third, false],
    [first, false],
  ]);
  const kept = { ...entry, copied: [7], source: { 7: ["7"] }, target: {} };
  expect([await journal.entry(third), await journal.ofChunk("a", "5.0.2")]).toEqual([kept, [kept]]);
  expect([await journal.unfinished("b"), await journal.others("b"), await journal.others("a")]).toEqual([
    [],
    ["a"],
    [],
  ]);
  await host.close();
});
