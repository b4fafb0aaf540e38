import { inflateRawSync } from "node:zlib";
import { createTestHost, until } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import mysql, { type ResultSetHeader, type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { createVicidial } from "../../create.ts";
import { archiveCalls, dearchiveCalls } from "../../fixtures/documented.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import type { Lead } from "../../leads/columns.ts";
import { makeLead } from "../../leads/make-lead.ts";
import type { Entry } from "./journal.ts";
import { createMariadbStore } from "./mariadb-store.ts";
import type { Step } from "./slice.ts";
import { findTriggers } from "./table-shape.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const secret = "a-key-of-the-tests";
const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

async function connect(url: string) {
  const connection = await mysql.createConnection({ uri: url });
  return Object.assign(connection, { [Symbol.asyncDispose]: () => connection.end() });
}

/** A VICIdial database of its own and the leads API in front of it. */
async function start(engines: { live: string; archive: string }, change: string[] = [], charset?: string) {
  const database = await mariadbDatabase(charset);
  const admin = await mysql.createConnection({
    uri: database.url,
    dateStrings: true,
    timezone: "+00:00",
    charset: "utf8mb4_unicode_ci",
  });
  await admin.query("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'");
  for (const statement of [...leadTables(engines), ...change]) await admin.query(statement);
  const host = await createTestHost({ role: "web" });
  await host.keys.create({ vendor: "vicidial", secret });
  const vicidial = await createVicidial(host, { url: database.url, lockWaitSeconds: 1 });
  return {
    admin,
    database,
    host,
    vicidial,
    fill: (table: string, leads: Lead[]) => insertRows(admin, table, leads),
    async rows(table: string, where = "1"): Promise<Record<string, unknown>[]> {
      const [rows] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${table} WHERE ${where} ORDER BY lead_id`);
      return rows.map((row) => ({ ...row }));
    },
    async call(verb: string, body: unknown) {
      const response = await vicidial.routes.fetch(
        new Request(`http://localhost/vicidial/leads/${verb}`, {
          method: "POST",
          headers: { authorization: `Key=${secret}` },
          body: typeof body === "string" ? body : JSON.stringify(body),
        }),
      );
      const batch = Number(response.headers.get("x-reinstate-batch"));
      const items = batch > 0 ? (await host.batches.items(batch)).items : [];
      return { status: response.status, headers: response.headers, text: await response.text(), items };
    },
    /** What `explain` says of each lead. */
    async explain(verb: string, body: object) {
      const { text } = await this.call(`${verb}?explain=true`, body);
      const { leads } = JSON.parse(text) as { leads: { outcome: string; code?: string }[] };
      return leads.map(({ code, outcome }) => code ?? outcome);
    },
    /** The outcome of each item of a batch that does not go all or none by itself. */
    async batch(verb: string, items: number[], flags = {}, dryRun = false) {
      const params = { insert_leads: true, delete_leads: true, ...flags };
      const batch = await host.batches.submit({ operation: `vicidial.leads.${verb}`, items, params, dryRun });
      const outcomes = (await host.batches.items(batch.id)).items.map(({ outcome, code }) => code ?? outcome);
      return { outcomes, tally: batch.tally };
    },
    async [Symbol.asyncDispose]() {
      await vicidial.close();
      await host.close();
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

const noLeads = { lead_errors: 0, lead_ids: [] };

/** The answer to a call that moves nothing because of leads, each with the column that does not fit. */
const unfitAnswer = (...leads: [id: number, column: string][]) =>
  new RegExp(
    `^No lead was moved: ${leads.map(([id, column]) => `lead ${id} was kept: [^;]*${column}[^;]*`).join("; ")}$`,
  );

const dearchive = (lead_ids: number[], flags = {}) => ({ insert_leads: true, delete_leads: true, lead_ids, ...flags });

const engines = [
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "InnoDB" },
  { live: "InnoDB", archive: "MyISAM" },
  { live: "MyISAM", archive: "InnoDB" },
];

