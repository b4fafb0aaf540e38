import { sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { startGateway } from "./testing/gateway-process.ts";
import { writeRequest } from "./testing/http-connection.ts";
import { measureOverload } from "./testing/overload.ts";

describe("a gateway under ten times its capacity", () => {
  test("turns calls away, goes on working, and is well at once afterwards", async () => {
    await using database = sqliteDatabase();
    await using gateway = await startGateway({
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_DEMO: "true",
      REINSTATE_FIRSTPROMOTER_RATE_LIMIT: "0",
      REINSTATE_MAX_IN_FLIGHT: "32",
      LOG_LEVEL: "warn",
    });
    const headers = {
      authorization: "Bearer demo-firstpromoter-key",
      "account-id": "acc_demo",
      "content-type": "application/json",
    };
    const requests = Array.from({ length: 50 }, (_, index) =>
      writeRequest(
        "POST",
        "/api/v2/company/promoters/restore",
        headers,
        JSON.stringify({ ids: [index + 1] }),
      ).toString(),
    );
    const figures = await measureOverload(gateway, { calmSeconds: 2, overloadSeconds: 4, factor: 10, requests });
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    // The targets need a quiet machine; `pnpm soak` has them.
    expect(Object.keys(figures.statuses).filter((status) => !["200", "503"].includes(status))).toEqual([]);
    expect(figures.statuses[200]).toBeGreaterThan(0);
    expect(figures.statuses[503]).toBeGreaterThan(0);
    expect(Number.isFinite(figures.healthP99Ms)).toBe(true);
    expect(figures.megabytes).toBeLessThan(512);
    expect(figures.recoverySeconds).toBeLessThan(60);
    expect(gateway.output().err).toContain('"msg":"calls turned away"');
  });
});
