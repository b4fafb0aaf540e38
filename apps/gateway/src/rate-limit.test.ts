import { postgresDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { run, startGateway } from "./testing/gateway-process.ts";

const perMinute = 100;

describe("two gateways on one PostgreSQL", () => {
  test("share the rate limit of an account", async () => {
    await using database = await postgresDatabase();
    const settings = {
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_ROLE: "web",
      REINSTATE_FIRSTPROMOTER_RATE_LIMIT: String(perMinute),
    };
    const createKey = async (account: string) =>
      (await run(["keys", "create", "--vendor", "firstpromoter", "--account", account], settings)).out.trim();
    const key = await createKey("acc_a");
    const otherKey = await createKey("acc_b");
    await using one = await startGateway(settings);
    await using other = await startGateway(settings);
    const call = ({ baseUrl }: { baseUrl: string }, secret = key, account = "acc_a") =>
      fetch(`${baseUrl}/api/v2/company/batch_processes`, {
        headers: { authorization: `Bearer ${secret}`, "account-id": account },
      });

    let admitted = 0;
    const begin = Date.now();
    for (let round = 0; round < 15; round++) {
      const replies = await Promise.all(
        [one, other, one, other, one, other, one, other].map((gateway) => call(gateway)),
      );
      for (const reply of replies) {
        if (reply.status === 200) {
          admitted++;
          continue;
        }
        expect(reply.status).toBe(429);
        expect(await reply.json()).toEqual({ message: "Too many requests", code: "too_many_requests" });
        expect(Number(reply.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
        expect(Number(reply.headers.get("retry-after"))).toBeLessThanOrEqual(60);
      }
    }
    // On a machine so slow that a minute ends meanwhile, the calls of the next one are admitted too.
    const minutes = Math.ceil((Date.now() - begin) / 60_000);
    expect(admitted).toBeGreaterThanOrEqual(perMinute);
    expect(admitted).toBeLessThanOrEqual(perMinute * minutes);
    expect((await call(one, otherKey, "acc_b")).status).toBe(200);
  });
});