describe.each(engines)("leads of a VICIdial database, live $live, archive $archive", (engines) => {
  test("moves 500 leads to the live table and back unchanged", async () => {
    await using setup = await start(engines);
    await setup.fill(
      archive,
      ids(1, 600).map((id) => makeLead(id)),
    );
    const before = await setup.rows(archive);
    expect((await setup.call("dearchive", dearchive(ids(51, 550)))).text).toBe(
      '{"message":"lead_ids batch was successfully processed","select_count":500,"insert_count":500,"delete_count":500}',
    );
    expect(await setup.rows(live)).toEqual(before.slice(50, 550));
    expect(await setup.rows(archive)).toEqual([...before.slice(0, 50), ...before.slice(550)]);
    const back = await setup.call("archive", { ...dearchive(ids(51, 550)), update_leads: true });
    expect(JSON.parse(back.text)).toMatchObject({
      select_count: 500,
      insert_count: 500,
      update_count: 0,
      delete_count: 500,
    });
    expect(await setup.rows(archive)).toEqual(before);
    expect(await setup.rows(live)).toEqual([]);
  });

  test("each documented answer is given", async () => {
    await using setup = await start(engines);
    const leads = ids(0, 510).map((id) => makeLead(id));
    for (const call of [...dearchiveCalls, ...archiveCalls]) {
      await setup.admin.query(`DELETE FROM ${live}`);
      await setup.admin.query(`DELETE FROM ${archive}`);
      await setup.fill(call.verb === "dearchive" ? archive : live, leads);
      const answer = await setup.call(call.verb, call.body);
      expect([call.name, answer.status, answer.text]).toEqual([call.name, call.status, call.reply]);
      expect((await setup.rows(live)).length + (await setup.rows(archive)).length).toBe(511);
    }
  });

  test("keeps differing duplicates and names their columns", async () => {
    await using setup = await start(engines);
    const differing: [string, unknown, unknown][] = [
      ["first_name", "jose", "Jose"],
      ["first_name", "Jose", "José"],
      ["last_name", "Smith", "Smith "],
      ["comments", null, ""],
      ["date_of_birth", null, "0000-00-00"],
      ["called_count", 1, 2],
      ["gmt_offset_now", "-5.00", "-5.50"],
      ["modify_date", "2025-01-01 00:00:00", "2025-01-01 00:00:01"],
    ];
    await setup.fill(
      archive,
      differing.map(([name, value], id) => makeLead(id, { [name]: value })),
    );
    await setup.fill(
      live,
      differing.map(([name, , value], id) => makeLead(id, { [name]: value })),
    );
    await setup.fill(archive, [makeLead(100)]);
    await setup.fill(live, [makeLead(100)]);
    const before = [await setup.rows(archive), await setup.rows(live)];
    const answer = await setup.call("dearchive", dearchive([...ids(0, differing.length - 1), 100]));
    expect(JSON.parse(answer.text)).toMatchObject({ select_count: 9, insert_count: 0, delete_count: 1 });
    expect(await setup.rows(archive)).toEqual(before[0]?.slice(0, -1));
    expect(await setup.rows(live)).toEqual(before[1]);
    expect(answer.items.map(({ code, message }) => code && message?.match(/differs in ([^;]*)/)?.[1])).toEqual([
      ...differing.map(([name]) => name),
      undefined,
    ]);
  });

  test("updates every column of a stale duplicate with update_leads", async () => {
    await using setup = await start(engines);
    await setup.fill(live, [makeLead(1, { status: "SALE", modify_date: "2025-09-01 10:00:00" }), makeLead(2)]);
    await setup.fill(archive, [makeLead(1, { comments: "stale" })]);
    const before = await setup.rows(live);
    const answer = await setup.call("archive", { ...dearchive([1, 2]), update_leads: true });
    expect(JSON.parse(answer.text)).toMatchObject({
      select_count: 2,
      insert_count: 1,
      update_count: 1,
      delete_count: 2,
    });
    expect(await setup.rows(archive)).toEqual(before);
    expect(answer.items.map(({ outcome }) => outcome)).toEqual(["done", "done"]);
  });

  test("moves lead 0, zero dates, emoji and the highest id", async () => {
    await using setup = await start(engines, [], "utf8mb4");
    await setup.fill(archive, [
      makeLead(0, { first_name: "🦊 Ü", date_of_birth: "0000-00-00", entry_date: "0000-00-00 00:00:00" }),
      makeLead(4_294_967_294, { comments: " both ends ", last_local_call_time: "2025-00-00 00:00:00" }),
    ]);
    const before = await setup.rows(archive);
    const answer = await setup.call("dearchive", dearchive([0, 4_294_967_294]));
    expect(JSON.parse(answer.text)).toMatchObject({ insert_count: 2, delete_count: 2 });
    expect(await setup.rows(live)).toEqual(before);
    expect(before[0]?.first_name).toBe("🦊 Ü");
  });

  test("another order of the columns changes nothing", async () => {
    await using setup = await start(engines, [
      `ALTER TABLE ${archive} MODIFY vendor_lead_code VARCHAR(20) AFTER source_id, MODIFY lead_id INT(9) UNSIGNED NOT NULL AFTER status`,
    ]);
    await setup.fill(archive, [makeLead(5)]);
    expect(JSON.parse((await setup.call("dearchive", dearchive([5]))).text)).toMatchObject({ delete_count: 1 });
    expect(await setup.rows(live)).toEqual([makeLead(5)].map((lead) => expect.objectContaining({ ...lead })));
  });

  test("refuses a missing column before anything is written", async () => {
    await using setup = await start(engines, [`ALTER TABLE ${archive} ADD COLUMN fax VARCHAR(20)`]);
    await setup.fill(archive, [makeLead(5)]);
    const answer = await setup.call("dearchive", dearchive([5]));
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      500,
      {
        message: `Column fax of ${archive} does not exist in ${live}; its data would be lost`,
        lead_errors: 0,
        lead_ids: [],
      },
    ]);
    const params = { insert_leads: true, delete_leads: true };
    const batch = await setup.host.batches.submit({ operation: "vicidial.leads.dearchive", items: [5], params });
    expect(batch.counts).toMatchObject({ failed: 1, unknown: 0 });
    expect(await setup.rows(archive)).toHaveLength(1);
    // With the column there it works at once.
    await setup.admin.query(`ALTER TABLE ${live} ADD COLUMN fax VARCHAR(20)`);
    expect((await setup.call("dearchive", dearchive([5]))).status).toBe(200);
  });

  test("keeps a lead that does not fit and names it", async () => {
    await using setup = await start(engines, [
      `ALTER TABLE ${live} MODIFY first_name VARCHAR(3), MODIFY called_since_last_reset ENUM('Y','N')`,
    ]);
    await setup.fill(archive, [
      ...ids(1, 9).map((id) => makeLead(id, { first_name: "Ada" })),
      makeLead(10, { first_name: "Adam" }),
      makeLead(11, { first_name: "Eve", called_since_last_reset: "D" }),
      makeLead(12, { first_name: "Ada" }),
    ]);
    const before = await setup.rows(archive);
    const answer = await setup.call("dearchive", dearchive(ids(1, 12)));
    expect([answer.status, JSON.parse(answer.text)]).toEqual([
      500,
      { message: expect.stringMatching(unfitAnswer([10, "first_name"], [11, "called_since_last_reset"])), ...noLeads },
    ]);
    expect(answer.items.map(({ outcome, code }) => code ?? outcome)).toEqual([
      ...Array(9).fill("not_moved"),
      "does_not_fit",
      "does_not_fit",
      "not_moved",
    ]);
    expect([await setup.rows(archive), await setup.rows(live)]).toEqual([before, []]);

    const { outcomes, tally } = await setup.batch("dearchive", ids(1, 12));
    expect(outcomes).toEqual([...Array(9).fill("done"), "does_not_fit", "does_not_fit", "done"]);
    expect(tally).toMatchObject({ select_count: 12, insert_count: 10, delete_count: 10 });
    expect(await setup.rows(archive)).toEqual(before.slice(9, 11));
    expect(await setup.rows(live)).toEqual([...before.slice(0, 9), ...before.slice(11)]);
  });

  test.each([
    { type: "address1 VARCHAR(5)", fits: "12345", altered: "12345  " },
    { type: "address1 CHAR(20)", fits: "1 Main St", altered: "1 Main St " },
    { type: "address1 INT", fits: "5", altered: "05" },
    { type: "phone_number BIGINT", fits: "312", altered: "0312" },
    { type: "gmt_offset_now DECIMAL(4,0)", fits: "5.00", altered: "5.50" },
    { type: "gender ENUM('M','F','u')", fits: "F", altered: "U" },
    { type: "called_count TINYINT", fits: "5", altered: "200" },
    { type: "phone_number VARCHAR(18) CHARACTER SET latin1", fits: "é", altered: "日" },
    { type: "phone_number DOUBLE", fits: "312", altered: "0312", isHidden: true },
    { type: "phone_number VARCHAR(18) CHECK (phone_number > '4')", fits: "5", altered: "3", isHidden: true },
  ])("a value that $type would change or refuse is kept in the source, and not copied", async (drift) => {
    const { type, fits, altered, isHidden = false } = drift;
    const column = type.split(" ")[0] as string;
    await using setup = await start(engines, [`ALTER TABLE ${live} MODIFY ${type}`]);
    await setup.fill(archive, [
      makeLead(1, { [column]: fits }),
      makeLead(2, { [column]: altered }),
      makeLead(3, { [column]: fits }),
    ]);
    const before = await setup.rows(archive);
    // A column of an unusual type, and a constraint, show only when the lead is copied.
    const foreseen = isHidden ? "done" : "does_not_fit";
    expect(await setup.explain("dearchive", dearchive([1, 2, 3]))).toEqual(["done", foreseen, "done"]);
    const tried = await setup.batch("dearchive", [1, 2, 3], { all_or_nothing: true }, true);
    expect(tried.outcomes).toEqual(isHidden ? ["done", "done", "done"] : ["not_moved", "does_not_fit", "not_moved"]);
    for (const delete_leads of [true, false]) {
      const answer = await setup.call("dearchive", dearchive([1, 2, 3], { delete_leads }));
      expect([answer.status, JSON.parse(answer.text).message]).toEqual([
        500,
        expect.stringMatching(unfitAnswer([2, column])),
      ]);
      expect([await setup.rows(archive), await setup.rows(live)]).toEqual([before, []]);
    }
    const { outcomes, tally } = await setup.batch("dearchive", [1, 2, 3]);
    expect(outcomes).toEqual(["done", "does_not_fit", "done"]);
    expect(tally).toMatchObject({ select_count: 3, insert_count: 2, delete_count: 2 });
    expect(await setup.rows(archive)).toEqual([before[1]]);
    expect((await setup.rows(live)).map(({ lead_id }) => lead_id)).toEqual([1, 3]);
  });

  test.each([
    { type: "comments VARCHAR(3)", fits: "new", unfit: "newer" },
    { type: "phone_number BIGINT", fits: "312", unfit: "0312" },
    { type: "called_count TINYINT", fits: "5", unfit: "200" },
    // Not foreseen: the stale copy may be overwritten, and gets its before-image back.
    { type: "phone_number DOUBLE", fits: "312", unfit: "0312" },
    { type: "comments VARCHAR(255) CHECK (comments <> 'bad')", fits: "new", unfit: "bad" },
  ])("archive: a lead that $type cannot hold leaves its stale copy as it was", async ({ type, fits, unfit }) => {
    const column = type.split(" ")[0] as string;
    await using setup = await start(engines, [`ALTER TABLE ${archive} MODIFY ${type}`]);
    const stale = { comments: "old", called_count: 0 };
    await setup.fill(live, [
      ...[1, 2].map((id) => makeLead(id, { [column]: fits, status: "SALE" })),
      ...[3, 4].map((id) => makeLead(id, { [column]: unfit, status: "SALE" })),
    ]);
    await setup.fill(
      archive,
      [1, 3].map((id) => makeLead(id, stale)),
    );
    const before = [await setup.rows(live), await setup.rows(archive)];
    const answer = await setup.call("archive", dearchive([1, 2, 3, 4], { update_leads: true }));
    expect([answer.status, JSON.parse(answer.text).message]).toEqual([
      500,
      expect.stringMatching(unfitAnswer([3, column], [4, column])),
    ]);
    expect([await setup.rows(live), await setup.rows(archive)]).toEqual(before);
    // Leads that fit move all, and copies that differ are the vendor's own case.
    const kept = await setup.call("archive", dearchive([3], { update_leads: false }));
    expect([kept.status, JSON.parse(kept.text)]).toMatchObject([200, { select_count: 1, delete_count: 0 }]);

    const { outcomes, tally } = await setup.batch("archive", [1, 2, 3, 4], { update_leads: true });
    expect(outcomes).toEqual(["done", "done", "does_not_fit", "does_not_fit"]);
    expect(tally).toMatchObject({ select_count: 4, insert_count: 1, update_count: 1, delete_count: 2 });
    expect(await setup.rows(live)).toEqual(before[0]?.slice(2));
    expect(await setup.rows(archive, "lead_id > 2")).toEqual(before[1]?.slice(1));
  });

  test("fills an empty modify_date of an old archive", async () => {
    await using setup = await start(engines, [`ALTER TABLE ${archive} MODIFY modify_date TIMESTAMP NULL DEFAULT NULL`]);
    const lead = { ...makeLead(1), modify_date: null } as unknown as Lead;
    await setup.fill(archive, [lead, makeLead(2)]);
    const answer = await setup.call("dearchive", dearchive([1, 2]));
    expect(JSON.parse(answer.text)).toMatchObject({ insert_count: 2, delete_count: 2 });
    const rows = await setup.rows(live);
    expect(rows.map((row) => row.modify_date)).toEqual(["2025-03-01 08:00:00", "2025-06-15 16:45:30"]);
  });

  test("locks leads during a move and journals the deleted rows", async () => {
    await using setup = await start(engines);
    await setup.fill(live, [makeLead(1), makeLead(2)]);
    await setup.fill(archive, [makeLead(2, { comments: "stale" })]);
    const steps: string[] = [];
    let other: Promise<unknown> | undefined;
    const store = await createMariadbStore(setup.host, {
      url: setup.database.url,
      leadsPerLock: 50,
      lockWaitSeconds: 2,
      journalDays: 1,
      async onStep(step) {
        steps.push(step);
        if (step !== "locked") return;
        const sql = `UPDATE ${live} SET comments = 'too late' WHERE lead_id = 1`;
        other = setup.admin
          .query<ResultSetHeader>(sql)
          .then(([{ affectedRows }]) => steps.push(`changed ${affectedRows}`));
        await until(async () => {
          await using watch = await connect(setup.database.url);
          const [rows] = await watch.query<RowDataPacket[]>(
            "SELECT 1 FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE '%too late%' AND ID <> CONNECTION_ID()",
          );
          return rows.length > 0;
        });
      },
    });
    const move = { verb: "archive" as const, ids: [1, 2], insert: true, update: true, delete: true };
    await store.move(move, { transaction: undefined as never });
    await other;
    expect(steps).toEqual(expect.arrayContaining(["journaled", "locked", "released", "finished", "changed 0"]));
    expect(steps.indexOf("changed 0")).toBeGreaterThan(steps.lastIndexOf("locked"));
    const { rows } = await sql<{ entry: Uint8Array }>`select entry from vicidial_journal order by id`.execute(
      setup.host.database.tables(),
    );
    const [entry] = rows.map(({ entry }) => JSON.parse(inflateRawSync(entry).toString()) as Entry);
    expect(Object.keys(entry?.source ?? {})).toEqual(["1", "2"]);
    const place = entry?.columns.indexOf("`comments`") ?? -1;
    expect(entry?.target["2"]?.[place]).toBe("stale");
    await store.close();
  });

  test("journals before the lock and again if a lead changed", async () => {
    await using setup = await start(engines);
    await setup.fill(archive, [makeLead(1), makeLead(2)]);
    const steps: string[] = [];
    const store = await createMariadbStore(setup.host, {
      url: setup.database.url,
      leadsPerLock: 50,
      lockWaitSeconds: 2,
      journalDays: 1,
      async onStep(step) {
        steps.push(step);
        if (steps.length > 1) return;
        await setup.admin.query(`UPDATE ${archive} SET comments = 'changed in between' WHERE lead_id = 2`);
      },
    });
    const move = { verb: "dearchive" as const, ids: [1, 2], insert: true, update: false, delete: true };
    const { counts } = await store.move(move, { transaction: undefined as never });
    expect([counts.delete_count, steps]).toEqual([2, ["journaled", "locked", "journaled", "released", "finished"]]);
    // What is noted of moves that have ended is noted by then.
    await store.close();
    const { rows } = await sql<{ entry: Uint8Array; state: string }>`select entry, state from vicidial_journal
      order by id`.execute(setup.host.database.tables());
    const entries = rows.map(({ entry }) => JSON.parse(inflateRawSync(entry).toString()) as Entry);
    expect(entries.map(({ source }) => Object.keys(source))).toEqual([["1", "2"]]);
    expect(entries[0]?.source["2"]).toContain("changed in between");
    expect(rows.map(({ state }) => state)).toEqual(["done"]);
    expect(await setup.rows(live)).toMatchObject([{ lead_id: 1 }, { lead_id: 2, comments: "changed in between" }]);
  });

  test("reconnects after a cut connection and loses no lead", async () => {
    await using setup = await start(engines);
    await setup.fill(archive, [makeLead(1), makeLead(2)]);
    const before = await setup.rows(archive);
    expect((await setup.call("dearchive", dearchive([1]))).status).toBe(200);
    await setup.admin.query(`LOCK TABLES ${live} READ, ${archive} READ`);
    const cut = setup.call("dearchive", dearchive([2]));
    await until(async () => {
      const [waiting] = await setup.admin.query<RowDataPacket[]>(
        "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND STATE LIKE 'Waiting for table%'",
      );
      if (waiting.length > 0) await setup.admin.query("KILL ?", [waiting[0]?.id]);
      return waiting.length > 0;
    });
    await setup.admin.query("UNLOCK TABLES");
    expect((await cut).status).toBe(503);
    expect([...(await setup.rows(live)), ...(await setup.rows(archive))]).toEqual(before);
    expect((await setup.call("dearchive", dearchive([2]))).status).toBe(200);
    expect(await setup.rows(live)).toEqual(before);
  });

  test("releases the locks of a silent client without lost leads", async () => {
    await using setup = await start(engines);
    await setup.fill(archive, [makeLead(1), makeLead(2)]);
    const before = await setup.rows(archive);
    const steps: Step[] = [];
    const store = await createMariadbStore(setup.host, {
      url: setup.database.url,
      leadsPerLock: 50,
      lockWaitSeconds: 2,
      journalDays: 1,
      lockedSilence: 1,
      clockSkewMs: 0,
      async onStep(step) {
        steps.push(step);
        // It waits for the lock, which ends only when the server lets go of it.
        if (step === "locked" && steps.length < 3)
          await setup.admin.query(`UPDATE ${archive} SET status = 'X' WHERE lead_id = 1`);
      },
    });
    const move = { verb: "dearchive" as const, ids: [1, 2], insert: true, update: false, delete: true };
    const work = { transaction: undefined as never };
    await expect(store.move(move, work)).rejects.toThrow(/ended the connection|cannot be reached/);
    expect([await setup.rows(live), steps.includes("released")]).toEqual([[], false]);
    expect(await setup.rows(archive)).toMatchObject([{ lead_id: 1, status: "X" }, { ...before[1] }]);
    expect((await store.move(move, work)).counts).toMatchObject({ insert_count: 2, delete_count: 2 });
    await store.close();
  });

  test("answers 503 if the tables stay locked for too long", async () => {
    await using setup = await start(engines);
    await setup.fill(archive, [makeLead(1)]);
    await setup.vicidial.store.ready();
    await setup.admin.query(`LOCK TABLES ${live} READ, ${archive} READ`);
    const answer = await setup.call("dearchive", dearchive([1]));
    await setup.admin.query("UNLOCK TABLES");
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "5"]);
    expect(JSON.parse(answer.text)).toEqual({
      message: expect.stringMatching(/^The VICIdial tables are busy/),
      lead_errors: 0,
      lead_ids: [],
    });
    expect([await setup.rows(archive), await setup.rows(live)].map((rows) => rows.length)).toEqual([1, 0]);
    expect((await setup.call("dearchive", dearchive([1]))).status).toBe(200);
  });

  test("many calls at once move every lead once", async () => {
    await using setup = await start(engines);
    await setup.fill(
      archive,
      ids(1, 400).map((id) => makeLead(id)),
    );
    const before = await setup.rows(archive);
    const answers = await Promise.all(
      ids(0, 7).map((part) => setup.call("dearchive", dearchive(ids(part * 50 + 1, part * 50 + 50)))),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(await setup.rows(live)).toEqual(before);
    expect(await setup.rows(archive)).toEqual([]);
  });
});

