import { randomBytes } from "node:crypto";
import { copyFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { createTestHost } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { privateMariadb } from "@reinstate/tooling/services";
import { sql } from "kysely";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createVicidial } from "../../create.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import type { Lead } from "../../leads/columns.ts";
import { makeLead } from "../../leads/make-lead.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const leadIds = Array.from({ length: 20 }, (_, index) => index + 1);

// A server that writes statements to its log, whose files are ours to spoil, and that mends none of them by itself.
let server: Awaited<ReturnType<typeof privateMariadb>>;
beforeAll(async () => {
  const log = ["--log-bin=log", "--server-id=1", "--binlog-format=STATEMENT"];
  server = await privateMariadb([...log, "--myisam-recover-options=OFF"]);
}, 60_000);
afterAll(() => server.stop());

/** Archived leads in a database of this server, twenty or as given, and the API in front of it. */
async function setUp(engine: string, leads: Lead[] = leadIds.map((id) => makeLead(id))) {
  const name = `site_${randomBytes(5).toString("hex")}`;
  const root = await mysql.createConnection({ uri: server.url, dateStrings: true });
  await root.query("SET time_zone = '+00:00'");
  await root.query(`CREATE DATABASE ${name} DEFAULT CHARACTER SET utf8mb3`);
  await root.query(`USE ${name}`);
  for (const statement of leadTables({ live: engine, archive: engine })) await root.query(statement);
  await insertRows(root, archive, leads);
  const ledger = sqliteDatabase();
  const open = () => createTestHost({ databaseUrl: ledger.url, role: "web" });
  let host = await open();
  const { secret } = await host.keys.create({ vendor: "vicidial" });
  const options = { url: Object.assign(new URL(server.url), { pathname: name }).href };
  let vicidial = await createVicidial(host, options);
  return {
    root,
    async dearchive(lead_ids = leadIds) {
      const response = await vicidial.routes.fetch(
        new Request("http://localhost/vicidial/leads/dearchive", {
          method: "POST",
          headers: { authorization: `Key=${secret}` },
          body: JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids }),
        }),
      );
      return { status: response.status, text: await response.text() };
    },
    /** The process ends, before it has noted that its moves have come to their end, and another one takes over. */
    async restart(meanwhile = async () => {}) {
      await vicidial.close();
      await sql`update vicidial_journal set state = 'open'`.execute(host.database.tables());
      await host.close();
      // The server closes its tables, and no client opens them while their files are spoilt.
      await root.query("FLUSH TABLES");
      await meanwhile();
      host = await open();
      vicidial = await createVicidial(host, options);
    },
    async file(table: string) {
      const [[folder]] = await root.query<RowDataPacket[]>("SELECT @@datadir AS name");
      return join(String(folder?.name), name, table);
    },
    async stamps(table: string) {
      const [rows] = await root.query<RowDataPacket[]>(`SELECT lead_id, modify_date FROM ${table} ORDER BY lead_id`);
      return rows.map(({ lead_id, modify_date }) => [lead_id, modify_date]);
    },
    async ids(table: string) {
      const [rows] = await root.query<RowDataPacket[]>(`SELECT lead_id FROM ${table} ORDER BY lead_id`);
      return rows.map((row) => Number(row.lead_id));
    },
    async [Symbol.asyncDispose]() {
      await vicidial.close();
      await host.close();
      await ledger[Symbol.asyncDispose]();
      await root.end();
    },
  };
}

test("moves leads on a server with a statement-based binlog", async () => {
  await using place = await setUp("InnoDB");
  const { status, text } = await place.dearchive();
  expect([status, JSON.parse(text)]).toMatchObject([200, { insert_count: 20, delete_count: 20 }]);
  expect([await place.ids(live), await place.ids(archive)]).toEqual([leadIds, []]);
});

