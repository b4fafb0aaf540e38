import { randomBytes } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { expect, test } from "vitest";
import * as z from "zod";
import { pack } from "../batch/chunk-codec.ts";
import type { Database } from "../database/database.ts";
import { openDatabase } from "../database/open-database.ts";
import { DeferUntil } from "../errors/errors.ts";
import type { NewChunk } from "../ledger/ledger.ts";
import { type AnyOperation, defineOperation, type Operation, type Outcome } from "../operation/operation.ts";
import type { ItemOutcome } from "../results/items.ts";
import { type Assembly, assemble } from "../testing/assemble.ts";
import { heldMemory } from "../testing/held-memory.ts";
import { Disk } from "../testing/simulation/disk.ts";
import { type Sabotage, simulate } from "../testing/simulation/simulation.ts";
import { createTestClock } from "../testing/test-clock.ts";
import { until } from "../testing/until.ts";

/** A part of the core broken on purpose. */
interface Breakage extends Sabotage {
  database?(database: Database): Database;
}

interface Guarantee {
  /** Throws if the guarantee does not hold. */
  prove(url: string, breakage: Breakage): Promise<void>;
  /** Faults that break the guarantee and must be detected. */
  broken: Record<string, Breakage>;
}

const operation = (change: Partial<Operation<number, unknown>> = {}): AnyOperation =>
  defineOperation<number, unknown>({
    name: "test.rows.touch",
    label: "row/touch",
    item: z.int(),
    params: z.strictObject({}),
    key: (item) => item,
    chunkSize: 2,
    inlineLimit: 0,
    apply: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
    ...change,
  });

const failed = (key: number): Outcome => ({ key, outcome: "failed", code: "no", message: "no" });
const lost = () => Object.assign(new Error("the line broke"), { code: "ECONNRESET" });

async function withCore(
  url: string,
  breakage: Breakage,
  one: AnyOperation,
  work: (core: Assembly & { clock: ReturnType<typeof createTestClock>; database: Database }) => Promise<void>,
): Promise<void> {
  const real = openDatabase(url);
  const database = breakage.database?.(real) ?? real;
  const clock = createTestClock();
  try {
    await sql`create table if not exists effects (item bigint not null)`.execute(real.tables());
    const operations = breakage.operations?.([one]) ?? [one];
    await work({ ...(await assemble({ database, operations, ledger: breakage.ledger, clock })), clock, database });
  } finally {
    await real.close();
  }
}

const submit = (core: Assembly, count: number, change = {}) =>
  core.batches.submit({
    operation: "test.rows.touch",
    items: Array.from({ length: count }, (_, index) => index),
    ...change,
  });

async function readItems(core: Assembly, id: number): Promise<ItemOutcome[]> {
  const all: ItemOutcome[] = [];
  for await (const item of core.batches.everyItem(id)) all.push(item);
  return all.sort((a, b) => (a.item as number) - (b.item as number));
}

const effects = async ({ database }: { database: Database }) =>
  (await sql<{ item: number }>`select item from effects order by item`.execute(database.tables())).rows.map(
    ({ item }) => item,
  );

