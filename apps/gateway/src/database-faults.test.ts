import { until } from "@reinstate/batch-core/testing";
import { privatePostgres } from "@reinstate/tooling/services";
import { describe, expect, test } from "vitest";
import { areAllAnswered, expectUnavailable } from "./testing/demo-calls.ts";
import { startGateway } from "./testing/gateway-process.ts";

async function timed<Result>(work: () => Promise<Result>): Promise<{ result: Result; seconds: number }> {
  const started = performance.now();
  const result = await work();
  return { result, seconds: (performance.now() - started) / 1000 };
}

const readyz = async (baseUrl: string) => (await fetch(`${baseUrl}/readyz`)).status;

/** For a machine that is busy with other tests. */
const slack = 5;

describe.each(["in-process", "pg-boss"])("the gateway with the engine %s", (engine) => {
  test("answers 503 while PostgreSQL is silent, goes on afterwards, and ends in time", {
    timeout: 180_000,
  }, async () => {
    const postgres = await privatePostgres();
    try {
      const settings = { REINSTATE_DATABASE_URL: postgres.url, REINSTATE_ENGINE: engine, REINSTATE_DEMO: "true" };
      await using gateway = await startGateway({ ...settings, REINSTATE_GRACE_SECONDS: "8" });
      const { baseUrl } = gateway;
      await until(async () => (await readyz(baseUrl)) === 200);
      postgres.pause();
      // A check that succeeded just before is believed for a moment.
      await until(async () => (await readyz(baseUrl)) === 503);
      const [ready] = await Promise.all([timed(() => readyz(baseUrl)), expectUnavailable(baseUrl, 10 + slack)]);
      expect(ready.result).toBe(503);
      expect(ready.seconds).toBeLessThan(2 + slack);
      // Also with every connection cut by now, and none to be had.
      await expectUnavailable(baseUrl, 10 + slack);
      postgres.resume();
      await until(async () => (await areAllAnswered(baseUrl)) && (await readyz(baseUrl)) === 200, {
        timeoutMs: 60_000,
      });

      postgres.pause();
      void fetch(`${baseUrl}/v1/batches`, { headers: { authorization: "Bearer demo-admin-key" } }).catch(() => {});
      const { seconds } = await timed(() => gateway.end("SIGTERM"));
      expect(seconds).toBeLessThan(8 + slack);
    } finally {
      postgres.resume();
      postgres.stop();
    }
  });

  test("answers 503 while PostgreSQL is away, and goes on afterwards", { timeout: 180_000 }, async () => {
    const postgres = await privatePostgres();
    try {
      const settings = { REINSTATE_DATABASE_URL: postgres.url, REINSTATE_ENGINE: engine, REINSTATE_DEMO: "true" };
      await using gateway = await startGateway(settings);
      const { baseUrl } = gateway;
      await postgres.kill();
      await expectUnavailable(baseUrl, 10 + slack);
      expect(await readyz(baseUrl)).toBe(503);
      await postgres.start();
      await until(async () => (await areAllAnswered(baseUrl)) && (await readyz(baseUrl)) === 200, {
        timeoutMs: 60_000,
      });
    } finally {
      postgres.stop();
    }
  });
});
