import { randomBytes } from "node:crypto";
import { systemClock } from "@reinstate/batch-core";
import { createTestHost, until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { type PrivateService, privateMariadb } from "@reinstate/tooling/services";
import mysql, { type Connection, type RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";
import type { Move, Verb } from "../../leads/move-types.ts";
import { createMariadbStore } from "./mariadb-store.ts";
import type { Step } from "./slice.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const sides = { dearchive: { from: archive, to: live }, archive: { from: live, to: archive } };
const none = { transaction: undefined as never };

let server: PrivateService;
beforeAll(async () => {
  server = await privateMariadb([]);
}, 60_000);
afterAll(() => server.stop());

type Engines = { live: string; archive: string };
type Row = Record<string, unknown>;

/** Leads in the archive of a database of this server, which is killed and started again, and a store in front of them. */
async function setUp(engines: Engines, leads: readonly object[], change: string[]) {
  const name = `crash_${randomBytes(5).toString("hex")}`;
  const url = Object.assign(new URL(server.url), { pathname: name }).href;
  const root = await mysql.createConnection({ uri: server.url });
  await root.query(`CREATE DATABASE ${name} DEFAULT CHARACTER SET utf8mb3`);
  await root.end();
  const connect = () => mysql.createConnection({ uri: url, dateStrings: true });
  let admin: Connection = await connect();
  for (const statement of [...leadTables(engines), ...change]) await admin.query(statement);
  for (const lead of leads) await insertRows(admin, archive, [lead]);
  const ledger = sqliteDatabase();
  const host = await createTestHost({ databaseUrl: ledger.url, clock: systemClock, role: "web" });
  let onStep = async (_step: Step) => {};
  const store = await createMariadbStore(host, {
    url,
    leadsPerLock: 50,
    lockWaitSeconds: 5,
    journalDays: 1,
    onStep: (step) => onStep(step),
  });
  async function rows(table: string): Promise<Row[]> {
    const [rows] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${table} ORDER BY lead_id`);
    return rows.map((row) => ({ ...row }));
  }
  const before = await rows(archive);
  return {
    before,
    rows,
    store,
    query: async (sql: string) => (await admin.query<RowDataPacket[]>(sql))[0],
    watch(listener: typeof onStep) {
      onStep = listener;
    },
    isGone: () =>
      admin.ping().then(
        () => false,
        () => true,
      ),
    /** After the server was killed: starts it, and mends what is damaged, as an administrator would. */
    async recover() {
      onStep = async () => {};
      admin.destroy();
      await server.start();
      admin = await connect();
      const [checked] = await admin.query<RowDataPacket[]>(`CHECK TABLE ${live}, ${archive}`);
      const damaged = checked.filter(({ Msg_type }) => Msg_type === "error").map(({ Table }) => String(Table));
      for (const table of new Set(damaged)) await admin.query(`REPAIR TABLE ${table}`);
    },
    /** Leads that are whole in neither table, leads that lie in both, and rows that are not as they were. */
    async state() {
      const [inLive, inArchive] = [await rows(live), await rows(archive)];
      const known = new Set(before.map((row) => JSON.stringify(row)));
      const there = [...inLive, ...inArchive].map((row) => JSON.stringify(row));
      const lost = before.filter((row) => !there.includes(JSON.stringify(row))).map(({ lead_id }) => lead_id);
      const strange = there.filter((row) => !known.has(row));
      return { lost, strange, duplicates: there.length - new Set(there).size, inLive: inLive.length };
    },
    async [Symbol.asyncDispose]() {
      await store.close();
      await host.close();
      await admin.end();
      await ledger[Symbol.asyncDispose]();
    },
  };
}

const makeMove = (verb: Verb, ids: number[]): Move => ({
  verb,
  ids,
  insert: true,
  update: verb === "archive",
  delete: true,
});

const mixes: Engines[] = [
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "InnoDB" },
  { live: "Aria", archive: "Aria" },
  { live: "InnoDB", archive: "MyISAM" },
  { live: "MyISAM", archive: "InnoDB" },
];

describe.each(mixes)("MariaDB killed while leads are moved, live $live, archive $archive", (engines) => {
  test("keeps each lead complete at any step and finishes afterwards", async () => {
    const ids = Array.from({ length: 130 }, (_, index) => index + 1);
    const leads = ids.map((id) => makeLead(id, { comments: id === 7 ? "more" : null }));
    await using place = await setUp(engines, leads, [`ALTER TABLE ${live} MODIFY comments VARCHAR(3)`]);
    const kills: { verb: Verb; step: Step; visit: number; between: boolean }[] = [
      // Copied, and not deleted yet; where one lead does not fit, something is said between the two.
      { verb: "dearchive", step: "copied", visit: 1, between: true },
      { verb: "archive", step: "journaled", visit: 2, between: true },
      { verb: "dearchive", step: "released", visit: 1, between: true },
      { verb: "archive", step: "finished", visit: 1, between: false },
    ];
    // A transaction takes back what was copied, and so does Aria under a lock.
    const takesBack = engines.live === "Aria" || (engines.live === "InnoDB" && engines.archive === "InnoDB");
    for (const { verb, step, visit, between } of kills) {
      let visits = 0;
      place.watch(async (now) => {
        if (now === step && ++visits === visit) await server.kill();
      });
      const ended = await place.store.move(makeMove(verb, ids), none).then(
        () => "whole",
        ({ message }) => String(message),
      );
      // Whose last lead is moved needs the server no more.
      expect(ended).toMatch(step === "finished" ? "whole" : /VICIdial database/);
      await place.recover();
      const { lost, strange, duplicates, inLive } = await place.state();
      expect([step, lost, strange]).toEqual([step, [], []]);
      const begun = duplicates > 0 || (inLive > 0 && inLive < 129);
      expect([step, begun]).toEqual([step, between && !(step === "copied" && takesBack)]);
      await place.store.move(makeMove(verb, ids), none);
      const stays = verb === "dearchive" ? 1 : 0;
      expect((await place.rows(sides[verb].from)).length).toBe(stays);
      expect(await place.state()).toMatchObject({ lost: [], strange: [], duplicates: 0 });
    }
  });
});

describe.each<Engines & { verb: Verb }>([
  { verb: "dearchive", live: "InnoDB", archive: "MyISAM" },
  { verb: "archive", live: "MyISAM", archive: "InnoDB" },
  { verb: "dearchive", live: "Aria", archive: "MyISAM" },
])("MariaDB killed while the delete is under way, $verb, live $live, archive $archive", ({ verb, ...engines }) => {
  test("has durable copies before the delete, in Aria too", async () => {
    // To take a lead's words out of an index of words takes the server a while.
    const words = (id: number) => Array.from({ length: 5000 }, (_, index) => `word${id}x${index}`).join(" ");
    const ids = [1, 2, 3, 4];
    const leads = ids.map((id) => ({ ...makeLead(id), story: words(id) }));
    await using place = await setUp(engines, leads, [
      ...[live, archive].map((table) => `ALTER TABLE ${table} ADD COLUMN story TEXT`),
      `ALTER TABLE ${sides[verb].from} ADD FULLTEXT (story)`,
    ]);
    if (verb === "archive") await place.store.move(makeMove("dearchive", ids), none);
    const deletes = async () => Number((await place.query("SHOW GLOBAL STATUS LIKE 'Handler_delete'"))[0]?.Value);
    const back = verb === "archive" ? "dearchive" : "archive";
    // A delete may be over before it is seen to be under way: then the leads are brought back, and moved again.
    for (let ended = true; ended; ) {
      let kill: Promise<unknown> = Promise.resolve();
      ended = false;
      place.watch(async (step) => {
        if (step !== "locked") return;
        const already = await deletes();
        // With the second one begun the first is gone.
        const isUnderWay = async () => ended || (await deletes()) >= already + 2;
        kill = until(isUnderWay, { pollMs: 1 }).then(async () => {
          if (!ended) await server.kill();
        });
      });
      const moved = place.store.move(makeMove(verb, ids), none).then(() => {
        ended = true;
      });
      await moved.catch((error: unknown) => expect(String(error)).toMatch(/VICIdial database/));
      await kill.catch(() => {});
      place.watch(async () => {});
      if (await place.isGone()) await place.recover();
      if (ended) await place.store.move(makeMove(back, ids), none);
    }
    const { lost, strange } = await place.state();
    expect([lost, strange]).toEqual([[], []]);
    expect((await place.rows(sides[verb].from)).length).toBeLessThan(ids.length);
    await place.store.move(makeMove(verb, ids), none);
    expect([await place.rows(sides[verb].from), await place.rows(sides[verb].to)]).toEqual([[], place.before]);
  });
});
