import { ledgerDatabases, postgresDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { createHost } from "../host.ts";
import { defineOperation } from "../operation/operation.ts";
import type { Database, LedgerTransaction } from "./database.ts";
import { createGroupCommit, type GroupCommitParts } from "./group-commit.ts";
import { openDatabase } from "./open-database.ts";

const insert = (on: LedgerTransaction, id: number) => sql`insert into stored (id) values (${id})`.execute(on);

async function begin(open: (typeof ledgerDatabases)[number]["open"]) {
  const server = await open();
  const database = openDatabase(server.url);
  await sql`create table stored (id integer primary key)`.execute(database.tables());
  return {
    database,
    url: server.url,
    async ids() {
      const { rows } = await sql<{ id: number }>`select id from stored order by id`.execute(database.tables());
      return rows.map(({ id }) => id);
    },
    async [Symbol.asyncDispose]() {
      await database.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Creates a group commit whose transactions are counted and may fail. */
function counting(database: Database, change: Partial<GroupCommitParts> = {}) {
  const counted = { transactions: 0 };
  const groupCommit = createGroupCommit({
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
  return { counted, groupCommit };
}

describe.each(ledgerDatabases)("group commit on $name", ({ open }) => {
  test("runs concurrent work in shared transactions and returns each result", async () => {
    await using stored = await begin(open);
    const { counted, groupCommit } = counting(stored.database);
    const ids = Array.from({ length: 120 }, (_, index) => index + 1);
    const results = await Promise.all(
      ids.map((id) => groupCommit(async (on) => (await insert(on, id)) && `stored ${id}`)),
    );
    expect(results).toEqual(ids.map((id) => `stored ${id}`));
    expect(await stored.ids()).toEqual(ids);
    // At most fifty share one transaction.
    expect(counted.transactions).toBe(3);
  });

  test("collects work for the next transaction while one is open", async () => {
    await using stored = await begin(open);
    const { counted, groupCommit } = counting(stored.database);
    const gate = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const first = groupCommit(async () => {
      begun.resolve();
      await gate.promise;
    });
    await begun.promise;
    const rest = [1, 2, 3].map((id) => groupCommit((on) => insert(on, id)));
    gate.resolve();
    await Promise.all([first, ...rest]);
    expect([counted.transactions, await stored.ids()]).toEqual([2, [1, 2, 3]]);
  });

  test("skips the delay for solo work and groups again later", async () => {
    await using stored = await begin(open);
    let delays = 0;
    const { counted, groupCommit } = counting(stored.database, {
      schedule(run) {
        delays++;
        setImmediate(run);
      },
    });
    const ids = Array.from({ length: 22 }, (_, index) => index);
    for (const id of ids.slice(0, 12)) await groupCommit((on) => insert(on, id));
    expect([delays, counted.transactions]).toEqual([4, 12]);
    await Promise.all(ids.slice(12).map((id) => groupCommit((on) => insert(on, id))));
    expect([delays, counted.transactions]).toEqual([5, 13]);
    await groupCommit((on) => insert(on, 22));
    expect([delays, await stored.ids()]).toEqual([6, [...ids, 22]]);
  });

  test("fails only the work that threw or broke a constraint", async () => {
    await using stored = await begin(open);
    await insert(stored.database.tables<never>() as never, 5);
    const tries: number[] = [];
    const works = Array.from({ length: 10 }, (_, id) =>
      stored.database.groupCommit(async (on) => {
        tries.push(id);
        // 5 exists already.
        await insert(on, id);
        if (id === 3) throw new Error("changed my mind");
        return id;
      }),
    );
    const ended = await Promise.allSettled(works);
    expect(ended.flatMap((end) => (end.status === "fulfilled" ? end.value : []))).toEqual([0, 1, 2, 4, 6, 7, 8, 9]);
    expect(String((ended[3] as PromiseRejectedResult).reason)).toMatch(/changed my mind/);
    expect(String((ended[5] as PromiseRejectedResult).reason)).toMatch(/unique|duplicate/i);
    expect(await stored.ids()).toEqual([0, 1, 2, 4, 5, 6, 7, 8, 9]);
    // Each ran at most once in the group, and then alone.
    for (const id of [0, 9]) expect(tries.filter((one) => one === id).length).toBeLessThanOrEqual(2);
  });

  test("repeats nothing if the result of the commit is lost", async () => {
    await using stored = await begin(open);
    const lost = new Error("no answer");
    const tries: number[] = [];
    const { groupCommit } = counting(stored.database, {
      transaction: async (work) => {
        await stored.database.transaction(work);
        throw lost;
      },
    });
    const works = [1, 2, 3].map((id) =>
      groupCommit(async (on) => {
        tries.push(id);
        await insert(on, id);
      }),
    );
    const reasons = (await Promise.allSettled(works)).map((end) => (end as PromiseRejectedResult).reason);
    expect(reasons).toEqual([lost, lost, lost]);
    expect([tries, await stored.ids()]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });

  test("accepts hundreds of small batches, one for each key", async () => {
    await using stored = await begin(open);
    const host = await createHost({ databaseUrl: stored.url });
    host.register(
      defineOperation<number, unknown>({
        name: "test.rows.keep",
        label: "row/keep",
        item: z.int(),
        params: z.unknown(),
        key: (id) => id,
        chunkSize: 10,
        inlineLimit: 10,
        groupCommit: true,
        async apply({ items, transaction }) {
          if (items.includes(13)) throw new Error("unlucky");
          for (const id of items) {
            await sql`insert into stored (id) values (${id}) on conflict do nothing`.execute(transaction);
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
    // The last hundred are submitted twice.
    const ended = await Promise.allSettled([...ids, ...ids.slice(200)].map((id) => submit(id, id)));
    expect(ended.map(({ status }) => status).indexOf("rejected")).toBe(13);
    expect(ended.filter(({ status }) => status === "rejected")).toHaveLength(1);
    const batches = ended.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    expect(batches.filter(({ replayed }) => replayed)).toHaveLength(100);
    expect(new Set(batches.map(({ id }) => id)).size).toBe(299);
    expect(batches.every(({ counts }) => counts.done === 1)).toBe(true);
    expect(await stored.ids()).toEqual(ids.filter((id) => id !== 13));
    await host.close();
  });

  test("isolates batches of an operation that does not set groupCommit", async () => {
    await using stored = await begin(open);
    const host = await createHost({ databaseUrl: stored.url });
    const table = host.database.dialect === "postgres" ? sql`stored for update` : sql`stored`;
    host.register(
      defineOperation<number, unknown>({
        name: "test.rows.add",
        label: "row/add",
        item: z.int(),
        params: z.unknown(),
        key: (id) => id,
        chunkSize: 10,
        async apply({ items, transaction }) {
          const { rows } = await sql<{ id: number }>`select id from ${table}`.execute(transaction);
          await sql`update stored set id = ${(rows[0]?.id ?? 0) + 1}`.execute(transaction);
          return items.map((key) => ({ key, outcome: "done" }));
        },
      }),
    );
    await insert(host.database.tables<never>() as never, 0);
    const ids = Array.from({ length: 40 }, (_, index) => index);
    await Promise.all(ids.map((id) => host.batches.submit({ operation: "test.rows.add", items: [id] })));
    expect(await stored.ids()).toEqual([40]);
    await host.close();
  });
});

test("group commit does not wait for work on a locked row", async () => {
  await using stored = await begin(postgresDatabase);
  const { database } = stored;
  await insert(database.tables<never>() as never, 1);
  const gate = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const holding = database.transaction(async (on) => {
    await sql`update stored set id = -1 where id = 1`.execute(on);
    held.resolve();
    await gate.promise;
  });
  await held.promise;
  let over = false;
  const waits = database
    .groupCommit((on) => sql`update stored set id = 100 where id = -1 or id = 1`.execute(on))
    .then(() => {
      over = true;
    });
  await Promise.all([2, 3, 4].map((id) => database.groupCommit((on) => insert(on, id))));
  expect(over).toBe(false);
  gate.resolve();
  await Promise.all([waits, holding]);
  expect(await stored.ids()).toEqual([2, 3, 4, 100]);
});

test("group commit fails work whose COMMIT returns ROLLBACK", async () => {
  await using stored = await begin(postgresDatabase);
  const swallowed = stored.database.transaction(async (on) => {
    await insert(on, 1);
    await sql`select 1 / 0`.execute(on).catch(() => {});
  });
  await expect(swallowed).rejects.toThrow("rolled back");
  // In a group, only this work fails.
  const among = [2, 3, 4].map((id) =>
    stored.database.groupCommit(async (on) => {
      await insert(on, id);
      if (id === 3) await sql`select 1 / 0`.execute(on).catch(() => {});
    }),
  );
  expect((await Promise.allSettled(among)).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  expect(await stored.ids()).toEqual([2, 4]);
});