test("allows inserts and changes of other leads under row locks", async () => {
  await using setup = await start({ live: "InnoDB", archive: "InnoDB" });
  await setup.fill(live, [makeLead(1)]);
  // The highest ids of all: a lock of the gap after them would be one of the table's end.
  await setup.fill(archive, [makeLead(500), makeLead(501), makeLead(502)]);
  await using other = await connect(setup.database.url);
  await other.query("SET innodb_lock_wait_timeout = 1");
  const columns = Object.keys(makeLead(1)).map((name) => `\`${name}\``);
  let tried = 0;
  const store = await createMariadbStore(setup.host, {
    url: setup.database.url,
    leadsPerLock: 50,
    lockWaitSeconds: 2,
    journalDays: 1,
    async onStep(step) {
      if (step !== "locked") return;
      for (const [table, id] of [
        [live, 900],
        [live, 499],
        [archive, 901],
      ] as const) {
        await other.query(`INSERT INTO ${table} (${columns.join(", ")}) VALUES (?)`, [Object.values(makeLead(id))]);
      }
      await other.query(`UPDATE ${archive} SET status = 'X' WHERE lead_id = 501`);
      await other.query(`UPDATE ${live} SET status = 'X' WHERE lead_id = 1`);
      tried++;
    },
  });
  const move = { verb: "dearchive" as const, ids: [500, 502], insert: true, update: false, delete: true };
  const { counts } = await store.move(move, { transaction: undefined as never });
  expect([tried, counts.delete_count]).toEqual([1, 2]);
  expect((await setup.rows(live)).map((row) => row.lead_id)).toEqual([1, 499, 500, 502, 900]);
  await store.close();
});

