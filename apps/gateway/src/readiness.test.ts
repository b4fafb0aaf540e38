import { until } from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { privateMariadb, privatePostgres } from "@reinstate/tooling/services";
import { leadTables } from "@reinstate/vicidial/testing";
import mysql from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { run, startGateway } from "./testing/gateway-process.ts";

async function get(url: string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { headers });
  return {
    status: response.status,
    body: (await response.json()) as object,
    retry: response.headers.get("retry-after"),
  };
}

describe("readiness", () => {
  test("tells the state of each vendor", async () => {
    await using database = sqliteDatabase();
    await using gateway = await startGateway({ REINSTATE_DATABASE_URL: database.url });
    const status = "ready";
    expect(await get(`${gateway.baseUrl}/readyz`)).toMatchObject({
      status: 200,
      body: {
        status,
        ledger: { status },
        vendors: { firstpromoter: { status }, altcraft: { status }, vicidial: { status } },
      },
    });
    for (const vendor of ["firstpromoter", "altcraft", "vicidial"]) {
      expect(await get(`${gateway.baseUrl}/readyz/${vendor}`)).toEqual({ status: 200, body: { status }, retry: null });
    }
    expect((await get(`${gateway.baseUrl}/readyz/unknown`)).status).toBe(404);
  });

  test("keeps the other vendors while one database is away, from the start on", async () => {
    await using database = sqliteDatabase();
    const mariadb = await privateMariadb([]);
    try {
      const connection = await mysql.createConnection(mariadb.url);
      await connection.query("create database asterisk");
      await connection.query("use asterisk");
      for (const statement of leadTables({ live: "InnoDB", archive: "InnoDB" })) await connection.query(statement);
      connection.destroy();
      await mariadb.kill();

      const settings = {
        REINSTATE_DATABASE_URL: database.url,
        REINSTATE_VICIDIAL_URL: `${mariadb.url}asterisk`,
      };
      const createKey = async (...args: string[]) => (await run(["keys", "create", ...args], settings)).out.trim();
      const key = await createKey("--vendor", "vicidial");
      const oldKey = await createKey("--vendor", "vicidial", "--option", "dialect=L1");
      const other = await createKey("--vendor", "firstpromoter", "--account", "acc_1");
      await using gateway = await startGateway(settings);

      expect(await get(`${gateway.baseUrl}/readyz`)).toMatchObject({
        status: 200,
        body: {
          status: "ready",
          vendors: { firstpromoter: { status: "ready" }, vicidial: { status: "not ready" } },
        },
      });
      expect(await get(`${gateway.baseUrl}/readyz/vicidial`)).toMatchObject({
        status: 503,
        body: { status: "not ready" },
        retry: "5",
      });
      expect((await get(`${gateway.baseUrl}/readyz/firstpromoter`)).status).toBe(200);
      const promoters = `${gateway.baseUrl}/api/v2/company/promoters`;
      expect((await get(promoters, { authorization: `Bearer ${other}`, "account-id": "acc_1" })).status).toBe(200);

      const call = async (secret: string) => {
        const response = await fetch(`${gateway.baseUrl}/vicidial/leads/dearchive`, {
          method: "POST",
          headers: { authorization: `Key=${secret}` },
          body: JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids: [5] }),
        });
        const { status, headers } = response;
        return { status, retry: headers.get("retry-after"), body: await response.json() };
      };
      const message = expect.stringContaining("The VICIdial database cannot be reached");
      expect(await call(key)).toEqual({ status: 503, retry: "5", body: { message, lead_errors: 0, lead_ids: [] } });
      expect(await call(oldKey)).toEqual({ status: 503, retry: "5", body: { error: message, status_code: 503 } });

      await mariadb.start();
      expect((await get(`${gateway.baseUrl}/readyz/vicidial`)).status).toBe(200);
      expect(await call(key)).toMatchObject({ status: 400, body: { message: "lead_ids does not exist" } });
    } finally {
      mariadb.stop();
    }
  });

  test("ends while the ledger is away, and life goes on", async () => {
    const postgres = await privatePostgres();
    try {
      await using gateway = await startGateway({ REINSTATE_DATABASE_URL: postgres.url });
      expect((await get(`${gateway.baseUrl}/readyz`)).status).toBe(200);
      await postgres.kill();
      // A successful probe counts for a moment.
      await until(async () => (await get(`${gateway.baseUrl}/readyz`)).status === 503);
      expect(await get(`${gateway.baseUrl}/readyz`)).toMatchObject({
        status: 503,
        body: {
          status: "not ready",
          ledger: { status: "not ready" },
          vendors: { firstpromoter: { status: "not ready" }, vicidial: { status: "not ready" } },
        },
        retry: "5",
      });
      expect((await get(`${gateway.baseUrl}/readyz/firstpromoter`)).status).toBe(503);
      expect((await get(`${gateway.baseUrl}/healthz`)).status).toBe(200);
    } finally {
      postgres.stop();
    }
  });
});