test("names a damaged table and moves no lead until its repair", async () => {
  await using place = await setUp("MyISAM");
  const index = await place.file(`${archive}.MYI`);
  await place.restart(async () => truncateSync(index, 1500));
  const { status, text } = await place.dearchive();
  expect(status).toBe(500);
  expect(text).toContain("REPAIR TABLE");
  expect(await place.ids(live)).toEqual([]);
  await place.root.query(`REPAIR TABLE ${archive}`);
  expect(await place.ids(archive)).toEqual(leadIds);
  expect((await place.dearchive()).status).toBe(200);
  expect([await place.ids(live), await place.ids(archive)]).toEqual([leadIds, []]);
});

test("concludes nothing from a damaged table and recovers after its repair", async () => {
  await using place = await setUp("MyISAM");
  // The index as it lies on disk while the server still has to write what it knows, which a crash keeps it from.
  await insertRows(place.root, live, [makeLead(99)]);
  await place.root.query(`DELETE FROM ${live}`);
  const [index, before] = [await place.file(`${live}.MYI`), await place.file("before")];
  copyFileSync(index, before);
  expect((await place.dearchive([1, 2, 3])).status).toBe(200);
  await place.restart(async () => {
    copyFileSync(before, index);
    expect(await place.ids(live)).toEqual([]);
  });
  for (let round = 0; round < 2; round++) {
    const { status, text } = await place.dearchive([4]);
    expect([status, text]).toEqual([500, expect.stringMatching(`${live}.*REPAIR TABLE`)]);
  }
  expect(await place.ids(archive)).toEqual(leadIds.slice(3));
  await place.root.query(`REPAIR TABLE ${live}`);
  expect((await place.dearchive([4])).status).toBe(200);
  expect([await place.ids(live), await place.ids(archive)]).toEqual([[1, 2, 3, 4], leadIds.slice(4)]);
});

test.each(["MyISAM", "InnoDB"])(
  "%s: in an hour that the server's clock strikes twice, each time stays the one that it is",
  async (engine) => {
    // Clocks were put forward at the first of these, and back at the second: 02:30 was at 00:30 UTC and at 01:30 UTC.
    const [forward, back] = [Date.UTC(2025, 2, 30, 1) / 1000, Date.UTC(2025, 9, 26, 1) / 1000];
    const [summer, winter] = ["2025-10-26 00:30:00", "2025-10-26 01:30:00"];
    await using place = await setUp(
      engine,
      [summer, summer, winter].map((modify_date, index) => makeLead(index + 1, { modify_date })),
    );
    for (const statement of [
      "REPLACE INTO mysql.time_zone VALUES (1, 'N')",
      "REPLACE INTO mysql.time_zone_name VALUES ('Twice', 1)",
      "REPLACE INTO mysql.time_zone_transition_type VALUES (1, 0, 3600, 0, 'W'), (1, 1, 7200, 1, 'S')",
      `REPLACE INTO mysql.time_zone_transition VALUES (1, ${forward}, 1), (1, ${back}, 0)`,
      "SET GLOBAL time_zone = 'Twice'",
    ]) {
      await place.root.query(statement);
    }
    await insertRows(place.root, live, [makeLead(1, { modify_date: winter })]);
    await place.restart();
    const { text } = await place.dearchive([1, 2, 3]);
    await place.root.query(`DELETE FROM ${live} WHERE lead_id = 3`);
    const moved = [await place.stamps(live), await place.stamps(archive)];
    await place.root.query(`DELETE FROM ${live} WHERE lead_id = 2`);
    // The next session restores lost leads.
    await place.restart();
    await place.dearchive([1]);
    await place.root.query("SET GLOBAL time_zone = 'SYSTEM'");
    expect(JSON.parse(text)).toMatchObject({ select_count: 3, insert_count: 2, delete_count: 2 });
    expect(moved).toEqual([
      [
        [1, winter],
        [2, summer],
      ],
      [[1, summer]],
    ]);
    expect(await place.stamps(archive)).toEqual([
      [1, summer],
      [2, summer],
      [3, winter],
    ]);
  },
);
