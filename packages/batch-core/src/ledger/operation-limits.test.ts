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

describe("takeTokens", () => {
  test("admits at most the burst and one second's tokens per second", () => {
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
              // The returned time is late enough.
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

  test("admits no more calls if clocks differ", () => {
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

  test("admits a cost above the burst as a debt", () => {
    const wide = { cost: 10, perSecond: 2, burst: 4 };
    const first = takeTokens(undefined, wide, 0);
    expect(first).toEqual({ taken: { tokens: -6, filledAt: 0 } });
    expect(takeTokens({ tokens: -6, filledAt: 0 }, wide, 0)).toEqual({ from: 5000 });
  });
});

describe.each(ledgerDatabases)("limits on $name", ({ open }) => {
  /** Starts several processes on one database with one clock. */
  async function begin(processes: number, limits: Limits, change: Partial<AnyOperation> = {}, concurrency = 4) {
    const file = await open();
    const clock = createTestClock();
    const starts: number[] = [];
    const at = { now: 0, most: 0 };
    const hold = { gate: Promise.resolve() };
    const operation: AnyOperation = defineOperation<number, unknown>({
      name: "test.rows.touch",
      label: "row/touch",
      item: z.int(),
      params: z.strictObject({}),
      chunkSize: 1,
      effects: "elsewhere",
      limits,
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
      const core = await assemble({ database, operations: [operation], clock, random: () => 0.9, concurrency });
      await core.start();
      cores.push(core);
    }
    const { batches } = cores[0] as Assembly;
    return {
      clock,
      starts,
      at,
      hold,
      batches,
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

  test("shares the requests per second between processes", async () => {
    await using core = await begin(2, { perSecond: 4 });
    const begun = core.clock.now();
    const id = await core.submit(20);
    await core.finished(id, 50);
    expect(core.starts).toHaveLength(20);
    for (const start of core.starts) {
      const within = core.starts.filter((at) => at >= start && at < start + 1000).length;
      expect(within).toBeLessThanOrEqual(8);
    }
    // Four at once, then sixteen at four a second. The first is admitted shortly before it is recorded here.
    expect(Math.max(...core.starts) - begun).toBeGreaterThanOrEqual(4000);
  });

  test("shares the concurrency between processes", async () => {
    await using core = await begin(2, { concurrency: 2 });
    const gate = Promise.withResolvers<void>();
    core.hold.gate = gate.promise;
    const id = await core.submit(8);
    await until(() => {
      core.clock.advance(50);
      return core.at.now === 2;
    });
    // Enough time to admit a third chunk by mistake.
    for (let step = 0; step < 20; step++) {
      core.clock.advance(100);
      await core.batches.get(id);
    }
    gate.resolve();
    await core.finished(id, 100);
    expect(core.at.most).toBe(2);
  });

  test("does not count a chunk that waits for its retry", async () => {
    let failed = false;
    const done: number[] = [];
    const lost = Object.assign(new Error("the line broke"), { code: "ECONNRESET" });
    await using core = await begin(
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
      // With more concurrency, a second claim during the first chunk would wait for a time that never comes.
      1,
    );
    const id = await core.submit(3);
    // No time passes, so the pause of the first chunk cannot end.
    await until(() => done.length === 2);
    expect(done.toSorted()).toEqual([1, 2]);
    await core.finished(id, 500);
    expect(done[2]).toBe(0);
  });

  test("delays a batch outside the allowed hours", async () => {
    const opens = Date.UTC(2026, 0, 5, 18);
    const allowedFrom = (now: number) => Math.max(now, opens);
    await using core = await begin(1, { allowedFrom });
    const id = await core.submit(1);
    await until(async () => (await core.batches.get(id)).nextAllowedAt === opens);
    expect(core.starts).toEqual([]);
    const batch = await core.finished(id, 600_000);
    expect(batch).toMatchObject({ counts: { done: 1 }, nextAllowedAt: null });
    expect(core.starts[0]).toBeGreaterThanOrEqual(opens);
  });

  test("runs dry runs outside the allowed hours", async () => {
    const preview: AnyOperation["preview"] = async ({ items }) =>
      items.map((key) => ({ key: key as number, outcome: "done" }));
    await using core = await begin(1, { allowedFrom: (now) => now + 3_600_000 }, { preview });
    const batch = await core.batches.submit({ operation: "test.rows.touch", items: [1], dryRun: true });
    expect(batch).toMatchObject({ status: "completed", counts: { done: 1 } });
    const large = await core.batches.submit({ operation: "test.rows.touch", items: [1, 2, 3], dryRun: true });
    expect(await core.finished(large.id, 10)).toMatchObject({ counts: { done: 3 } });
    expect(core.starts).toEqual([]);
  });
});
