import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import type { HostOptions } from "../host.ts";
import { defineOperation } from "../operation/operation.ts";
import { createTestClock } from "../testing/test-clock.ts";
import { createTestHost, type TestHost } from "../testing/test-host.ts";
import { until } from "../testing/until.ts";
import { createIntents } from "./intents.ts";

const dayMs = 86_400_000;

/** Fails every third item in the first run. */
const touch = defineOperation<number, unknown>({
  name: "test.rows.touch",
  label: "row/touch",
  item: z.int(),
  params: z.unknown(),
  key: (id) => id,
  chunkSize: 100,
  inlineLimit: 10,
  apply: async ({ items, generation }) =>
    items.map((key) =>
      key % 3 === 0 && generation === 0
        ? { key, outcome: "failed", code: "unlucky", message: `${key} is unlucky` }
        : { key, outcome: "done" },
    ),
});

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const tables = [
  "reinstate_batches",
  "reinstate_chunks",
  "reinstate_items",
  "reinstate_outcomes",
  "reinstate_intents",
  "reinstate_idempotency",
  "reinstate_events",
];

/** The ids of the batches that have rows, by table. */
async function idsWithRows({ database }: TestHost): Promise<Record<string, number[]>> {
  const found: Record<string, number[]> = {};
  for (const table of [...tables, "reinstate_pruned"]) {
    const column = sql.ref(table === "reinstate_batches" ? "id" : "batch_id");
    const { rows } = await sql<{
      id: number;
    }>`select distinct ${column} as id from ${sql.table(table)} order by 1`.execute(database.tables());
    found[table] = rows.map(({ id }) => id);
  }
  return found;
}

describe.each(ledgerDatabases)("prune on $name", ({ open }) => {
  async function start(databaseUrl: string, options: Partial<HostOptions> = {}) {
    const host = await createTestHost({ databaseUrl, ...options });
    host.register(touch);
    return host;
  }

  async function submit(host: TestHost, count: number, change: object = {}) {
    const { id } = await host.batches.submit({ operation: touch.name, items: numbers(count), account: "a", ...change });
    await createIntents(host.database).intend({ batchId: id, generation: 0, seq: 0 }, { keys: [1] });
    return id;
  }

  const finish = async (host: TestHost, id: number) => (await host.batches.wait(id)).id;

  test("deletes ended batches with everything that belongs to them", async () => {
    await using database = await open();
    const clock = createTestClock();
    await using host = await start(database.url, { clock: { ...clock, sleep: (_, signal) => clock.sleep(0, signal) } });
    const idempotency = { scope: "s", key: "k", digest: "d" };
    const small = await submit(host, 3, { idempotency });
    const large = await finish(host, await submit(host, 450));
    await host.batches.retry(large, { code: "unlucky" });
    await finish(host, large);
    await using web = await start(database.url, { role: "web", clock });
    // The other process does not know this operation, so it cannot finish the batch before it is stopped.
    const rest = { ...touch, name: "test.rows.rest" };
    web.register(rest);
    const stopped = await submit(web, 20, { operation: rest.name });
    await web.batches.stop(stopped);
    clock.advance(10 * dayMs);
    const young = await submit(host, 3, { account: "b" });
    const newest = await submit(host, 3);
    clock.advance(dayMs);

    const before = clock.now() - 5 * dayMs;
    const untouched = await idsWithRows(host);
    expect(await host.batches.prune({ before, dryRun: true })).toEqual({ batches: 2, items: 453 });
    expect(await idsWithRows(host)).toEqual(untouched);
    expect(await host.batches.prune({ before })).toEqual({ batches: 2, items: 453 });
    const left = await idsWithRows(host);
    expect(left.reinstate_batches).toEqual([stopped, young, newest]);
    expect(left.reinstate_intents).toEqual([stopped, young, newest]);
    for (const table of tables)
      expect([table, left[table]?.filter((id) => id === small || id === large)]).toEqual([table, []]);
    expect(left.reinstate_pruned).toEqual([]);
    await expect(host.batches.get(large)).rejects.toMatchObject({ code: "unknown_batch" });
    await expect(host.batches.retry(large)).rejects.toMatchObject({ code: "unknown_batch" });
    expect((await host.batches.list({ account: "a", limit: 10 })).map(({ id }) => id)).toEqual([newest, stopped]);
    expect((await host.batches.list({ account: "b", limit: 10 })).map(({ id }) => id)).toEqual([young]);
    // The key was deleted with its batch, so it creates a new one. No id is reused.
    const again = await submit(host, 4, { idempotency: { ...idempotency, digest: "other" } });
    expect(again).toBeGreaterThan(newest);
    // Stopped batches and the newest one stay.
    clock.advance(100 * dayMs);
    expect(await host.batches.prune({ before: clock.now() })).toEqual({ batches: 2, items: 6 });
    expect((await idsWithRows(host)).reinstate_batches).toEqual([stopped, again]);
  });

  test("finishes the work of an interrupted run", async () => {
    await using database = await open();
    const clock = createTestClock();
    await using host = await start(database.url, { clock: { ...clock, sleep: (_, signal) => clock.sleep(0, signal) } });
    const ids = [await finish(host, await submit(host, 6000)), await finish(host, await submit(host, 6000))];
    const newest = await submit(host, 1);
    clock.advance(dayMs);
    let reads = 0;
    // Aborted after a few slices of the first batch.
    const signal = {
      get aborted() {
        return ++reads > 2;
      },
    } as AbortSignal;
    expect(await host.batches.prune({ before: clock.now(), signal })).toEqual({ batches: 1, items: 6000 });
    // Readers see no batch, although some of its rows are left.
    const left = await idsWithRows(host);
    expect([left.reinstate_pruned, left.reinstate_chunks?.length]).toEqual([[ids[0]], 3]);
    await expect(host.batches.items(ids[0] as number)).rejects.toMatchObject({ code: "unknown_batch" });
    await Promise.all([host.batches.prune({ before: clock.now() }), host.batches.prune({ before: clock.now() })]);
    const end = await idsWithRows(host);
    for (const rows of [end.reinstate_batches, end.reinstate_chunks, end.reinstate_items])
      expect(rows).toEqual([newest]);
    expect([end.reinstate_outcomes, end.reinstate_pruned]).toEqual([[], []]);
  });

  test("runs regularly in a worker with a retention", async () => {
    await using database = await open();
    const clock = createTestClock();
    await using host = await start(database.url, { clock, keepBatchesDays: 30 });
    const old = await submit(host, 3);
    const newest = await submit(host, 3);
    clock.advance(29 * dayMs);
    expect((await host.batches.get(old)).status).toBe("completed");
    await until(async () => {
      clock.advance(dayMs);
      return (await idsWithRows(host)).reinstate_batches?.length === 1;
    });
    expect((await idsWithRows(host)).reinstate_batches).toEqual([newest]);
  });
});
