import { spawnSync } from "node:child_process";
import { createHost, type Host, type Log, systemClock } from "@reinstate/batch-core";
import { bundleText } from "@reinstate/tooling/bundle";
import { mariadbDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { expect, test } from "vitest";
import { createVicidial, type Vicidial } from "../../create.ts";
import { dialerTables } from "../../fixtures/dialer-tables.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";
import type { VicidialOptions } from "../../options.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const secret = "a-key-of-the-tests";
const both = { insert_leads: true, delete_leads: true };

/** Later than every lease of a killed worker. */
const later = { ...systemClock, now: () => systemClock.now() + 60_000 };

/** A process of its own that dearchives leads, in slices of two, and is killed at the given visit of the given step. */
const mover = await bundleText(
  `
  import { createHost } from "@reinstate/batch-core";
  import { createOperations } from "../../operations/operations.ts";
  import { createMariadbStore } from "./mariadb-store.ts";
  const { ledger, url, step, visit, items, params } = JSON.parse(process.env.MOVE);
  const host = await createHost({ databaseUrl: ledger, role: "web" });
  let visits = 0;
  const store = await createMariadbStore(host, {
    url, leadsPerLock: 2, lockWaitSeconds: 5, journalDays: 1,
    async onStep(now) {
      if (now === step && ++visits === visit) process.kill(process.pid, "SIGKILL");
    },
  });
  host.register(...createOperations(store, { isAllowed: async () => true, allowedFrom: (_verb, now) => now, hours: () => undefined }, () => Date.now()));
  await host.batches.submit({ operation: "vicidial.leads.dearchive", items, params, inline: true });
`,
  import.meta.dirname,
);

/** A VICIdial database and a ledger, between which processes come and go. */
async function start(engine = "MyISAM") {
  const database = await mariadbDatabase();
  const ledger = sqliteDatabase();
  const admin = await mysql.createConnection({ uri: database.url, dateStrings: true });
  for (const statement of [...leadTables({ live: engine, archive: engine }), ...dialerTables]) {
    await admin.query(statement);
  }
  const rows = async (table: string) => {
    const [rows] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${table} ORDER BY 1`);
    return rows.map((row) => ({ ...row })) as Record<string, unknown>[];
  };
  return {
    admin,
    rows,
    ledger: ledger.url,
    fill: (table: string, given: Parameters<typeof insertRows>[2]) => insertRows(admin, table, given),
    ids: async (table: string) => (await rows(table)).map(({ lead_id }) => lead_id),
    killedAt(step: string, visit: number, items: number[], params: object = both) {
      const MOVE = JSON.stringify({ ledger: ledger.url, url: database.url, step, visit, items, params });
      const { signal, stderr } = spawnSync(process.execPath, ["--no-warnings", mover], {
        encoding: "utf8",
        env: { ...process.env, MOVE },
      });
      expect([signal, stderr]).toEqual(["SIGKILL", ""]);
    },
    /** Runs a process from start to end, after it has recovered the moves of earlier ones. */
    async process<Result>(
      work: (parts: {
        host: Host;
        call: (verb: string, body: object) => ReturnType<typeof sendCall>;
      }) => Promise<Result>,
      { log, ...options }: VicidialOptions & { log?: Log } = {},
    ): Promise<Result> {
      const host = await createHost({ databaseUrl: ledger.url, clock: later, ...(log && { log }) });
      const vicidial = await createVicidial(host, { url: database.url, ...options });
      if (!(await host.keys.find("vicidial", secret))) await host.keys.create({ vendor: "vicidial", secret });
      await vicidial.store.restoreCallbacks([]);
      try {
        return await work({ host, call: (verb, body) => sendCall(vicidial, verb, body) });
      } finally {
        await host.close();
        await vicidial.close();
      }
    },
    async [Symbol.asyncDispose]() {
      await admin.end();
      await database[Symbol.asyncDispose]();
      await ledger[Symbol.asyncDispose]();
    },
  };
}

async function sendCall(vicidial: Vicidial, verb: string, body: object) {
  const response = await vicidial.routes.fetch(
    new Request(`http://localhost/vicidial/leads/${verb}`, {
      method: "POST",
      headers: { authorization: `Key=${secret}` },
      body: JSON.stringify(body),
    }),
  );
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

/** As after a start of the server: what was moved shortly before it is looked at again. */
const doubtAll = (host: Host) =>
  sql`update vicidial_journal set state = 'open' where state <> 'open'`.execute(host.database.tables());

test("restores a lead from its newest image only", async () => {
  await using place = await start();
  await place.fill(archive, [makeLead(1), makeLead(2)]);
  await place.process(async ({ host, call }) => {
    await call("dearchive", { ...both, lead_ids: [1, 2] });
    await place.admin.query(`UPDATE ${live} SET status = 'SALE', comments = 'changed in between' WHERE lead_id = 1`);
    await call("archive", { ...both, update_leads: false, lead_ids: [1] });
    await doubtAll(host);
  });
  // The power failed: the inserts are gone, the deletes are kept.
  await place.admin.query(`DELETE FROM ${archive}`);
  await place.admin.query(`DELETE FROM ${live}`);
  await place.process(async () => {});
  expect(await place.rows(live)).toMatchObject([{ lead_id: 1, status: "SALE", comments: "changed in between" }]);
  expect(await place.rows(archive)).toMatchObject([{ lead_id: 2, status: "NEW" }]);
});