test("checks for triggers without opening other tables", async () => {
  await using setup = await start({ live: "MyISAM", archive: "MyISAM" });
  const [plan] = await setup.admin.query<RowDataPacket[]>(`EXPLAIN ${findTriggers}`);
  const scans = plan.map(({ Extra }) => String(Extra)).filter((extra) => /Scanned/.test(extra));
  expect(scans.map((extra) => /Scanned (\w+) database/.exec(extra)?.[1])).toEqual(["0", "0"]);
});

describe("a VICIdial database that cannot be worked on", () => {
  test.each([
    ["has no archive", [`DROP TABLE ${archive}`], "has no table vicidial_list_archive"],
    ["has no key", [`ALTER TABLE ${archive} DROP PRIMARY KEY`], "no unique key on lead_id"],
    [
      "has a trigger",
      [`CREATE TRIGGER busy BEFORE INSERT ON ${live} FOR EACH ROW SET NEW.owner = 'x'`],
      "has the trigger busy",
    ],
    ["has another engine", [`ALTER TABLE ${archive} ENGINE=MEMORY`], "MEMORY"],
  ])("%s", async (_name, change, message) => {
    await using setup = await start({ live: "MyISAM", archive: "MyISAM" }, change);
    await expect(setup.vicidial.store.ready()).rejects.toThrow(message);
    const answer = await setup.call("dearchive", dearchive([1]));
    expect([answer.status, JSON.parse(answer.text).message]).toEqual([500, expect.stringContaining(message)]);
  });

  test("refuses the next call after a trigger was created", async () => {
    await using setup = await start({ live: "MyISAM", archive: "InnoDB" });
    await setup.fill(archive, [makeLead(1), makeLead(2)]);
    expect((await setup.call("dearchive", dearchive([1]))).status).toBe(200);
    await setup.admin.query(`CREATE TRIGGER late AFTER DELETE ON ${archive} FOR EACH ROW SET @gone = 1`);
    expect((await setup.call("dearchive", dearchive([2]))).status).toBe(500);
    expect(await setup.rows(archive)).toHaveLength(1);
  });

  test("one that does not answer is told without its account", async () => {
    await using host = await createTestHost({ role: "web" });
    const vicidial = await createVicidial(host, { url: "mysql://cron:hidden@127.0.0.1:1/asterisk" });
    const error = await vicidial.ready().catch((error: unknown) => String(error));
    expect(error).toContain("The VICIdial database cannot be reached");
    expect(error).not.toMatch(/hidden|cron/);
    await vicidial.close();
  });

  test.each(["mysql://cron@127.0.0.1", "http://127.0.0.1/asterisk", "cron:hidden"])(
    "the URL %s is refused",
    async (url) => {
      await using host = await createTestHost();
      await expect(createVicidial(host, { url })).rejects.toThrow("url: must be of the form");
    },
  );
});
