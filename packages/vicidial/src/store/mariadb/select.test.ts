import { systemClock } from "@reinstate/batch-core";
import { createV1Routes } from "@reinstate/batch-core/http";
import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import mysql from "mysql2/promise";
import { expect, test } from "vitest";
import { createVicidial } from "../../create.ts";
import { dialerTables } from "../../fixtures/dialer-tables.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";
import { selectLeads } from "./select.ts";

const archive = "vicidial_list_archive";
const params = { insert_leads: true, delete_leads: true };

async function start() {
  const database = await mariadbDatabase();
  const admin = await mysql.createConnection({ uri: database.url, dateStrings: true });
  for (const statement of [...leadTables({ live: "MyISAM", archive: "MyISAM" }), ...dialerTables]) {
    await admin.query(statement);
  }
  return {
    admin,
    url: database.url,
    async [Symbol.asyncDispose]() {
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

async function startApi(url?: string) {
  const host = await createTestHost();
  const vicidial = await createVicidial(host, url === undefined ? {} : { url });
  const { secret } = await host.keys.create({ vendor: "admin" });
  const routes = createV1Routes(host);
  return {
    host,
    vicidial,
    async ask(body: object) {
      const headers = { authorization: `Bearer ${secret}`, "content-type": "application/json" };
      const request = new Request("http://localhost/v1/batches", {
        method: "POST",
        headers,
        body: JSON.stringify(body),
      });
      const response = await routes.fetch(request);
      return [response.status, await response.json()] as [number, Record<string, never>];
    },
    async [Symbol.asyncDispose]() {
      await host.close();
      await vicidial.close();
    },
  };
}

test.each([
  [{ list_id: 7 }, [10, 11]],
  [{ campaign_id: "SALES" }, [10, 11]],
  [{ campaign_id: ["SALES", "CARE"], status: ["SALE"] }, [11, 12]],
  [{ phone_number: "555" }, [13]],
  [{ entry_date_from: "2025-06-01", entry_date_before: "2025-07-01" }, [14]],
])("a batch over what the filter %j finds", async (filter, expected) => {
  await using setup = await start();
  await using api = await startApi(setup.url);
  await insertRows(setup.admin, "vicidial_lists", [
    { list_id: 7, campaign_id: "SALES", active: "Y" },
    { list_id: 8, campaign_id: "CARE", active: "Y" },
  ]);
  await insertRows(setup.admin, archive, [
    makeLead(10, { list_id: 7 }),
    makeLead(11, { list_id: 7, status: "SALE" }),
    makeLead(12, { list_id: 8, status: "SALE" }),
    makeLead(13, { phone_number: "555", status: "SALE" }),
    makeLead(14, { entry_date: "2025-06-30 23:59:59" }),
  ]);
  const [status, batch] = await api.ask({ operation: "vicidial.leads.dearchive", filter, params });
  expect([status, batch]).toMatchObject([201, { total: expected.length, params: { ...params, filter } }]);
  const [rows] = await setup.admin.query({ sql: "SELECT lead_id FROM vicidial_list ORDER BY 1", rowsAsArray: true });
  expect((rows as unknown as [number][]).flat()).toEqual(expected);
});

test("refuses invalid and empty filters with the path", async () => {
  await using setup = await start();
  await using api = await startApi(setup.url);
  const refusal = async (filter: object) => {
    const [status, { detail }] = await api.ask({
      operation: "vicidial.leads.archive",
      filter,
      params: { ...params, update_leads: true },
    });
    return [status, detail];
  };
  expect(await refusal({ list_id: 1 })).toEqual([422, "filter: finds nothing"]);
  expect(await refusal({})).toEqual([422, expect.stringContaining("filter: at least one of")]);
  expect(await refusal({ entry_date_from: "yesterday" })).toEqual([
    422,
    expect.stringContaining("filter.entry_date_from"),
  ]);
  const withItems = {
    operation: "vicidial.leads.dearchive",
    items: [1],
    params: { ...params, filter: { list_id: 1 } },
  };
  expect(await api.ask(withItems)).toMatchObject([422, { errors: [{ path: "params" }] }]);
  await setup.admin.query(`DROP TABLE ${archive}`);
  expect((await refusal({ status: "SALE" }))[0]).toBe(422);
});

test("rejects campaign_id on the demo tables", async () => {
  await using api = await startApi();
  const asked = { operation: "vicidial.leads.dearchive", filter: { campaign_id: "SALES" }, params };
  expect(await api.ask(asked)).toMatchObject([409, { detail: "campaign_id: the demo tables have no campaigns" }]);
});

test("scans a table without an index in pieces with pauses", async () => {
  await using setup = await start();
  const rows = 64_000;
  await insertRows(
    setup.admin,
    archive,
    Array.from({ length: 1000 }, (_, index) => makeLead(index + 1)),
  );
  const names = Object.keys(makeLead(1)).map((name) => `\`${name}\``);
  for (let there = 1000; there < rows; there *= 2) {
    await setup.admin.query(
      `INSERT INTO ${archive} (${names}) SELECT ${names.with(0, `lead_id + ${there}`)} FROM ${archive}`,
    );
  }
  await setup.admin.query(`UPDATE ${archive} SET entry_date = '2031-01-01' WHERE lead_id IN (1, 40000, ${rows})`);
  const sizes: number[] = [];
  const pauses: number[] = [];
  let now = 0;
  const clock = {
    ...systemClock,
    // By it each piece takes 40 ms.
    now: () => (now += 40),
    sleep: async (ms: number) => void pauses.push(ms),
  };
  const ask: Parameters<typeof selectLeads>[0] = (work) =>
    work({
      ...setup.admin,
      async query(options: { sql: string; values: unknown[] }) {
        if (options.sql.includes("AS piece")) sizes.push(Number(options.values.at(-1)));
        return setup.admin.query(options);
      },
    } as never);
  const found: number[] = [];
  // So little time that the server gives the search up, before it has begun or within it.
  const search = selectLeads(ask, clock, archive, { entry_date_from: "2030-01-01" }, 0.1);
  for await (const ids of search) found.push(...ids);
  expect(found).toEqual([1, 40_000, rows]);
  expect(sizes.slice(0, 6)).toEqual([2000, 1000, 500, 250, 125, 100]);
  expect(sizes.at(-1)).toBe(100);
  expect(pauses).toEqual(pauses.map(() => 40));
  expect(pauses.length).toBe(sizes.length - 1);
});