const guarantees: Record<string, Guarantee> = {
  "1: stores a batch with all items before it is acknowledged": {
    async prove(url, breakage) {
      await withCore(url, breakage, operation(), async (core) => {
        const { id } = await submit(core, 5);
        // Another connection sees only what is committed.
        await withCore(url, {}, operation(), async (other) => {
          const seen = await readItems(other, id).catch(() => []);
          expect(seen.map(({ item }) => item)).toEqual([0, 1, 2, 3, 4]);
        });
        const intake = {
          total: 4,
          duplicates: 0,
          close() {},
          *chunks(): Generator<NewChunk> {
            yield { packed: pack([1, 2]) };
            throw new Error("the upload broke off");
          },
        };
        await expect(core.batches.submitIntake({ operation: "test.rows.touch" }, intake)).rejects.toThrow();
        expect(await core.batches.list({ limit: 10 })).toHaveLength(1);
      });
    },
    broken: {
      "a broken upload is stored": {
        ledger: (ledger) => ({
          async accept(batch, chunks, ...rest) {
            const stored: NewChunk[] = [];
            try {
              for await (const chunk of chunks) stored.push(chunk);
            } catch {}
            return ledger.accept(batch, stored, ...rest);
          },
        }),
      },
      "a batch is acknowledged before the commit": {
        database: (database) => ({
          ...database,
          transaction: (work) =>
            new Promise((resolve, reject) => {
              void database
                .transaction(async (transaction) => {
                  resolve(await work(transaction));
                  throw new Error("the process dies before the commit");
                })
                .catch(reject);
            }),
        }),
      },
    },
  },

  "2: gives every distinct item exactly one outcome": {
    async prove(url, breakage) {
      // Each chunk has two items, and one of them gets an outcome.
      const half = operation({ apply: async ({ items }) => [{ key: items[0] as number, outcome: "done" }] });
      await withCore(url, breakage, half, async (core) => {
        const { id, total } = await submit(core, 6, { items: [0, 1, 1, 2, 3, 4, 5, 5] });
        while ((await core.runner.runNext(id)) === "ran") {
          const { counts } = await core.batches.get(id);
          expect(counts.done + counts.failed).toBeLessThanOrEqual(total);
        }
        const { counts, status } = await core.batches.get(id);
        expect([status, total, counts]).toEqual(["completed", 6, { done: 3, skipped: 0, failed: 3, unknown: 0 }]);
        const results = (await readItems(core, id)).map(({ item, outcome }) => [item, outcome]);
        expect(results).toEqual([0, 1, 2, 3, 4, 5].map((item) => [item, item % 2 === 0 ? "done" : "failed"]));
      });
    },
    broken: {
      "an item without an outcome counts as done": {
        operations: (all) =>
          all.map((one) => ({
            ...one,
            apply: async (work) => work.items.map((key: number) => ({ key, outcome: "done" as const })),
          })),
      },
      "a failed item is also counted as done": {
        ledger: (ledger) => ({
          finishChunk: (chunk, settlement, now, by) =>
            ledger.finishChunk(chunk, { ...settlement, counts: { ...settlement.counts, done: 2 } }, now, by),
        }),
      },
    },
  },

  "3a: commits ledger effects with their outcomes, exactly once": {
    async prove(url, breakage) {
      const insert = operation({
        async apply({ items, transaction }) {
          for (const item of items) await sql`insert into effects (item) values (${item})`.execute(transaction);
          return items.map((key) => ({ key, outcome: "done" }));
        },
      });
      let broke = false;
      const breaksOnce: Breakage = {
        ...breakage,
        ledger: (ledger) => ({
          async finishChunk(...args) {
            const written = await ledger.finishChunk(...args);
            if (broke) return written;
            broke = true;
            throw lost();
          },
        }),
      };
      await withCore(url, breaksOnce, insert, async (core) => {
        const { id } = await submit(core, 4);
        await until(async () => {
          await core.runner.runNext(id);
          core.clock.advance(1000);
          return (await core.batches.get(id)).status === "completed";
        });
        expect(await effects(core)).toEqual([0, 1, 2, 3]);
      });
    },
    broken: {
      "an effect commits without its outcome": {
        database: (database) => ({
          ...database,
          async transaction(work) {
            const ended = await database.transaction(async (transaction) => {
              await sql`savepoint outcome`.execute(transaction);
              return work(transaction).then(
                (result) => ({ result }),
                async (error: unknown) => {
                  const stored = (await sql<{ item: number }>`select item from effects`.execute(transaction)).rows;
                  await sql`rollback to savepoint outcome`.execute(transaction);
                  await sql`delete from effects`.execute(transaction);
                  for (const { item } of stored)
                    await sql`insert into effects (item) values (${item})`.execute(transaction);
                  return { error };
                },
              );
            });
            if ("error" in ended) throw ended.error;
            return ended.result;
          },
        }),
      },
    },
  },

  "3b: never silently repeats an interrupted external effect": {
    async prove(url, breakage) {
      const sent: number[] = [];
      const send = operation({
        effects: "elsewhere",
        repeatable: false,
        async apply({ items }) {
          sent.push(...items);
          return items.map((key) => ({ key, outcome: "done" }));
        },
        reconcile: async ({ items }) =>
          items.map((key) => (sent.includes(key) ? { key, outcome: "done" } : failed(key))),
      });
      await withCore(url, breakage, send, async (core) => {
        const { id } = await submit(core, 4);
        // A process claims a chunk, sends it, and dies.
        await core.ledger.claim(id, "dead", core.clock.now(), core.clock.now() + 1000);
        sent.push(0, 1);
        core.clock.advance(1001);
        while ((await core.runner.runNext(id)) === "ran");
        expect(sent).toEqual([0, 1, 2, 3]);
        expect((await core.batches.get(id)).counts).toMatchObject({ done: 4 });
      });
    },
    broken: {
      "an interrupted chunk looks new": {
        ledger: (ledger) => ({
          async claim(...args) {
            const chunk = await ledger.claim(...args);
            return chunk && "seq" in chunk ? { ...chunk, interrupted: false } : chunk;
          },
        }),
      },
      "the operation claims to be repeatable": {
        operations: (all) => all.map((one) => ({ ...one, repeatable: true })),
      },
    },
  },

  "4: stops between chunks, resumes, and retries only failed items": {
    async prove(url, breakage) {
      const ran: string[] = [];
      const once = operation({
        async apply({ items, generation }) {
          ran.push(`${generation}: ${items}`);
          return items.map((key) => (key === 3 && generation === 0 ? failed(key) : { key, outcome: "done" }));
        },
      });
      await withCore(url, breakage, once, async (core) => {
        const { id } = await submit(core, 6);
        await core.runner.runNext(id);
        await core.batches.stop(id);
        expect(await core.runner.runNext(id)).toBe("idle");
        expect(ran).toEqual(["0: 0,1"]);
        await core.batches.resume(id);
        while ((await core.runner.runNext(id)) === "ran");
        await core.batches.retry(id);
        while ((await core.runner.runNext(id)) === "ran");
        expect(ran).toEqual(["0: 0,1", "0: 2,3", "0: 4,5", "1: 3"]);
        expect((await core.ledger.readChunks(id, { outcome: "failed", limit: 10 })).map(({ seq }) => seq)).toEqual([1]);
        expect((await core.batches.get(id)).counts).toMatchObject({ done: 6, failed: 0 });
      });
    },
    broken: {
      "a stop has no effect": {
        ledger: (ledger) => ({
          move: async (id, to, ...rest) => to === "stopped" || (await ledger.move(id, to, ...rest)) || true,
        }),
      },
      "the last outcome replaces the first": {
        ledger: (ledger) => ({
          readChunks: async (...args) =>
            (await ledger.readChunks(...args)).filter(({ retries }) => retries.length === 0),
        }),
      },
    },
  },

  "5: retries lost connections, never rejections; deferrals count no attempt": {
    async prove(url, breakage) {
      const tries: string[] = [];
      let opens = 0;
      const judged = operation({
        effects: "elsewhere",
        repeatable: false,
        reconcile: async ({ items, attempt, seq }) => {
          tries.push(`${seq}.${attempt}`);
          return items.map((key) => ({ key, outcome: "done" }));
        },
        async apply({ items, seq, attempt }) {
          tries.push(`${seq}.${attempt}`);
          if (seq === 0) return items.map(failed);
          if (seq === 1) throw lost();
          if (opens === 0) {
            opens = core.now() + 60_000;
            throw new DeferUntil(opens);
          }
          return items.map((key) => ({ key, outcome: "done" }));
        },
      });
      let core = createTestClock();
      await withCore(url, breakage, judged, async (assembly) => {
        core = assembly.clock;
        const { id } = await submit(assembly, 6);
        await until(async () => {
          await assembly.runner.runNext(id);
          core.advance(30_000);
          return (await assembly.batches.get(id)).status === "completed";
        });
        expect(tries.toSorted()).toEqual(["0.1", "1.1", "1.2", "2.1", "2.1"]);
      });
    },
    broken: {
      "a wait counts as an attempt": {
        ledger: (ledger) => ({
          release: (chunk, at, by, how) => ledger.release(chunk, at, by, { ...how, counted: true }),
        }),
      },
      "a rejection looks like a lost connection": {
        operations: (all) =>
          all.map((one) => ({
            ...one,
            apply: (work) => (work.seq === 0 ? Promise.reject(lost()) : one.apply(work)),
          })),
      },
    },
  },

  "6: uses constant memory for any batch size": {
    async prove(url, breakage) {
      const text = operation({ item: z.string() as never, key: (item) => item, chunkSize: 100 });
      await withCore(url, breakage, text, async (core) => {
        const chunks = 1500;
        let most = 0;
        let at = 0;
        const start = heldMemory();
        function look(): void {
          if (at++ % 150 === 149) most = Math.max(most, heldMemory() - start);
        }
        const intake = {
          total: chunks * 100,
          duplicates: 0,
          close() {},
          *chunks(): Generator<NewChunk> {
            for (let chunk = 0; chunk < chunks; chunk++) {
              look();
              yield { packed: pack(Array.from({ length: 100 }, (_, item) => `${chunk} ${item} ${noise()}`)) };
            }
          },
        };
        const { id } = await core.batches.submitIntake({ operation: "test.rows.touch" }, intake);
        let items = 0;
        for await (const _ of core.batches.everyItem(id)) if (items++ % 100 === 0) look();
        expect(items).toBe(chunks * 100);
        // The whole is 60 MB.
        expect(most).toBeLessThan(10e6);
      });
    },
    broken: {
      "an upload is buffered": {
        ledger: (ledger) => ({
          async accept(batch, chunks, ...rest) {
            const all: NewChunk[] = [];
            for await (const chunk of chunks) all.push(chunk);
            return ledger.accept(batch, all, ...rest);
          },
        }),
      },
    },
  },

  "7: computes progress from chunks without writing the batch row": {
    async prove(url, breakage) {
      await withCore(url, breakage, operation(), async (core) => {
        const { id } = await submit(core, 8);
        const row = async () =>
          (await sql`select * from reinstate_batches where id = ${id}`.execute(core.database.tables())).rows[0];
        await core.runner.runNext(id);
        const before = await row();
        core.clock.advance(1000);
        await core.runner.runNext(id);
        expect(await row()).toEqual(before);
        expect((await core.batches.get(id)).counts.done).toBe(4);
        await sql`update reinstate_chunks set done = 1, failed = 1 where batch_id = ${id} and seq = 0`.execute(
          core.database.tables(),
        );
        expect((await core.batches.get(id)).counts).toMatchObject({ done: 3, failed: 1 });
      });
    },
    broken: {
      "the batch row holds a counter": {
        ledger: (ledger) => ({
          async finishChunk(chunk, settlement, now, by) {
            const on = (by.transaction ?? undefined) as never;
            await sql`update reinstate_batches set updated_at = ${now} where id = ${chunk.batchId}`.execute(on);
            return ledger.finishChunk(chunk, settlement, now, by);
          },
        }),
      },
    },
  },

  "8: journals rows before a foreign database deletes them": {
    async prove(url, breakage) {
      const foreign = new DatabaseSync(":memory:");
      foreign.exec("create table leads (id integer primary key); insert into leads values (0), (1)");
      const here = openDatabase(url);
      const journal = async (items: readonly number[]) => {
        for (const item of items) await sql`insert into effects (item) values (${item})`.execute(here.tables());
      };
      const images = async () => effects({ database: here });
      let dies = true;
      const move = operation({
        effects: "elsewhere",
        repeatable: false,
        params: z.any(),
        async apply({ items, params }) {
          const { journalLast } = (params ?? {}) as { journalLast?: boolean };
          if (!journalLast) await journal(items);
          foreign.exec(`delete from leads where id in (${items})`);
          if (dies) {
            dies = false;
            throw lost();
          }
          if (journalLast) await journal(items);
          return items.map((key) => ({ key, outcome: "done" }));
        },
        async reconcile({ items }) {
          const known = await images();
          for (const item of items) {
            if (known.includes(item)) foreign.prepare("insert or ignore into leads values (?)").run(item);
          }
          return items.map(failed);
        },
      });
      try {
        await withCore(url, breakage, move, async (core) => {
          const { id } = await submit(core, 2);
          await core.runner.runNext(id);
          core.clock.advance(60_000);
          await core.runner.runNext(id);
          expect(foreign.prepare("select id from leads order by id").all()).toEqual([{ id: 0 }, { id: 1 }]);
        });
      } finally {
        foreign.close();
        await here.close();
      }
    },
    broken: {
      "the journal is written after the delete": {
        operations: (all) =>
          all.map((one) => ({ ...one, apply: (work) => one.apply({ ...work, params: { journalLast: true } }) })),
      },
    },
  },

  "9: depends only on injected time, randomness and network": {
    async prove(_, breakage) {
      const traces = new Set<number>();
      for (let run = 0; run < 4; run++) traces.add((await simulate(1, await Disk.make(), breakage)).trace);
      expect(traces.size).toBe(1);
    },
    broken: {
      "a part uses its own randomness": {
        ledger: (ledger) => ({ open: async () => (Math.random() < 0.5 ? [] : ledger.open()) }),
      },
      "a part reads its own clock": {
        ledger: (ledger) => ({
          release: (chunk, at, ...rest) => ledger.release(chunk, at + (performance.now() % 1000), ...rest),
          closeBatch: (id, now, ...rest) =>
            performance.now() % 2 < 1 ? ledger.closeBatch(id, now, ...rest) : Promise.resolve(false),
        }),
      },
    },
  },
};

/** 400 characters that do not deflate away. */
const noise = () => randomBytes(300).toString("base64");

for (const [sentence, guarantee] of Object.entries(guarantees)) {
  test.each(ledgerDatabases)(`guarantee ${sentence} ($name)`, async ({ open }) => {
    await using file = await open();
    await guarantee.prove(file.url, {});
  });
  test.each(Object.entries(guarantee.broken))(`guarantee ${sentence} detects: %s`, async (_, breakage) => {
    await using file = await (ledgerDatabases[0] as (typeof ledgerDatabases)[0]).open();
    const verdict = await guarantee.prove(file.url, breakage).then(
      () => "not detected",
      (error: Error) => error.name,
    );
    // An assertion must fail; a fault that cannot run at all does not count.
    expect(verdict).toBe("AssertionError");
  });
}
