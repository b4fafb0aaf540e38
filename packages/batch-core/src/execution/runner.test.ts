import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { VendorError } from "../client/vendor-error.ts";
import type { Database } from "../database/database.ts";
import { openDatabase } from "../database/open-database.ts";
import { DeferUntil } from "../errors/errors.ts";
import { type AnyOperation, defineOperation, type Operation, type Outcome, type Work } from "../operation/operation.ts";
import type { Batches } from "../submission/batches.ts";
import { assemble } from "../testing/assemble.ts";
import { createTestClock, type TestClock } from "../testing/test-clock.ts";
import { until } from "../testing/until.ts";

type Numbers = Work<number, unknown>;

const lost = () => Object.assign(new Error("the line broke"), { code: "ECONNRESET" });
const done = ({ items }: Numbers): Outcome[] => items.map((key) => ({ key, outcome: "done" }));

function touch(change: Partial<Operation<number, unknown>>): AnyOperation {
  return defineOperation<number, unknown>({
    name: "test.rows.touch",
    label: "row/touch",
    item: z.int(),
    params: z.strictObject({}),
    key: (item) => item,
    chunkSize: 2,
    inlineLimit: 0,
    apply: async (work) => done(work),
    ...change,
  });
}

const numbers = (length: number) => Array.from({ length }, (_, index) => index);
const request = (length: number) => ({ operation: "test.rows.touch", items: numbers(length) });

/** Advances the clock until the batch has a status. */
async function passUntil(clock: TestClock, batches: Batches, id: number, status = /completed|failed/) {
  return until(async () => {
    clock.advance(500);
    const batch = await batches.get(id);
    return status.test(batch.status) && batch;
  });
}

