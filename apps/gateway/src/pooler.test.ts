import { until } from "@reinstate/batch-core/testing";
import { postgresDatabase } from "@reinstate/tooling/databases";
import { type PgbouncerService, privatePgbouncer } from "@reinstate/tooling/services";
import { afterEach, describe, expect, test } from "vitest";
import { run, startGateway } from "./testing/gateway-process.ts";

const engines = ["in-process", "pg-boss"] as const;

const losesStatements = /^reinstate: .*pooler.* loses prepared statements: set max_prepared_statements .*\n$/;

let pooler: PgbouncerService | undefined;
afterEach(() => pooler?.stop());

/** Fewer servers than the gateway has connections, so that they are shared. */
async function startPooler(url: string, ...settings: string[]) {
  pooler = await privatePgbouncer(url, ["default_pool_size = 4", ...settings]);
  return pooler;
}

/** Runs a batch in several chunks behind the pooler. */
async function restore(url: string, engine: string): Promise<unknown> {
  await using gateway = await startGateway({
    REINSTATE_DATABASE_URL: url,
    REINSTATE_ENGINE: engine,
    REINSTATE_DEMO: "yes",
  });
  const headers = { authorization: "Bearer demo-admin-key", "content-type": "application/x-ndjson" };
  const query = "operation=firstpromoter.promoters.restore&account=acc_demo";
  const body = Array.from({ length: 900 }, (_, index) => `${index + 1}\n`).join("");
  const accepted = await fetch(`${gateway.baseUrl}/v1/batches?${query}`, { method: "POST", headers, body });
  expect(accepted.status).toBe(202);
  // Many small calls beside it: each takes another server.
  const calls = Array.from({ length: 60 }, (_, index) =>
    fetch(`${gateway.baseUrl}/v1/batches`, {
      method: "POST",
      headers: { ...headers, "content-type": "application/json" },
      body: JSON.stringify({ operation: "firstpromoter.promoters.archive", account: "acc_demo", items: [index + 901] }),
    }),
  );
  for (const call of calls) expect((await call).status).toBe(201);
  const batch = await until(async () => {
    const response = await fetch(`${gateway.baseUrl}${accepted.headers.get("location")}`, { headers });
    const batch = (await response.json()) as { status: string; done: number; failed: number };
    return batch.status === "completed" && batch;
  });
  expect((await fetch(`${gateway.baseUrl}/readyz`)).status).toBe(200);
  expect(await gateway.end("SIGTERM")).toBe(0);
  expect(gateway.output().err).not.toMatch(/"level":[456]\d/);
  return batch;
}

/** Expects that no command starts, with one line that names the way out. */
async function expectRefusal(url: string, line: RegExp): Promise<void> {
  for (const REINSTATE_ENGINE of engines) {
    const { status, out, err } = await run(["serve"], { REINSTATE_DATABASE_URL: url, REINSTATE_ENGINE });
    expect({ status, out }).toEqual({ status: 2, out: "" });
    expect(err).toMatch(line);
    expect(err.trim().split("\n")).toHaveLength(1);
  }
}

describe("behind PgBouncer", () => {
  test.each(engines)("works in session mode with the engine %s", async (engine) => {
    await using database = await postgresDatabase();
    const { url } = await startPooler(database.url, "pool_mode = session", "default_pool_size = 40");
    expect(await restore(url, engine)).toMatchObject({ done: 900, failed: 0 });
  });

  test.each(engines)(
    "works in transaction mode if it keeps prepared statements, with the engine %s",
    async (engine) => {
      await using database = await postgresDatabase();
      const plain = await startPooler(database.url, "pool_mode = transaction");
      if (!plain.keepsPreparedStatements) return expectRefusal(plain.url, losesStatements);
      plain.stop();
      const { url } = await startPooler(database.url, "pool_mode = transaction", "max_prepared_statements = 100");
      expect(await restore(url, engine)).toMatchObject({ done: 900, failed: 0 });
    },
  );

  test("starts with the setting options where the pooler ignores it", async () => {
    await using database = await postgresDatabase();
    const ignoring = ["pool_mode = session", "default_pool_size = 40", "ignore_startup_parameters = options"];
    const { url } = await startPooler(database.url, ...ignoring);
    expect(await restore(url, "pg-boss")).toMatchObject({ done: 900, failed: 0 });
  });

  test.each([1, 4])("does not start if %i servers lose prepared statements", async (size) => {
    await using database = await postgresDatabase();
    const { keepsPreparedStatements } = await startPooler(database.url, "pool_mode = session");
    pooler?.stop();
    const { url } = await startPooler(
      database.url,
      "pool_mode = transaction",
      `default_pool_size = ${size}`,
      ...(keepsPreparedStatements ? ["max_prepared_statements = 0"] : []),
    );
    await expectRefusal(url, losesStatements);
  });

  test("does not start in statement mode", async () => {
    await using database = await postgresDatabase();
    const { url } = await startPooler(database.url, "pool_mode = statement");
    await expectRefusal(url, /^reinstate: .*pooler.* allows no transactions: set pool_mode to transaction .*\n$/);
  });

  test("names a parameter of the URL that the pooler rejects", async () => {
    await using database = await postgresDatabase();
    const { url } = await startPooler(database.url, "pool_mode = session");
    await expectRefusal(`${url}?statement_timeout=1000`, /^reinstate: .*pooler.* rejects statement_timeout: .*\n$/);
  });
});
