import { setImmediate } from "node:timers/promises";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { type AnyOperation, defineOperation, type LimitState, type Limits } from "../index.ts";
import { createTestClock, createTestHost, type TestClock, until } from "../testing/index.ts";
import { computeEstimate } from "./estimate.ts";

const hour = 3_600_000;
const day = 24 * hour;

const define = (limits: Limits, change: Partial<AnyOperation> = {}): AnyOperation => ({
  ...defineOperation<number, unknown>({
    name: "test.rows.touch",
    label: "row/touch",
    item: z.int(),
    params: z.unknown(),
    key: (id) => id,
    chunkSize: 100,
    target: "upstream",
    effects: "elsewhere",
    limits,
    apply: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
    preview: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
  }),
  ...change,
});

/** The limits of FirstPromoter: 100 ids take 7 requests, at 5 requests a second. */
const vendorPace: Limits = { perSecond: 5, burst: 7, requests: (items) => (items > 5 ? 7 : 4), concurrency: 2 };

/** Open from 20:00 to 08:00 UTC. */
const nights = {
  allowedFrom: (now: number) => (isNight(now) ? now : now - (now % day) + 20 * hour),
  hours: (now: number) =>
    isNight(now)
      ? { open: true, until: now - (now % day) + (now % day < 8 * hour ? 8 : 32) * hour, timeZone: "UTC" }
      : { open: false, opensAt: nights.allowedFrom(now), timeZone: "UTC" },
};
const isNight = (now: number) => now % day < 8 * hour || now % day >= 20 * hour;
const noon = Date.UTC(2026, 0, 5, 12);

describe("estimate", () => {
  test("counts chunks and requests with the rest of a full bucket", () => {
    expect(computeEstimate(define(vendorPace), { items: 1003, now: noon })).toEqual({
      chunks: 11,
      requests: 74,
      earliestStart: noon,
      // The bucket holds 7 requests; the other 67 come at 5 a second.
      durationMs: 13_400,
      limitedBy: "rate",
    });
  });

  test.each([
    ["an empty bucket", 200, 0, 2800],
    ["a debt", 200, -7, 4200],
    ["a bucket that holds all", 100, undefined, 0],
  ])("begins with %s", (_, items, tokens, durationMs) => {
    const estimate = computeEstimate(define(vendorPace), { items, now: noon, tokens });
    expect(estimate).toMatchObject({ durationMs, limitedBy: durationMs === 0 ? "concurrency" : "rate" });
  });

  test("rests while the office is closed", () => {
    const operation = define({ ...nights, perSecond: 1 });
    const estimate = (items: number, now: number) => computeEstimate(operation, { items, now });
    const tonight = noon + 8 * hour;
    // One chunk a second, one of which is in the bucket.
    expect(estimate(100 * (12 * 3600 + 1), noon)).toMatchObject({ earliestStart: tonight, durationMs: 20 * hour });
    // An hour more has to wait for the next evening.
    expect(estimate(100 * (13 * 3600 + 1), noon)).toMatchObject({ durationMs: 33 * hour, limitedBy: "office_hours" });
    expect(estimate(100 * 3601, tonight)).toMatchObject({ durationMs: hour, limitedBy: "rate" });
    expect(estimate(100 * 3600 * 12 * 200, noon)).toMatchObject({ durationMs: null, limitedBy: "office_hours" });
  });

  test("knows no duration without a rate", () => {
    expect(computeEstimate(define({ concurrency: 2 }), { items: 250, now: noon })).toEqual({
      chunks: 3,
      requests: 3,
      earliestStart: noon,
      durationMs: null,
      limitedBy: "concurrency",
    });
    const local = define({}, { target: "local" });
    expect(computeEstimate(local, { items: 5, now: noon })).toMatchObject({ requests: 0, limitedBy: null });
    expect(computeEstimate(define(nights), { items: 5, now: noon })).toMatchObject({
      earliestStart: noon + 8 * hour,
      durationMs: null,
      limitedBy: "office_hours",
    });
  });
});

/** Runs the work of a host to the end of a batch, and moves its clock only while nothing else is to be done. */
async function runToEnd(clock: TestClock, isEnded: () => Promise<boolean>): Promise<void> {
  for (let step = 1; ; step++) {
    for (let turn = 0; turn < 4; turn++) await setImmediate();
    clock.advance(200);
    if (step % 50 === 0 && (await isEnded())) return;
  }
}

