import { ledgerDatabases, postgresDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { createHost } from "../host.ts";
import { defineOperation } from "../operation/operation.ts";
import type { Database, LedgerTransaction } from "./database.ts";
import { createGroupCommit, type GroupCommitParts } from "./group-commit.ts";
import { openDatabase } from "./open-database.ts";

const insert = (on: LedgerTransaction, id: number) => sql`insert into kept (id) values (${id})`.execute(on);

async function begin(open: (typeof ledgerDatabases)[number]["open"]) {
  const server = await open();
  const database = openDatabase(server.url);
  await sql`create table kept (id integer primary key)`.execute(database.tables());
  return {
    database,
    url: server.url,
    async ids() {
      const { rows } = await sql<{ id: number }>`select id from kept order by id`.execute(database.tables());
      return rows.map(({ id }) => id);
    },
    async [Symbol.asyncDispose]() {
      await database.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** The sharing of a database, by transactions that are counted and may go wrong. */
function counting(database: Database, change: Partial<GroupCommitParts> = {}) {
  const counted = { transactions: 0 };
  const together = createGroupCommit({
    transaction: (work) => {
      counted.transactions++;
      return database.transaction(work);
    },
    maxConcurrent: 1,
    runAll: async (works, transaction) => {
      const results: unknown[] = [];
      for (const work of works) results.push(await work(transaction));
      return results;
    },
    schedule: setImmediate,
    ...change,
  });
  return { counted, together };
}

describe.each(ledgerDatabases)("short work on $name", ({ open }) => {
  test("that is asked for at one moment shares a transaction, and each gets its own result", async () => {
    await using kept = await begin(open);
    const { counted, together } = counting(kept.database);
    const ids = Array.from({ length: 120 }, (_, index) => index + 1);
    const results = await Promise.all(ids.map((id) => together(async (on) => (await insert(on, id)) && `kept ${id}`)));
    expect(results).toEqual(ids.map((id) => `kept ${id}`));
    expect(await kept.ids()).toEqual(ids);
    // No more than fifty share one.
    expect(counted.transactions).toBe(3);
  });

  test("that is asked for while others are on their way shares the next one", async () => {
    await using kept = await begin(open);
    const { counted, together } = counting(kept.database);
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const first = together(async () => {
      begun.resolve();
      await gate.promise;
    });
    await begun.promise;
    const rest = [1, 2, 3].map((id) => together((on) => insert(on, id)));
    gate.resolve();
    await Promise.all([first, ...rest]);
    expect([counted.transactions, await kept.ids()]).toEqual([2, [1, 2, 3]]);
  });

  test("of one who is alone time and again begins at once, and is shared again when others come", async () => {
    await using kept = await begin(open);
    let looks = 0;
    const { counted, together } = counting(kept.database, {
      schedule(run) {
        looks++;
        setImmediate(run);
      },
    });
    const ids = Array.from({ length: 22 }, (_, index) => index);
    for (const id of ids.slice(0, 12)) await together((on) => insert(on, id));
    expect([looks, counted.transactions]).toEqual([4, 12]);
    await Promise.all(ids.slice(12).map((id) => together((on) => insert(on, id))));
    expect([looks, counted.transactions]).toEqual([5, 13]);
    await together((on) => insert(on, 22));
    expect([looks, await kept.ids()]).toEqual([6, [...ids, 22]]);
  });

  test("that fails fails alone, whether it is the program or the database that refuses", async () => {
    await using kept = await begin(open);
    await insert(kept.database.tables<never>() as never, 5);
    const tries: number[] = [];
    const asked = Array.from({ length: 10 }, (_, id) =>
      kept.database.groupCommit(async (on) => {
        tries.push(id);
        // 5 is there already.
        await insert(on, id);
        if (id === 3) throw new Error("changed my mind");
        return id;
      }),
    );
    const ended = await Promise.allSettled(asked);
    expect(ended.flatMap((end) => (end.status === "fulfilled" ? end.value : []))).toEqual([0, 1, 2, 4, 6, 7, 8, 9]);
    expect(String((ended[3] as PromiseRejectedResult).reason)).toMatch(/changed my mind/);
    expect(String((ended[5] as PromiseRejectedResult).reason)).toMatch(/unique|duplicate/i);
    expect(await kept.ids()).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9]);
    // Each was tried with the others at most once, and then alone.
    for (const id of [0, 9]) expect(tries.filter((one) => one === id).length).toBeLessThanOrEqual(2);
  });

  test("whose commit got no answer is not done again, and all are told that nobody knows", async () => {
    await using kept = await begin(open);
    const lost = new Error("no answer");
    const tries: number[] = [];
    const { together } = counting(kept.database, {
      transaction: async (work) => {
        await kept.database.transaction(work);
        throw lost;
      },
    });
    const asked = [1, 2, 3].map((id) =>
      together(async (on) => {
        tries.push(id);
        await insert(on, id);
      }),
    );
    const reasons = (await Promise.allSettled(asked)).map((end) => (end as PromiseRejectedResult).reason);
    expect(reasons).toEqual([lost, lost, lost]);
    expect([tries, await kept.ids()]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  test("hundreds of tiny batches at once: each has its own fate, and those with one key are one batch", async () => {
    await using kept = await begin(open);
    const host = await createHost({ databaseUrl: kept.url });
    host.register(
      defineOperation<number, unknown>({
        ...{ name: "test.rows.keep", label: "row/keep", item: z.int(), params: z.unknown(), key: (id) => id },
        ...{ chunkSize: 10, inlineLimit: 10, groupCommit: true },
        async apply({ items, transaction }) {
          if (items.includes(13)) throw new Error("unlucky");
          for (const id of items) {
            await sql`insert into kept (id) values (${id}) on conflict do nothing`.execute(transaction);
          }
          return items.map((key) => ({ key, outcome: "done" }));
        },
      }),
    );
    const submit = (id: number, key: number) =>
      host.batches.submit({
        operation: "test.rows.keep",
        items: [id],
        idempotency: { scope: "s", key: `k${key}`, digest: `d${key}` },
      });
    const ids = Array.from({ length: 300 }, (_, index) => index);
    // The last hundred are said twice.
    const ended = await Promise.allSettled([...ids, ...ids.slice(200)].map((id) => submit(id, id)));
    expect(ended.map(({ status }) => status).indexOf("rejected")).toBe(13);
    expect(ended.filter(({ status }) => status === "rejected")).toHaveLength(1);
    const batches = ended.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    expect(batches.filter(({ replayed }) => replayed)).toHaveLength(100);
    expect(new Set(batches.map(({ id }) => id)).size).toBe(299);
    expect(batches.every(({ counts }) => counts.done === 1)).toBe(true);
    expect(await kept.ids()).toEqual(ids.filter((id) => id !== 13));
    await host.close();
  });

  test("batches of an operation that looks before it writes do not get among each other", async () => {
    await using kept = await begin(open);
    const host = await createHost({ databaseUrl: kept.url });
    const table = host.database.dialect === "postgres" ? sql`kept for update` : sql`kept`;
    host.register(
      defineOperation<number, unknown>({
        ...{ name: "test.rows.add", label: "row/add", item: z.int(), params: z.unknown(), key: (id) => id },
        chunkSize: 10,
        async apply({ items, transaction }) {
          const { rows } = await sql<{ id: number }>`select id from ${table}`.execute(transaction);
          await sql`update kept set id = ${(rows[0]?.id ?? 0) + 1}`.execute(transaction);
          return items.map((key) => ({ key, outcome: "done" }));
        },
      }),
    );
    await insert(host.database.tables<never>() as never, 0);
    const ids = Array.from({ length: 40 }, (_, index) => index);
    await Promise.all(ids.map((id) => host.batches.submit({ operation: "test.rows.add", items: [id] })));
    expect(await kept.ids()).toEqual([40]);
    await host.close();
  });
});

test("who waits for a row that somebody holds does not hold up the others", async () => {
  await using kept = await begin(postgresDatabase);
  const { database } = kept;
  await insert(database.tables<never>() as never, 1);
  const gate = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const holding = database.transaction(async (on) => {
    await sql`update kept set id = -1 where id = 1`.execute(on);
    held.resolve();
    await gate.promise;
  });
  await held.promise;
  let over = false;
  const waits = database
    .groupCommit((on) => sql`update kept set id = 100 where id = -1 or id = 1`.execute(on))
    .then(() => {
      over = true;
    });
  await Promise.all([2, 3, 4].map((id) => database.groupCommit((on) => insert(on, id))));
  expect(over).toBe(false);
  gate.resolve();
  await Promise.all([waits, holding]);
  expect(await kept.ids()).toEqual([2, 3, 4, 100]);
});

test("a COMMIT that PostgreSQL answers with a ROLLBACK is a failure", async () => {
  await using kept = await begin(postgresDatabase);
  const swallowed = kept.database.transaction(async (on) => {
    await insert(on, 1);
    await sql`select 1 / 0`.execute(on).catch(() => {});
  });
  await expect(swallowed).rejects.toThrow("rolled back");
  // Among others it is the only one to fail.
  const among = [2, 3, 4].map((id) =>
    kept.database.groupCommit(async (on) => {
      await insert(on, id);
      if (id === 3) await sql`select 1 / 0`.execute(on).catch(() => {});
    }),
  );
  expect((await Promise.allSettled(among)).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await kept.ids()).toEqual([2, 4]);
});