test("restores the newest content after a lost update and delete", async () => {
  await using place = await start();
  await place.fill(live, [makeLead(1, { comments: "new" }), makeLead(2, { comments: "new" })]);
  await place.fill(archive, [makeLead(1), makeLead(2)]);
  const before = [await place.rows(live), await place.rows(archive)];
  await place.process(async ({ host, call }) => {
    const { body } = await call("archive", { ...both, update_leads: true, lead_ids: [1, 2] });
    expect(body).toMatchObject({ update_count: 2, delete_count: 2 });
    await doubtAll(host);
  });
  await place.admin.query(`UPDATE ${archive} SET comments = NULL, modify_date = modify_date WHERE lead_id = 1`);
  await place.process(async () => {});
  expect(await place.rows(live)).toEqual(before[0]?.slice(0, 1));
  expect(await place.rows(archive)).toEqual([before[1]?.[0], { ...before[0]?.[1] }]);
});

test.each(["MyISAM", "InnoDB"])(
  "of two calls for the same %s leads at once one moves them, the other is told",
  async (engine) => {
    await using place = await start(engine);
    await place.fill(
      archive,
      [1, 2, 3].map((id) => makeLead(id)),
    );
    await place.process(async ({ host, call }) => {
      const answers = await Promise.all(
        [
          [1, 2],
          [2, 3],
        ].map((lead_ids) => call("dearchive", { ...both, lead_ids })),
      );
      const [moved, refused] = answers.toSorted((a, b) => a.status - b.status);
      expect(moved).toMatchObject({ status: 200, body: { select_count: 2, insert_count: 2, delete_count: 2 } });
      expect(refused).toMatchObject({ status: 400, body: { message: "lead_ids does not exist", lead_ids: [2] } });
      // All or nothing.
      expect(await place.ids(archive)).toHaveLength(1);
      const batches = await host.batches.list({ limit: 9 });
      const results = await Promise.all(batches.map(async ({ id }) => (await host.batches.items(id)).items));
      for (const items of results.filter((items) => items.some(({ outcome }) => outcome === "failed"))) {
        expect(items.map(({ item, code }) => (item === 2 ? code === "missing" : code === "not_moved"))).toEqual([
          true,
          true,
        ]);
      }
    });
  },
);

test.each([
  ["released", 2],
  ["finished", 1],
] as const)(
  "what a batch moved before its process was killed, when %s, is counted as its work",
  async (step, visit) => {
    await using place = await start();
    const items = [1, 2, 3, 4, 5, 6];
    await place.fill(
      archive,
      items.map((id) => makeLead(id)),
    );
    await place.fill("vicidial_callbacks_archive", [
      { callback_id: 4, lead_id: 1, status: "ACTIVE", callback_time: null, comments: "Ring José" },
    ]);
    await place.fill("vicidial_list_alt_phones", [{ lead_id: 1, phone_number: "555" }]);
    place.killedAt(step, visit, items, { ...both, restore_callbacks: true });
    await place.process(async ({ host }) => {
      const [batch] = await host.batches.list({ limit: 1 });
      expect(await host.batches.wait(batch?.id ?? 0)).toMatchObject({
        counts: { done: 6, skipped: 0, failed: 0, unknown: 0 },
        tally: {
          select_count: 6,
          insert_count: 6,
          update_count: 0,
          delete_count: 6,
          archived_callbacks: 1,
          restored_callbacks: 1,
          alt_phones: 1,
        },
      });
    });
    expect([await place.ids(live), await place.ids(archive)]).toEqual([items, []]);
    expect([await place.ids("vicidial_callbacks"), await place.ids("vicidial_callbacks_archive")]).toEqual([[1], []]);
    expect(await place.rows("vicidial_admin_log")).toMatchObject([
      { event_notes: expect.stringMatching(/^6 .*de-archived\|6 .*deleted\|/) },
    ]);
  },
);

test("restores callbacks of live leads despite unreadable tables", async () => {
  await using place = await start();
  await place.fill(live, [makeLead(1)]);
  await place.fill("vicidial_callbacks_archive", [
    { callback_id: 4, lead_id: 1, status: "ACTIVE", callback_time: null, comments: null },
  ]);
  await place.admin.query("ALTER TABLE vicidial_dnc CHANGE phone_number number VARCHAR(18)");
  await place.process(async ({ host }) => {
    const params = { ...both, restore_callbacks: true };
    const batch = await host.batches.submit({ operation: "vicidial.leads.dearchive", items: [1], params });
    expect(batch).toMatchObject({ counts: { skipped: 1 }, tally: { restored_callbacks: 1 } });
  });
  expect(await place.ids("vicidial_callbacks")).toEqual([1]);
});

test("warns about moves under another name and recovers them by it", async () => {
  await using place = await start();
  await place.fill(archive, [makeLead(1), makeLead(2)]);
  place.killedAt("released", 1, [1, 2]);
  await place.admin.query(`DELETE FROM ${live}`);
  const warnings: unknown[] = [];
  const silent = { debug() {}, info() {}, error() {} };
  const log = { ...silent, warn: (details: object, message: string) => void warnings.push({ ...details, message }) };
  const name = "former:3306/asterisk";
  const host = await createHost({ databaseUrl: place.ledger, role: "web" });
  await sql`update vicidial_journal set database_name = ${name}`.execute(host.database.tables());
  await host.close();
  await place.process(async () => {}, { log });
  expect(warnings).toContainEqual(
    expect.objectContaining({ other: name, message: expect.stringContaining("set `site` to that name") }),
  );
  expect(await place.ids(archive)).toEqual([]);
  await place.process(async () => {}, { site: name });
  expect((await place.ids(archive)).concat(await place.ids(live)).toSorted()).toEqual([1, 2]);
});