test("estimate is within a fifth of a run at the vendor's pace", { timeout: 300_000 }, async () => {
  const clock = createTestClock();
  // On SQLite every statement ends before the clock moves, so the run is the same every time.
  await using host = await createTestHost({ clock, concurrency: 2 });
  const starts: number[] = [];
  host.register(
    define(
      { ...vendorPace, name: "vendor" },
      {
        async apply({ items }) {
          starts.push(clock.now());
          // Four calls of the vendor.
          await clock.sleep(4 * 150);
          return items.map((key: number) => ({ key, outcome: "done" }));
        },
      },
    ),
  );
  const items = Array.from({ length: 200_000 }, (_, index) => index);
  const estimate = await host.batches.estimate({ ...request, items: items.length });
  const begun = clock.now();
  const { id } = await host.batches.submit({ ...request, items, inline: false });
  await runToEnd(clock, async () => (await host.batches.get(id)).status === "completed");
  const { finishedAt } = await host.batches.get(id);
  expect(starts).toHaveLength(estimate.chunks);
  const ratio = (estimate.durationMs as number) / ((finishedAt as number) - begun);
  expect(ratio).toBeGreaterThan(0.8);
  expect(ratio).toBeLessThan(1.2);
});

const request = { operation: "test.rows.touch", target: "upstream" as const };

describe.each(ledgerDatabases)("limits of a host on $name", ({ open }) => {
  async function start(limits: Limits) {
    const database = await open();
    const clock = createTestClock();
    const host = await createTestHost({ databaseUrl: database.url, clock, concurrency: 4 });
    let finish = () => {};
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    host.register(
      define(limits, {
        async apply({ items }) {
          await gate;
          return items.map((key: number) => ({ key, outcome: "done" }));
        },
      }),
    );
    return {
      host,
      clock,
      finish,
      async [Symbol.asyncDispose]() {
        finish();
        await host.close();
        await database[Symbol.asyncDispose]();
      },
    };
  }
  const isRunning = ({ concurrency }: LimitState) => concurrency !== null && concurrency.used > 0;

  test("shows what is left of rate and concurrency", async () => {
    await using place = await start(vendorPace);
    const { host, clock } = place;
    const state = {
      ...request,
      account: null,
      rate: { tokens: 7, perSecond: 5, burst: 7 },
      concurrency: { used: 0, most: 2 },
      hours: null,
      nextAllowedAt: clock.now(),
    };
    expect(await host.systems()).toEqual([state]);
    expect(await host.batches.estimate({ ...request, items: 200 })).toMatchObject({ durationMs: 1400 });
    const { id } = await host.batches.submit({ ...request, items: [1], inline: false });
    await until(async () => (await host.systems()).some(isRunning));
    expect(await host.systems()).toEqual([
      {
        ...state,
        rate: { tokens: 3, perSecond: 5, burst: 7 },
        concurrency: { used: 1, most: 2 },
        nextAllowedAt: clock.now() + 800,
      },
    ]);
    expect(await host.batches.estimate({ ...request, items: 100 })).toMatchObject({ durationMs: 800 });
    clock.advance(400);
    place.finish();
    await until(async () => (await host.batches.get(id)).status === "completed");
    expect(await host.systems()).toMatchObject([{ rate: { tokens: 5 }, concurrency: { used: 0 } }]);
  });

  test("shows the limits of each account", async () => {
    await using place = await start({ ...vendorPace, perAccount: true });
    const { host } = place;
    expect(await host.systems()).toMatchObject([{ account: null, rate: { tokens: 7 } }]);
    await host.batches.submit({ ...request, account: "acc_1", items: [1], inline: false });
    await until(async () => (await host.systems()).some(isRunning));
    await host.batches.submit({ ...request, account: "acc_2", items: [1], inline: false });
    await until(async () => (await host.systems()).length === 2 || place.clock.advance(100));
    expect(await host.systems()).toMatchObject([{ account: "acc_1", concurrency: { used: 1 } }, { account: "acc_2" }]);
    const estimate = (account: string) => host.batches.estimate({ ...request, account, items: 100 });
    expect((await estimate("acc_3")).durationMs).toBe(0);
    expect((await estimate("acc_1")).durationMs).toBeGreaterThan(0);
  });

  test("rejects an estimate of an unknown operation or no items", async () => {
    await using place = await start(vendorPace);
    const { estimate } = place.host.batches;
    await expect(estimate({ operation: "test.rows.no", items: 1 })).rejects.toMatchObject({
      code: "unknown_operation",
    });
    for (const items of [0, 1.5])
      await expect(estimate({ ...request, items })).rejects.toMatchObject({ code: "invalid_request" });
  });
});
