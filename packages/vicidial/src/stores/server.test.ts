import { truncateSync } from "node:fs";
import { join } from "node:path";
import { createTestHost } from "@reinstate/batch-core/testing";
import { privateMariadb } from "@reinstate/tooling/services";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createVicidial } from "../create.ts";
import { insertRows } from "../fixtures/insert-rows.ts";
import { leadTables } from "../fixtures/vicidial-tables.ts";
import { makeLead } from "../lead.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const leadIds = Array.from({ length: 20 }, (_, index) => index + 1);

// A server that writes statements to its log, and whose files are ours to spoil.
let server: Awaited<ReturnType<typeof privateMariadb>>;
beforeAll(async () => {
  server = await privateMariadb(["--log-bin=log", "--server-id=1", "--binlog-format=STATEMENT"]);
}, 60_000);
afterAll(() => server.stop());

/** Twenty archived leads in a database of this server, and the API in front of it. */
async function site(name: string, engine: string) {
  const root = await mysql.createConnection({ uri: server.url });
  await root.query(`CREATE DATABASE ${name} DEFAULT CHARACTER SET utf8mb3`);
  await root.query(`USE ${name}`);
  for (const statement of leadTables({ live: engine, archive: engine })) await root.query(statement);
  await insertRows(
    root,
    archive,
    leadIds.map((id) => makeLead(id)),
  );
  const host = await createTestHost({ role: "web" });
  const { secret } = await host.keys.create({ vendor: "vicidial" });
  const vicidial = await createVicidial(host, { url: Object.assign(new URL(server.url), { pathname: name }).href });
  return {
    root,
    async dearchive() {
      const response = await vicidial.routes.fetch(
        new Request("http://localhost/vicidial/leads/dearchive", {
          method: "POST",
          headers: { authorization: `Key=${secret}` },
          body: JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids: leadIds }),
        }),
      );
      return { status: response.status, text: await response.text() };
    },
    async ids(table: string) {
      const [rows] = await root.query<RowDataPacket[]>(`SELECT lead_id FROM ${table} ORDER BY lead_id`);
      return rows.map((row) => Number(row.lead_id));
    },
    async [Symbol.asyncDispose]() {
      await vicidial.close();
      await host.close();
      await root.end();
    },
  };
}

test("a server that logs statements forbids InnoDB to lock rows alone, and leads are moved all the same", async () => {
  await using place = await site("statements", "InnoDB");
  const { status, text } = await place.dearchive();
  expect([status, JSON.parse(text)]).toMatchObject([200, { insert_count: 20, delete_count: 20 }]);
  expect([await place.ids(live), await place.ids(archive)]).toEqual([leadIds, []]);
});

test("a table that is damaged is named with the way out, and no lead is moved until it is mended", async () => {
  await using place = await site("damaged", "MyISAM");
  await place.root.query("FLUSH TABLES");
  const [[folder]] = await place.root.query<RowDataPacket[]>("SELECT @@datadir AS name");
  truncateSync(join(String(folder?.name), "damaged", `${archive}.MYI`), 1500);
  const { status, text } = await place.dearchive();
  expect(status).toBe(500);
  expect(text).toContain("REPAIR TABLE");
  expect(await place.ids(live)).toEqual([]);
  await place.root.query(`REPAIR TABLE ${archive}`);
  expect(await place.ids(archive)).toEqual(leadIds);
  expect((await place.dearchive()).status).toBe(200);
  expect([await place.ids(live), await place.ids(archive)]).toEqual([leadIds, []]);
});
