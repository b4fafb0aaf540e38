import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation, ReinstateError } from "../index.ts";
import { createTestHost } from "../testing/index.ts";

const touch = defineOperation({
  name: "test.rows.touch",
  label: "row/touch",
  item: z.int().min(0),
  params: z.strictObject({}),
  key: (id) => id,
  chunkSize: 10,
  inlineLimit: 5,
  async apply({ items, transaction, tally }) {
    tally.touched = items.length;
    for (const id of items) await sql`insert into touched (id) values (${id})`.execute(transaction);
    return items.map((key) =>
      key % 7 === 3
        ? { key, outcome: "failed", code: "unlucky", message: `${key} is unlucky` }
        : key % 7 === 4
          ? { key, outcome: "skipped", code: "even_so" }
          : { key, outcome: "done" },
    );
  },
});

describe.each(ledgerDatabases)("batches on $name", ({ open }) => {
  async function start(url: string) {
    const host = await createTestHost({ databaseUrl: url });
    await sql`create table if not exists touched (id bigint primary key)`.execute(host.database.tables());
    host.register(touch);
    return host;
  }

  test("finishes a small batch before submit returns", async () => {
    await using database = await open();
    await using host = await start(database.url);
    const batch = await host.batches.submit({ operation: "test.rows.touch", items: [3, 1, 2, 4, 1], actor: "me" });
    expect(batch).toMatchObject({
      status: "completed",
      total: 4,
      duplicates: 1,
      counts: { done: 2, skipped: 1, failed: 1, unknown: 0 },
      progress: 100,
      actor: "me",
    });
    expect(await host.batches.items(batch.id)).toEqual({
      items: [
        { item: 1, outcome: "done", generation: 0 },
        { item: 2, outcome: "done", generation: 0 },
        { item: 3, outcome: "failed", code: "unlucky", message: "3 is unlucky", generation: 0 },
        { item: 4, outcome: "skipped", code: "even_so", generation: 0 },
      ],
      next: null,
    });
  });

  test("returns an inline batch as it is read later", async () => {
    await using database = await open();
    await using host = await start(database.url);
    const submitted = await host.batches.submit({
      operation: "test.rows.touch",
      account: "acc",
      items: Array.from({ length: 25 }, (_, id) => id),
      refused: [{ item: "x", code: "not_a_number", message: "x is not a number" }],
      inline: true,
      stopRule: { maxFailureRate: 1, after: 1 },
    });
    expect(submitted).toEqual(await host.batches.get(submitted.id));
    expect(submitted).toMatchObject({ total: 26, counts: { failed: 5 }, tally: { touched: 25 } });
    const { items } = await host.batches.items(submitted.id, { outcome: "failed" });
    expect(items.map(({ item }) => item)).toEqual([3, 10, 17, 24, "x"]);
  });

  test("returns a large batch as pending and runs every item once", async () => {
    await using database = await open();
    await using host = await start(database.url);
    const items = Array.from({ length: 1003 }, (_, index) => index * 3);
    const accepted = await host.batches.submit({ operation: "test.rows.touch", items });
    expect(accepted).toMatchObject({ status: "pending", total: 1003, progress: 0 });
    const batch = await host.batches.wait(accepted.id);
    expect(batch.status).toBe("completed");
    const { done, skipped, failed, unknown } = batch.counts;
    expect(done + skipped + failed + unknown).toBe(1003);
    const { rows } = await sql<{ n: number }>`select count(*) as n from touched`.execute(host.database.tables());
    expect(Number(rows[0]?.n)).toBe(1003);

    const seen: unknown[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = await host.batches.items(batch.id, { limit: 37, ...(cursor && { cursor }) });
      seen.push(...page.items.map(({ item }) => item));
      if (page.next === null) break;
      cursor = page.next;
    }
    expect(seen).toEqual(items);
    const { items: skippedItems } = await host.batches.items(batch.id, { outcome: "skipped", limit: 500 });
    expect(skippedItems).toHaveLength(skipped);
  });

  test("recalls the response to an idempotency key", async () => {
    await using database = await open();
    await using host = await start(database.url);
    const idempotency = { scope: "calls", key: "k", digest: "d" };
    expect(await host.batches.recall(idempotency)).toBeUndefined();
    const batch = await host.batches.submit({ operation: "test.rows.touch", items: [1, 2], idempotency });
    expect(await host.batches.recall(idempotency)).toEqual({ ...batch, replayed: true });
    await expect(host.batches.recall({ ...idempotency, digest: "other" })).rejects.toMatchObject({
      code: "idempotency_mismatch",
    });
    expect(await host.batches.recall({ ...idempotency, scope: "others" })).toBeUndefined();
  });

  test("rejects a batch with the path of every invalid item", async () => {
    await using database = await open();
    await using host = await start(database.url);
    const error = await host.batches.submit({ operation: "test.rows.touch", items: [1, "x", 2, -1] }).catch((e) => e);
    expect(ReinstateError.is(error, "invalid_request")).toBe(true);
    expect(error.issues.map(({ path }: { path: string }) => path)).toEqual(["items[1]", "items[3]"]);
    expect(await host.batches.list({ limit: 10 })).toEqual([]);
  });

  test("counts rejected items as failed and stores them unchanged", async () => {
    await using database = await open();
    await using host = await start(database.url);
    const batch = await host.batches.submit({
      operation: "test.rows.touch",
      items: [1],
      refused: [{ item: null, code: "invalid_item", message: "null is no id" }],
    });
    expect(batch).toMatchObject({ total: 2, status: "completed", counts: { done: 1, failed: 1 } });
    const { items } = await host.batches.items(batch.id, { outcome: "failed" });
    expect(items).toEqual([
      { item: null, outcome: "failed", code: "invalid_item", message: "null is no id", generation: 0 },
    ]);
  });

  test("commits the writes of accepted with every generation", async () => {
    await using database = await open();
    await using host = await start(database.url);
    await sql`create table begun (batch bigint, generation integer)`.execute(host.database.tables());
    const begun = async () =>
      (await sql`select batch, generation from begun order by batch, generation`.execute(host.database.tables())).rows;
    host.register({
      ...touch,
      name: "test.rows.told",
      apply: async ({ items }) =>
        (items as number[]).map((key) => ({ key, outcome: "failed", code: "no", message: "not this one" })),
      async accepted({ batchId, generation }, transaction) {
        if ((generation as number) > 1) throw new Error("not a third time");
        await sql`insert into begun values (${batchId}, ${generation})`.execute(transaction);
      },
    });
    const operation = "test.rows.told";
    const { id } = await host.batches.submit({ operation, items: [1, 3] });
    await host.batches.submit({ operation, items: [5], dryRun: true });
    expect(await begun()).toEqual([{ batch: id, generation: 0 }]);
    await host.batches.retry(id);
    await host.batches.wait(id);
    expect(await begun()).toEqual([
      { batch: id, generation: 0 },
      { batch: id, generation: 1 },
    ]);
    await expect(host.batches.retry(id)).rejects.toThrow("not a third time");
    expect(await host.batches.get(id)).toMatchObject({ status: "completed", generation: 1 });
  });
});
