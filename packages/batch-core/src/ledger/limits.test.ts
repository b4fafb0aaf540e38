import { ledgerDatabases } from "@reinstate/tooling/databases";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { openDatabase } from "../database/open-database.ts";
import { type Bucket, type Limits, takeTokens } from "../operation/limits.ts";
import { type AnyOperation, defineOperation } from "../operation/operation.ts";
import { type Assembly, assemble } from "../testing/assemble.ts";
import { createTestClock } from "../testing/test-clock.ts";
import { until } from "../testing/until.ts";

test("no second lets through more than the burst and one second's worth", () => {
  const bounds = fc.record({ perSecond: fc.integer({ min: 1, max: 50 }), burst: fc.integer({ min: 1, max: 100 }) });
  fc.assert(
    fc.property(
      bounds,
      fc.array(fc.integer({ min: 0, max: 700 }), { maxLength: 80 }),
      ({ perSecond, burst }, waits) => {
        let bucket: Bucket | undefined;
        let now = 0;
        const taken: number[] = [];
        for (const wait of waits) {
          now += wait;
          const result = takeTokens(bucket, { cost: 1, perSecond, burst }, now);
          if ("from" in result) {
            expect(result.from).toBeGreaterThan(now);
            // The time that is named is enough.
            expect(takeTokens(bucket, { cost: 1, perSecond, burst }, result.from)).toHaveProperty("taken");
            continue;
          }
          bucket = result.taken;
          taken.push(now);
        }
        for (const start of taken) {
          const within = taken.filter((at) => at >= start && at < start + 1000).length;
          expect(within).toBeLessThanOrEqual(burst + perSecond);
        }
      },
    ),
  );
});

test("callers whose clocks differ get no more than one clock would give", () => {
  let bucket: Bucket | undefined;
  let taken = 0;
  for (let now = 0; now < 10_000; now += 100) {
    for (const skew of [0, -2000]) {
      const result = takeTokens(bucket, { cost: 1, perSecond: 2, burst: 2 }, now + skew);
      if ("from" in result) continue;
      bucket = result.taken;
      taken++;
    }
  }
  expect(taken).toBeLessThanOrEqual(22);
});

test("a cost above the burst waits for a full bucket and leaves a debt", () => {
  const wide = { cost: 10, perSecond: 2, burst: 4 };
  const first = takeTokens(undefined, wide, 0);
  expect(first).toEqual({ taken: { tokens: -6, filledAt: 0 } });
  expect(takeTokens({ tokens: -6, filledAt: 0 }, wide, 0)).toEqual({ from: 5000 });
});

