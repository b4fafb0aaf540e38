import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import type { Database } from "../database/database.ts";
import { createTestClock } from "../testing/test-clock.ts";
import { createTestHost } from "../testing/test-host.ts";
import { createRateLimit } from "./rate-limit.ts";

const second = 1000;
const minute = 60 * second;

describe.each(ledgerDatabases)("a rate limit on $name", ({ open }) => {
  /** Two processes on one ledger: what they share is in the database alone. */
  async function openLimits(perMinute: number, block?: number) {
    const database = await open();
    const clock = createTestClock();
    const hosts = [
      await createTestHost({ databaseUrl: database.url, clock }),
      await createTestHost({ databaseUrl: database.url, clock }),
    ];
    const options = { name: "test requests", perMinute, ...(block !== undefined && { block }) };
    const [one, other] = hosts.map((host) => createRateLimit(host, options));
    if (!one || !other) throw new Error("no limits");
    return {
      clock,
      one,
      other,
      async [Symbol.asyncDispose]() {
        for (const host of hosts) await host.close();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test("admits its calls in any minute, over two processes", async () => {
    await using limits = await openLimits(3);
    const { clock, one, other } = limits;
    expect([await one.take("a"), await other.take("a")]).toEqual([undefined, undefined]);
    clock.advance(20 * second);
    expect([await one.take("a"), await one.take("a")]).toEqual([undefined, 40 * second]);
    expect(await other.take("a")).toBe(40 * second);
    clock.advance(40 * second);
    expect([await other.take("a"), await one.take("a"), await other.take("a")]).toEqual([
      undefined,
      undefined,
      20 * second,
    ]);
  });

  test("keeps holders apart", async () => {
    await using limits = await openLimits(1);
    expect([await limits.one.take("a"), await limits.other.take("b")]).toEqual([undefined, undefined]);
    expect(await limits.other.take("a")).toBe(minute);
  });

  test("admits all of its calls though processes take them in blocks", async () => {
    await using limits = await openLimits(400);
    let admitted = 0;
    for (let call = 0; call < 500; call++) {
      const limit = call % 2 === 0 ? limits.one : limits.other;
      if ((await limit.take("a")) === undefined) admitted++;
    }
    expect(admitted).toBe(400);
  });

  test("admits no call too many that comes at the same moment", async () => {
    await using limits = await openLimits(50);
    const waits = await Promise.all(
      Array.from({ length: 120 }, (_, call) => (call % 2 === 0 ? limits.one : limits.other).take("a")),
    );
    expect(waits.filter((wait) => wait === undefined)).toHaveLength(50);
    expect(new Set(waits)).toEqual(new Set([undefined, minute]));
  });

  test("throws too_many_requests with the seconds to wait", async () => {
    await using limits = await openLimits(1);
    await limits.one.admit("a");
    limits.clock.advance(500);
    await expect(limits.other.admit("a")).rejects.toMatchObject({ code: "too_many_requests", retryAfterSeconds: 60 });
  });

  test("admits every call with a limit of 0", async () => {
    await using limits = await openLimits(0);
    for (let call = 0; call < 1000; call++) expect(await limits.one.take("a")).toBeUndefined();
  });
});

describe("a rate limit", () => {
  test("asks the ledger once for a block of calls, and not beyond the limit", async () => {
    await using host = await createTestHost({ clock: createTestClock() });
    let transactions = 0;
    const database: Database = {
      ...host.database,
      transaction(work) {
        transactions++;
        return host.database.transaction(work);
      },
    };
    const limit = createRateLimit({ database, clock: host.clock }, { name: "test", perMinute: 400 });
    for (let call = 0; call < 300; call++) await limit.take("a");
    expect(transactions).toBe(30);
    for (let call = 0; call < 500; call++) await limit.take("a");
    expect(transactions).toBeLessThan(60);
  });

  test("admits calls while the ledger cannot store anything", async () => {
    await using host = await createTestHost({ clock: createTestClock() });
    const full = Object.assign(new Error("disk full"), { code: "53100" });
    const database = { ...host.database, transaction: () => Promise.reject(full) };
    const limit = createRateLimit({ database, clock: host.clock }, { name: "test", perMinute: 1 });
    for (let call = 0; call < 3; call++) expect(await limit.take("a")).toBeUndefined();
  });

  test("passes on that the ledger is away", async () => {
    await using host = await createTestHost({ clock: createTestClock() });
    const away = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const database = { ...host.database, transaction: () => Promise.reject(away) };
    const limit = createRateLimit({ database, clock: host.clock }, { name: "test", perMinute: 1 });
    await expect(limit.take("a")).rejects.toBe(away);
  });
});
