import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import type { Batch } from "../batch/batch.ts";
import { openDatabase } from "../database/open-database.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { defineOperation } from "../operation/operation.ts";
import { assemble } from "../testing/assemble.ts";
import { createTestClock } from "../testing/test-clock.ts";
import { until } from "../testing/until.ts";
import { createWatch, type Progress } from "./progress.ts";

const touch = defineOperation<number, unknown>({
  name: "test.rows.touch",
  label: "row/touch",
  item: z.int(),
  params: z.strictObject({}),
  key: (item) => item,
  chunkSize: 2,
  inlineLimit: 0,
  apply: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
});

describe.each(ledgerDatabases)("watching a batch on $name", ({ open }) => {
  async function begin(ledger?: (ledger: Ledger) => Partial<Ledger>) {
    const file = await open();
    const database = openDatabase(file.url);
    const clock = createTestClock();
    const core = await assemble({ database, operations: [touch], clock, ledger });
    const { id } = await core.batches.submit({ operation: touch.name, items: [1, 2, 3, 4, 5, 6] });
    return {
      ...core,
      clock,
      id,
      async [Symbol.asyncDispose]() {
        await database.close();
        await file[Symbol.asyncDispose]();
      },
    };
  }

  test("yields each change once and ends with the last state", async () => {
    let reads = 0;
    await using core = await begin(({ get }) => ({
      get: (...args) => {
        reads++;
        return get(...args).finally(() => reads--);
      },
    }));
    const seen: Progress[] = [];
    // Polls without a change yield nothing.
    const watching = (async () => {
      for await (const progress of core.batches.watch(core.id)) seen.push(progress);
    })();
    for (let changes = 1; changes < 5; changes++) {
      await until(() => seen.length === changes);
      for (let look = 0; look < 5; look++) {
        core.clock.advance(200);
        await core.batches.get(core.id);
        await new Promise((resolve) => setImmediate(resolve));
      }
      // A read during the chunk may see the batch in progress before its first result.
      await until(() => reads === 0);
      await core.runner.runNext(core.id);
      await until(() => {
        core.clock.advance(100);
        return seen.length > changes;
      });
    }
    await watching;
    expect(seen.map(({ batch }) => [batch.status, batch.counts.done])).toEqual([
      ["pending", 0],
      ["in_progress", 2],
      ["in_progress", 4],
      ["in_progress", 6],
      ["completed", 6],
    ]);
    expect(seen[0]).toMatchObject({ rate: 0, remainingMs: undefined });
    expect(seen[4]?.remainingMs).toBe(0);
    for (const { batch, rate, remainingMs = 0 } of seen.slice(1, 3)) {
      // Two items in a second and a bit.
      expect(rate).toBeGreaterThan(0.5);
      expect(rate).toBeLessThanOrEqual(2);
      expect(Math.abs((remainingMs * rate) / 1000 - (6 - batch.counts.done))).toBeLessThan(0.5);
    }
  });

  test("ends on abort, and at once for an ended batch", async () => {
    await using core = await begin();
    const stop = new AbortController();
    const seen: string[] = [];
    for await (const { batch } of core.batches.watch(core.id, { signal: stop.signal })) {
      seen.push(batch.status);
      stop.abort();
    }
    await core.batches.stop(core.id);
    for await (const { batch } of core.batches.watch(core.id)) seen.push(batch.status);
    expect(seen).toEqual(["pending", "stopped"]);
  });

  test("reads twice a second for a hundred readers", async () => {
    let reads = 0;
    await using core = await begin((ledger) => ({
      async get(...args) {
        const batch = await ledger.get(...args);
        reads++;
        return batch;
      },
    }));
    const stop = new AbortController();
    const seen: string[][] = [];
    const readers = Array.from({ length: 100 }, async (_, index) => {
      const states: string[] = [];
      seen[index] = states;
      for await (const { batch } of core.batches.watch(core.id, { signal: stop.signal })) states.push(batch.status);
    });
    await until(() => seen.every((states) => states.length === 1));
    const first = reads;
    for (let half = 0; half < 20; half++) {
      const before = reads;
      // The watch sleeps again after its read.
      await new Promise((resolve) => setImmediate(resolve));
      core.clock.advance(500);
      await until(() => reads > before);
    }
    // Ten seconds have passed.
    expect(reads - first).toBe(20);
    await core.runner.runNext(core.id);
    await until(() => {
      core.clock.advance(100);
      return seen.every((states) => states.length === 2);
    });
    stop.abort();
    await Promise.all(readers);
    await new Promise((resolve) => setImmediate(resolve));
    const last = reads;
    for (let half = 0; half < 20; half++) {
      core.clock.advance(500);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(reads).toBe(last);
  });

  test("gives a slow reader only the latest state", async () => {
    await using core = await begin();
    const slow = core.batches.watch(core.id);
    const quick: number[] = [];
    const reading = (async () => {
      for await (const { batch } of core.batches.watch(core.id)) quick.push(batch.counts.done);
    })();
    expect((await slow.next()).value?.batch.counts.done).toBe(0);
    for (let ran = 1; ran <= 3; ran++) {
      await core.runner.runNext(core.id);
      await until(() => {
        core.clock.advance(100);
        return quick.length > ran;
      });
    }
    expect((await slow.next()).value?.batch.counts.done).toBe(6);
    await core.runner.runNext(core.id);
    await until(() => {
      core.clock.advance(100);
      return quick.length === 5;
    });
    await reading;
    expect((await slow.next()).value?.batch.status).toBe("completed");
    expect((await slow.next()).done).toBe(true);
  });

  test("starts anew for a batch that runs again", async () => {
    await using core = await begin();
    await core.batches.stop(core.id);
    const read = async () => {
      const states: string[] = [];
      for await (const { batch } of core.batches.watch(core.id)) states.push(batch.status);
      return states;
    };
    expect(await read()).toEqual(["stopped"]);
    await core.batches.resume(core.id);
    const again = read();
    while ((await core.runner.runNext(core.id)) === "ran");
    let isOver = false;
    void again.then(() => (isOver = true));
    await until(() => {
      core.clock.advance(100);
      return isOver;
    });
    expect((await again).at(-1)).toBe("completed");
  });

  test("throws for an unknown batch", async () => {
    await using core = await begin();
    await expect(core.batches.watch(999).next()).rejects.toMatchObject({ code: "unknown_batch" });
  });
});

test("the first reads of a watch follow each other sooner", async () => {
  const pauses: number[] = [];
  const clock = { now: () => 0, sleep: async (ms: number) => void pauses.push(ms) };
  const counts = { done: 0, skipped: 0, failed: 0, unknown: 0 };
  const read = async () => ({ total: 1, counts, status: pauses.length < 9 ? "in_progress" : "completed" }) as Batch;
  for await (const { batch } of createWatch(read, clock)(1)) expect(batch.total).toBe(1);
  expect(pauses.slice(0, 3)).toEqual([50, 75, 112.5]);
  expect(pauses.at(-1)).toBe(500);
});