describe.each(ledgerDatabases)("pace on $name", ({ open }) => {
  /** Several processes on one database, on one clock. */
  async function begin(processes: number, pace: Limits, change: Partial<AnyOperation> = {}, lanes = 4) {
    const file = await open();
    const clock = createTestClock();
    const starts: number[] = [];
    const at = { now: 0, most: 0 };
    const hold = { gate: Promise.resolve() };
    const operation: AnyOperation = defineOperation<number, unknown>({
      ...{ name: "test.rows.touch", label: "row/touch", item: z.int(), params: z.strictObject({}), chunkSize: 1 },
      ...{ effects: "elsewhere", limits: pace },
      key: (item) => item,
      async apply({ items }) {
        starts.push(clock.now());
        at.most = Math.max(at.most, ++at.now);
        await hold.gate;
        at.now--;
        return items.map((key) => ({ key, outcome: "done" }));
      },
      ...change,
    });
    const databases = Array.from({ length: processes }, () => openDatabase(file.url));
    const cores: Assembly[] = [];
    for (const database of databases) {
      const core = await assemble({ database, operations: [operation], clock, random: () => 0.9, lanes });
      await core.start();
      cores.push(core);
    }
    const { batches } = cores[0] as Assembly;
    return {
      ...{ clock, starts, at, hold, batches },
      submit: async (items: number) =>
        (await batches.submit({ operation: operation.name, items: Array.from({ length: items }, (_, n) => n) })).id,
      finished: (id: number, stepMs: number) =>
        until(async () => {
          clock.advance(stepMs);
          const batch = await batches.get(id);
          return batch.status === "completed" && batch;
        }),
      async [Symbol.asyncDispose]() {
        for (const core of cores) await core.stop();
        for (const database of databases) await database.close();
        await file[Symbol.asyncDispose]();
      },
    };
  }

  test("two processes share the requests per second", async () => {
    await using paced = await begin(2, { perSecond: 4 });
    const begun = paced.clock.now();
    const id = await paced.submit(20);
    await paced.finished(id, 50);
    expect(paced.starts).toHaveLength(20);
    for (const start of paced.starts) {
      const within = paced.starts.filter((at) => at >= start && at < start + 1000).length;
      expect(within).toBeLessThanOrEqual(8);
    }
    // Four at once, then sixteen at four a second; the first is let in a moment before it is noted here.
    expect(Math.max(...paced.starts) - begun).toBeGreaterThanOrEqual(4000);
  });

  test("two processes share the chunks at once, and use them", async () => {
    await using paced = await begin(2, { concurrency: 2 });
    const gate = Promise.withResolvers<void>();
    paced.hold.gate = gate.promise;
    const id = await paced.submit(8);
    await until(() => {
      paced.clock.advance(50);
      return paced.at.now === 2;
    });
    // Time enough for a third to be let in by mistake.
    for (let step = 0; step < 20; step++) {
      paced.clock.advance(100);
      await paced.batches.get(id);
    }
    gate.resolve();
    await paced.finished(id, 100);
    expect(paced.at.most).toBe(2);
  });

  test("a chunk that waits to be tried again takes nobody's place", async () => {
    let failed = false;
    const done: number[] = [];
    const lost = Object.assign(new Error("the line broke"), { code: "ECONNRESET" });
    await using paced = await begin(
      1,
      { concurrency: 1 },
      {
        async apply({ items }) {
          if (items[0] === 0 && !failed) {
            failed = true;
            throw lost;
          }
          done.push(items[0] as number);
          return items.map((key) => ({ key: key as number, outcome: "done" }));
        },
      },
      // Another lane that came while the first chunk was in hand would be told to come back later, which no time ever is.
      1,
    );
    const id = await paced.submit(3);
    // No time passes: the first one's pause cannot end.
    await until(() => done.length === 2);
    expect(done.toSorted()).toEqual([1, 2]);
    await paced.finished(id, 500);
    expect(done[2]).toBe(0);
  });

  test("outside its hours a batch waits, visibly, also a small one", async () => {
    const opens = Date.UTC(2026, 0, 5, 18);
    const allowedFrom = (now: number) => Math.max(now, opens);
    await using paced = await begin(1, { allowedFrom });
    const id = await paced.submit(1);
    await until(async () => (await paced.batches.get(id)).nextAllowedAt === opens);
    expect(paced.starts).toEqual([]);
    const batch = await paced.finished(id, 600_000);
    expect(batch).toMatchObject({ counts: { done: 1 }, nextAllowedAt: null });
    expect(paced.starts[0]).toBeGreaterThanOrEqual(opens);
  });

  test("who only looks may do so outside the hours", async () => {
    const preview: AnyOperation["preview"] = async ({ items }) =>
      items.map((key) => ({ key: key as number, outcome: "done" }));
    await using paced = await begin(1, { allowedFrom: (now) => now + 3_600_000 }, { preview });
    const batch = await paced.batches.submit({ operation: "test.rows.touch", items: [1], dryRun: true });
    expect(batch).toMatchObject({ status: "completed", counts: { done: 1 } });
    const large = await paced.batches.submit({ operation: "test.rows.touch", items: [1, 2, 3], dryRun: true });
    expect(await paced.finished(large.id, 10)).toMatchObject({ counts: { done: 3 } });
    expect(paced.starts).toEqual([]);
  });
});
