import { mariadbDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import { leadTables, makeLead } from "@reinstate/vicidial/testing";
import mysql, { type Connection, type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { run, startGateway } from "./testing/gateway-process.ts";

const engines = [
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "InnoDB" },
  { live: "MyISAM", archive: "InnoDB" },
  { live: "InnoDB", archive: "MyISAM" },
];

const ids = Array.from({ length: 500 }, (_, index) => index + 1);
const readRows = async (connection: Connection, table: string) =>
  (await connection.query<RowDataPacket[]>(`select * from ${table} order by lead_id`))[0];

describe.each(engines)("the gateway before a VICIdial database, live $live, archive $archive", (engine) => {
  test("500 leads come back as they were, column by column, and every other table row stays", async () => {
    await using vicidial = await mariadbDatabase();
    await using database = sqliteDatabase();
    const connection = await mysql.createConnection({ uri: vicidial.url, dateStrings: true, timezone: "Z" });
    try {
      await connection.query("set time_zone = '+00:00'");
      for (const statement of leadTables(engine)) await connection.query(statement);
      const leads = [...ids, 501].map((id) => makeLead(id));
      const columns = Object.keys(leads[0] ?? {});
      await connection.query(
        `insert into vicidial_list_archive (${columns.map((name) => `\`${name}\``).join(", ")}) values ?`,
        [leads.map((lead) => Object.values(lead))],
      );
      const before = await readRows(connection, "vicidial_list_archive");

      const settings = { REINSTATE_DATABASE_URL: database.url, REINSTATE_VICIDIAL_URL: vicidial.url };
      const key = (await run(["keys", "create", "--vendor", "vicidial"], settings)).out.trim();
      await using gateway = await startGateway(settings);
      const call = async (verb: string, body: object) => {
        const response = await fetch(`${gateway.baseUrl}/vicidial/leads/${verb}`, {
          method: "POST",
          headers: { authorization: `Key=${key}`, "content-type": "application/json" },
          body: JSON.stringify(body),
        });
        return { status: response.status, body: await response.json() };
      };
      const message = "lead_ids batch was successfully processed";
      const flags = { insert_leads: true, delete_leads: true, lead_ids: ids };

      expect(await call("dearchive", { ...flags, lead_ids: [1] })).toEqual({
        status: 200,
        body: { message, select_count: 1, insert_count: 1, delete_count: 1 },
      });
      expect(await call("dearchive", flags)).toMatchObject({ status: 400, body: { lead_ids: [1] } });
      expect(await call("archive", { ...flags, lead_ids: [1], update_leads: true })).toMatchObject({ status: 200 });
      expect(await call("dearchive", flags)).toEqual({
        status: 200,
        body: { message, select_count: 500, insert_count: 500, delete_count: 500 },
      });
      expect(await readRows(connection, "vicidial_list")).toEqual(before.slice(0, 500));
      expect(await readRows(connection, "vicidial_list_archive")).toEqual(before.slice(500));

      expect(await call("archive", { ...flags, update_leads: true })).toMatchObject({
        body: { insert_count: 500, delete_count: 500 },
      });
      expect(await readRows(connection, "vicidial_list")).toEqual([]);
      expect(await readRows(connection, "vicidial_list_archive")).toEqual(before);
      expect((await fetch(`${gateway.baseUrl}/readyz`)).status).toBe(200);
      expect(await gateway.end("SIGTERM")).toBe(0);
    } finally {
      await connection.end();
    }
  });
});