describe.each(ledgerDatabases)("runner on $name", ({ open }) => {
  async function begin(operation: AnyOperation, options: Partial<Parameters<typeof assemble>[0]> = {}) {
    const file = await open();
    const database = openDatabase(file.url);
    const clock = createTestClock();
    const core = await assemble({ database, operations: [operation], clock, ...options });
    await core.start();
    return {
      ...core,
      database,
      clock,
      finished: (id: number, status?: RegExp) => passUntil(clock, core.batches, id, status),
      async [Symbol.asyncDispose]() {
        await core.stop();
        await database.close();
        await file[Symbol.asyncDispose]();
      },
    };
  }

  const results = async (batches: Batches, id: number) =>
    (await batches.items(id)).items.map(({ item, outcome, code, generation }) => [item, outcome, code, generation]);

  test("retries a lost connection after a rollback", async () => {
    const attempts: number[] = [];
    const operation = touch({
      async apply(work) {
        attempts.push(work.attempt);
        for (const item of work.items)
          await sql`insert into touched (id) values (${item})`.execute(work.transaction as never);
        if (work.attempt < 3) throw lost();
        return done(work);
      },
    });
    await using core = await begin(operation);
    await sql`create table touched (id bigint not null)`.execute(core.database.tables());
    const { id } = await core.batches.submit(request(2));
    expect(await core.finished(id)).toMatchObject({ status: "completed", counts: { done: 2 } });
    expect(attempts).toEqual([1, 2, 3]);
    expect((await sql`select id from touched order by id`.execute(core.database.tables())).rows).toEqual([
      { id: 0 },
      { id: 1 },
    ]);
  });

  test("fails one chunk permanently and runs the others", async () => {
    const attempts: string[] = [];
    const operation = touch({
      async apply(work) {
        attempts.push(`${work.seq}.${work.attempt}`);
        if (work.seq === 0) throw new Error("no such column");
        if (work.seq === 1) throw lost();
        return done(work);
      },
    });
    await using core = await begin(operation);
    const { id } = await core.batches.submit(request(6));
    const batch = await core.finished(id);
    expect(batch).toMatchObject({ status: "failed", counts: { done: 2, failed: 4, unknown: 0 } });
    expect(batch.error).toMatch(/^(A database or server cannot be reached|Unexpected error; see the server log)$/);
    expect(attempts.toSorted()).toEqual(["0.1", "1.1", "1.2", "1.3", "1.4", "1.5", "2.1"]);
  });

  test("reports uncertain external failures as unknown", async () => {
    const operation = touch({
      effects: "elsewhere",
      repeatable: false,
      async apply(work) {
        if (work.seq === 0) throw new VendorError("unavailable", "down");
        if (work.seq === 1) throw lost();
        return done(work).slice(1);
      },
    });
    await using core = await begin(operation);
    const { id } = await core.batches.submit(request(6));
    expect(await core.finished(id)).toMatchObject({ status: "failed", error: "down" });
    expect(await results(core.batches, id)).toEqual([
      [0, "failed", "retries_exhausted", 0],
      [1, "failed", "retries_exhausted", 0],
      [2, "unknown", "interrupted", 0],
      [3, "unknown", "interrupted", 0],
      // It was sent, and no outcome was returned.
      [4, "unknown", "no_result", 0],
      [5, "done", undefined, 0],
    ]);
  });

  test.each(["ledger", "elsewhere"] as const)("reports a deferral and counts no attempt (%s)", async (effects) => {
    const attempts: number[] = [];
    let hour = Number.POSITIVE_INFINITY;
    const operation = touch({
      effects,
      async apply(work) {
        attempts.push(work.attempt);
        if (hour > core.clock.now()) throw new DeferUntil(hour);
        return done(work);
      },
    });
    await using core = await begin(operation);
    hour = core.clock.now() + 3_600_000;
    const { id } = await core.batches.submit(request(6));
    await until(async () => (await core.batches.get(id)).nextAllowedAt === hour);
    // The wait is stored again after a stop and a resume.
    await core.batches.stop(id);
    expect((await core.batches.get(id)).nextAllowedAt).toBeNull();
    await core.batches.resume(id);
    await until(async () => {
      core.clock.advance(1000);
      return (await core.batches.get(id)).nextAllowedAt === hour;
    });
    expect(attempts).toEqual([1]);
    core.clock.advance(3_600_000);
    const batch = await core.finished(id);
    expect(batch).toMatchObject({ status: "completed", counts: { done: 6 }, nextAllowedAt: null });
    expect(attempts).toEqual([1, 1, 1, 1]);
  });

  test.each(["ledger", "elsewhere"] as const)("accepts a deferred small batch, which waits (%s)", async (effects) => {
    let hour = Number.POSITIVE_INFINITY;
    const operation = touch({
      effects,
      inlineLimit: 2,
      async apply(work) {
        if (hour > core.clock.now()) throw new DeferUntil(hour);
        return done(work);
      },
    });
    await using core = await begin(operation);
    hour = core.clock.now() + 60_000;
    const accepted = await core.batches.submit(request(2));
    expect(accepted.status).toMatch(/pending|in_progress/);
    expect(await core.finished(accepted.id)).toMatchObject({ status: "completed", counts: { done: 2 } });
    expect(core.clock.now()).toBeGreaterThanOrEqual(hour);
  });

  test("reconciles a small batch whose call was lost", async () => {
    const operation = touch({
      effects: "elsewhere",
      repeatable: false,
      inlineLimit: 2,
      apply: async () => Promise.reject(lost()),
      reconcile: async (work) => done(work),
    });
    await using core = await begin(operation);
    const { id } = await core.batches.submit(request(2));
    expect(await core.finished(id)).toMatchObject({ status: "completed", counts: { done: 2 } });
  });

  test("delays all chunks of a batch for Retry-After", async () => {
    const at: number[] = [];
    const operation = touch({
      effects: "elsewhere",
      async apply(work) {
        at.push(core.clock.now());
        if (at.length === 1) throw new VendorError("rate_limited", "slow down", { retryAfterMs: 30_000 });
        return done(work);
      },
    });
    await using core = await begin(operation);
    const { id } = await core.batches.submit(request(6));
    await until(async () => (await core.batches.get(id)).nextAllowedAt !== null);
    await core.finished(id);
    expect(at).toHaveLength(4);
    for (const later of at.slice(1)) expect(later - (at[0] as number)).toBeGreaterThanOrEqual(30_000);
  });

  test("stops between chunks, resumes, and retries the failed items", async () => {
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const ran: string[] = [];
    const operation = touch({
      effects: "elsewhere",
      async apply(work) {
        ran.push(`${work.generation}.${work.seq}`);
        begun.resolve();
        await gate.promise;
        return work.items.map((key) =>
          key % 3 === 2 && work.generation === 0
            ? { key, outcome: "failed", code: "no", message: "no" }
            : { key, outcome: "done" },
        );
      },
    });
    await using core = await begin(operation);
    const { id } = await core.batches.submit(request(6));
    await begun.promise;
    expect(await core.batches.stop(id)).toMatchObject({ status: "stopped" });
    gate.resolve();
    await until(async () => (await core.batches.get(id)).counts.done === 2);
    core.clock.advance(5000);
    await core.ledger.open();
    expect(ran).toEqual(["0.0"]);
    await expect(core.batches.stop(id)).rejects.toMatchObject({ code: "wrong_state" });
    await expect(core.batches.retry(id)).rejects.toMatchObject({ code: "wrong_state" });
    expect(await core.batches.resume(id)).toMatchObject({ status: "in_progress" });
    expect(await core.finished(id)).toMatchObject({ status: "completed", counts: { done: 4, failed: 2 } });
    expect(await core.batches.retry(id)).toMatchObject({ status: "in_progress", generation: 1 });
    expect(await core.finished(id)).toMatchObject({ status: "completed", counts: { done: 6, failed: 0 } });
    expect(ran).toEqual(["0.0", "0.1", "0.2", "1.0", "1.1"]);
    expect((await results(core.batches, id)).slice(-2)).toEqual([
      [2, "done", undefined, 1],
      [5, "done", undefined, 1],
    ]);
    await expect(core.batches.retry(id)).rejects.toMatchObject({ code: "wrong_state" });
  });

  test.each<[string, (work: Numbers) => Promise<Outcome[]>]>([
    [
      "items fail",
      async ({ items }) => items.map((key) => ({ key, outcome: "failed", code: "gone", message: "gone" })),
    ],
    ["chunks give up", () => Promise.reject(new VendorError("rejected", "no"))],
  ])("ends a batch by its stop rule (%s)", async (_, apply) => {
    await using core = await begin(touch({ apply }));
    const { id } = await core.batches.submit({ ...request(20), stopRule: { maxFailureRate: 0.5, after: 4 } });
    const batch = await core.finished(id);
    expect(batch).toMatchObject({ status: "failed", counts: { failed: 20 }, progress: 100 });
    expect(batch.error).toBe("4 of the first 4 items failed (100 %), more than the 50 % that the batch allows");
    expect((await core.batches.items(id)).items.filter(({ code }) => code === "not_run")).toHaveLength(16);
    expect(await core.batches.retry(id)).toMatchObject({ status: "in_progress", error: null });
  });

  test("closes a failed batch after its claimed chunks", async () => {
    const operation = touch({
      effects: "elsewhere",
      repeatable: false,
      apply: async ({ items }) => items.map((key) => ({ key, outcome: "failed", code: "gone", message: "gone" })),
      reconcile: async (work) => done(work),
    });
    await using core = await begin(operation);
    await core.stop();
    const { id } = await core.batches.submit({ ...request(6), stopRule: { maxFailureRate: 0.1, after: 1 } });
    // Another worker claims a chunk and dies.
    await core.ledger.claim(id, "dead", core.clock.now(), core.clock.now() + 10_000);
    await core.runner.runNext(id);
    expect(await core.batches.get(id)).toMatchObject({ status: "in_progress", counts: { failed: 4 } });
    core.clock.advance(10_001);
    await core.runner.runNext(id);
    await core.runner.runNext(id);
    expect(await core.batches.get(id)).toMatchObject({ status: "failed", counts: { done: 2, failed: 4 } });
  });

  test("reports the outcomes of a dry run and changes nothing", async () => {
    const preview = async (work: Numbers): Promise<Outcome[]> =>
      work.items.map((key) => (key === 1 ? { key, outcome: "skipped", code: "live" } : { key, outcome: "done" }));
    const here = touch({
      async apply(work) {
        for (const item of work.items)
          await sql`insert into touched (id) values (${item})`.execute(work.transaction as never);
        return preview(work);
      },
    });
    const there = touch({
      name: "test.rows.send",
      effects: "elsewhere",
      preview,
      apply: () => Promise.reject(new Error("apply was called in a dry run")),
    });
    const blind = touch({ name: "test.rows.shout", effects: "elsewhere" });
    await using core = await begin(here, { operations: [here, there, blind] });
    await sql`create table touched (id bigint not null)`.execute(core.database.tables());
    for (const operation of ["test.rows.touch", "test.rows.send"]) {
      for (const inline of [true, false]) {
        const { id } = await core.batches.submit({ ...request(4), operation, inline, dryRun: true });
        expect(await core.finished(id)).toMatchObject({ dryRun: true, counts: { done: 3, skipped: 1 } });
      }
    }
    expect((await sql`select * from touched`.execute(core.database.tables())).rows).toEqual([]);
    await expect(core.batches.submit({ ...request(4), operation: "test.rows.shout", dryRun: true })).rejects.toThrow(
      /does not support dry runs/,
    );
  });

  describe("an interrupted chunk", () => {
    async function interrupted(operation: AnyOperation) {
      const core = await begin(operation);
      await core.stop();
      const { id } = await core.batches.submit(request(2));
      await core.ledger.claim(id, "dead", core.clock.now(), core.clock.now() + 1000);
      core.clock.advance(1001);
      return { core, id };
    }
    const never = () => Promise.reject(new Error("it was sent again"));

    test("is applied again if the operation is repeatable", async () => {
      const { core, id } = await interrupted(touch({ effects: "elsewhere" }));
      await using _ = core;
      await core.runner.runNext(id);
      expect((await core.batches.get(id)).counts.done).toBe(2);
    });

    test("is reconciled after failed attempts to reconcile", async () => {
      let calls = 0;
      const operation = touch({
        effects: "elsewhere",
        repeatable: false,
        apply: never,
        async reconcile(work) {
          if (++calls === 1) throw new VendorError("unavailable", "down");
          if (calls === 2) throw new DeferUntil(core.clock.now() + 1000);
          return done(work);
        },
      });
      const { core, id } = await interrupted(operation);
      await using _ = core;
      while (calls < 3) {
        await core.runner.runNext(id);
        core.clock.advance(2000);
      }
      expect((await core.batches.get(id)).counts).toMatchObject({ done: 2, unknown: 0 });
    });

    test("is unknown if the operation cannot reconcile", async () => {
      const { core, id } = await interrupted(touch({ effects: "elsewhere", repeatable: false, apply: never }));
      await using _ = core;
      await core.runner.runNext(id);
      expect(await results(core.batches, id)).toEqual([
        [0, "unknown", "interrupted", 0],
        [1, "unknown", "interrupted", 0],
      ]);
    });
  });

  describe("a lease", () => {
    test("is renewed while the operation runs", async () => {
      const gate = Promise.withResolvers<void>();
      const ran: number[] = [];
      const operation = touch({
        effects: "elsewhere",
        async apply(work) {
          ran.push(work.attempt);
          await gate.promise;
          return done(work);
        },
      });
      await using core = await begin(operation, { concurrency: 2, leaseMs: 3000 });
      const { id } = await core.batches.submit(request(2));
      await until(() => ran.length > 0);
      for (let step = 0; step < 20; step++) {
        const before = await leaseUntil(core.database);
        core.clock.advance(1000);
        await until(async () => (await leaseUntil(core.database)) > before);
      }
      gate.resolve();
      await core.finished(id);
      expect(ran).toEqual([1]);
    });

    test("aborts the operation when lost and discards its result", async () => {
      const begun = [Promise.withResolvers<AbortSignal>(), Promise.withResolvers<AbortSignal>()];
      const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const written: boolean[] = [];
      const operation = touch({
        effects: "elsewhere",
        async apply(work) {
          const index = work.attempt - 1;
          begun[index]?.resolve(work.signal);
          await gates[index]?.promise;
          if (index === 1) return done(work);
          return work.items.map((key) => ({ key, outcome: "failed", code: "late", message: "late" }));
        },
      });
      // One process takes the chunk over from itself: each claim has its own name.
      await using core = await begin(operation, {
        leaseMs: 3000,
        concurrency: 2,
        ledger: (ledger) => ({
          renew: () => Promise.reject(lost()),
          async finishChunk(...args) {
            const ours = await ledger.finishChunk(...args);
            written.push(ours);
            return ours;
          },
        }),
      });
      const { id } = await core.batches.submit(request(2));
      const signal = await (begun[0]?.promise as Promise<AbortSignal>);
      expect(signal.aborted).toBe(false);
      await until(() => {
        core.clock.advance(500);
        return signal.aborted;
      });
      let isClaimedAgain = false;
      void begun[1]?.promise.then(() => {
        isClaimedAgain = true;
      });
      await until(() => {
        if (!isClaimedAgain) core.clock.advance(100);
        return isClaimedAgain;
      });
      gates[0]?.resolve();
      await until(() => written.length === 1);
      expect((await core.batches.get(id)).counts).toMatchObject({ done: 0, failed: 0 });
      gates[1]?.resolve();
      await until(() => written.length === 2);
      expect(await core.finished(id)).toMatchObject({ status: "completed", counts: { done: 2, failed: 0 } });
      expect(written).toEqual([false, true]);
    });

    test("lasts while a known outcome waits for the ledger", async () => {
      let away = 3;
      const operation = touch({ effects: "elsewhere", repeatable: false });
      await using core = await begin(operation, {
        ledger: (ledger) => ({
          finishChunk: (...args) => (away-- > 0 ? Promise.reject(lost()) : ledger.finishChunk(...args)),
        }),
      });
      const { id } = await core.batches.submit(request(2));
      expect(await core.finished(id)).toMatchObject({ status: "completed", counts: { done: 2 } });
    });

    test("sends nothing if it expired before the claim returned", async () => {
      const attempts: number[] = [];
      let slow = true;
      const operation = touch({
        effects: "elsewhere",
        repeatable: false,
        async apply(work) {
          attempts.push(work.attempt);
          return done(work);
        },
      });
      await using core = await begin(operation, {
        leaseMs: 3000,
        ledger: (ledger) => ({
          async claim(...args) {
            const chunk = await ledger.claim(...args);
            if (slow && chunk) core.clock.advance(3001);
            if (chunk) slow = false;
            return chunk;
          },
        }),
      });
      const { id } = await core.batches.submit(request(2));
      expect(await core.finished(id)).toMatchObject({ status: "completed", counts: { done: 2, unknown: 0 } });
      expect(attempts).toEqual([1]);
    });
  });
});

async function leaseUntil(database: Database): Promise<number> {
  const { rows } = await sql<{ lease_until: number }>`select lease_until from reinstate_chunks`.execute(
    database.tables(),
  );
  return rows[0]?.lease_until ?? 0;
}
