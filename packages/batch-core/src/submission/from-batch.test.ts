import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { type AnyOperation, defineOperation, type Outcome } from "../index.ts";
import { createTestHost } from "../testing/index.ts";

/** Opens or closes doors, which are kept in memory. 13 does not exist, and a door in the wanted state is skipped. */
function defineDoorOperation(open: Set<number>, verb: "open" | "close"): AnyOperation {
  const run = (isReal: boolean) => async (work: { items: number[] }) =>
    work.items.map((key): Outcome => {
      if (key === 13) return { key, outcome: "failed", code: "missing", message: "There is no door 13" };
      if (open.has(key) === (verb === "open")) return { key, outcome: "skipped", code: "already" };
      if (isReal && verb === "open") open.add(key);
      if (isReal && verb === "close") open.delete(key);
      return { key, outcome: "done" };
    });
  return defineOperation<number, { quietly: boolean; forever: boolean }>({
    name: `test.doors.${verb}`,
    label: `door/${verb}`,
    item: z.int().min(1),
    params: z.strictObject({ quietly: z.boolean().default(false), forever: z.boolean().default(false) }),
    key: (id) => id,
    chunkSize: 10,
    inlineLimit: 5,
    effects: "elsewhere",
    opposite: {
      operation: `test.doors.${verb === "open" ? "close" : "open"}`,
      params: ({ quietly, forever }) => (forever ? undefined : { quietly }),
    },
    selection: {
      filter: z.strictObject({ below: z.int() }),
      async *select({ below }: { below: number }) {
        yield Array.from({ length: below - 1 }, (_, index) => index + 1);
      },
    },
    apply: run(true),
    preview: run(false),
  });
}

const noOpposite = defineOperation<number, unknown>({
  name: "test.doors.paint",
  label: "door/paint",
  item: z.int(),
  params: z.unknown(),
  key: (id) => id,
  chunkSize: 10,
  apply: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
});

const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const open = "test.doors.open";
const close = "test.doors.close";

describe.each(ledgerDatabases)("batches from batches on $name", ({ open: openDatabase }) => {
  async function start() {
    const database = await openDatabase();
    const host = await createTestHost({ databaseUrl: database.url });
    const doors = new Set([2, 4]);
    host.register(defineDoorOperation(doors, "open"), defineDoorOperation(doors, "close"), noOpposite);
    const { batches } = host;
    return {
      host,
      doors,
      batches,
      items: async (id: number) => {
        const items: unknown[] = [];
        for await (const { item } of batches.everyItem(id)) items.push(item);
        return items;
      },
      async [Symbol.asyncDispose]() {
        await host.close();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test("runs nothing of a prepared batch before its resume", async () => {
    await using place = await start();
    const { batches, doors } = place;
    const small = await batches.submit({ operation: open, items: [1, 3], prepared: true, inline: true });
    const large = await batches.submit({ operation: open, items: range(25), prepared: true });
    for (const { id } of [small, large]) {
      expect(await batches.get(id)).toMatchObject({
        status: "stopped",
        counts: { done: 0, skipped: 0, failed: 0, unknown: 0 },
        startedAt: null,
        finishedAt: null,
      });
    }
    // The engine has worked since.
    await batches.wait((await batches.submit({ operation: noOpposite.name, items: range(30) })).id);
    expect([...doors]).toEqual([2, 4]);
    await batches.resume(large.id);
    expect(await batches.wait(large.id)).toMatchObject({
      status: "completed",
      counts: { done: 22, skipped: 2, failed: 1 },
    });
    expect((await batches.get(small.id)).status).toBe("stopped");
  });

  test("makes a dry run real with its items and params", async () => {
    await using place = await start();
    const { batches, doors } = place;
    const params = { quietly: true };
    const stopRule = { maxFailureRate: 0.5, after: 3 };
    const dry = await batches.submit({ operation: open, items: range(25), params, stopRule, dryRun: true });
    expect((await batches.wait(dry.id)).counts).toMatchObject({ done: 22, skipped: 2, failed: 1 });
    expect(doors.size).toBe(2);
    const real = await batches.submitFromBatch(dry.id, { dryRun: false, actor: "me" });
    expect(real).toMatchObject({
      operation: open,
      params: { quietly: true, forever: false },
      total: 25,
      dryRun: false,
      actor: "me",
      fromBatch: dry.id,
      undoOf: null,
    });
    expect((await batches.wait(real.id)).counts).toMatchObject({ done: 22, skipped: 2, failed: 1 });
    expect(doors.size).toBe(24);
    expect(await place.items(real.id)).toEqual(range(25));
    expect((await batches.get(dry.id)).fromBatch).toBeNull();
  });

  test("takes the items of one outcome and code", async () => {
    await using place = await start();
    const { batches } = place;
    const { id } = await batches.submit({ operation: open, items: range(25) });
    await batches.wait(id);
    const skipped = await batches.submitFromBatch(id, { operation: close, outcome: "skipped", prepared: true });
    expect(skipped).toMatchObject({ operation: close, status: "stopped", total: 2 });
    expect(await place.items(skipped.id)).toEqual([2, 4]);
    const missing = await batches.submitFromBatch(id, { code: "missing", prepared: true });
    expect(await place.items(missing.id)).toEqual([13]);
    await expect(batches.submitFromBatch(id, { outcome: "unknown" })).rejects.toMatchObject({
      code: "invalid_request",
      message: `outcome: matches no item of batch ${id}`,
    });
    await expect(batches.submitFromBatch(id, { params: { loudly: true } })).rejects.toMatchObject({
      code: "invalid_request",
    });
    await expect(batches.submitFromBatch(id, { operation: "test.doors.sell" })).rejects.toMatchObject({
      code: "unknown_operation",
    });
    await expect(batches.submitFromBatch(99)).rejects.toMatchObject({ code: "unknown_batch" });
    expect(await batches.list({ limit: 9 })).toHaveLength(3);
  });

  test("leaves the filter of the first batch behind", async () => {
    await using place = await start();
    const { batches } = place;
    const first = await batches.submitFiltered({ operation: open, filter: { below: 12 }, params: { quietly: true } });
    expect(first.params).toMatchObject({ filter: { below: 12 } });
    const second = await batches.submitFromBatch(first.id, { prepared: true });
    expect(second).toMatchObject({ total: 11, params: { quietly: true, forever: false }, fromBatch: first.id });
  });

  test("prepares the opposite batch over the done items", async () => {
    await using place = await start();
    const { batches, doors } = place;
    const { id } = await batches.submit({ operation: open, items: range(25), params: { quietly: true } });
    await batches.wait(id);
    const dry = await batches.undo(id, { dryRun: true });
    expect(await batches.wait(dry.id)).toMatchObject({ dryRun: true, undoOf: id, counts: { done: 22 } });
    const idempotency = { scope: "s", key: "k", digest: "d" };
    const undo = await batches.undo(id, { actor: "me", note: "wrong doors", idempotency });
    expect(undo).toMatchObject({
      operation: close,
      params: { quietly: true, forever: false },
      status: "stopped",
      total: 22,
      actor: "me",
      fromBatch: id,
      undoOf: id,
    });
    expect(await batches.undo(id, { actor: "me", idempotency })).toEqual({ ...undo, replayed: true });
    expect(doors.size).toBe(24);
    const prepared = { verb: "undo_prepared", actor: "me", note: "wrong doors", batch: undo.id };
    expect((await batches.history(id)).filter(({ verb }) => verb === "undo_prepared")).toMatchObject([prepared]);
    expect(await batches.history(undo.id)).toMatchObject([{ verb: "created", actor: "me", note: "wrong doors" }]);
    await batches.resume(undo.id);
    expect(await batches.wait(undo.id)).toMatchObject({ status: "completed", counts: { done: 22, failed: 0 } });
    expect([...doors]).toEqual([2, 4]);
    const again = await batches.undo(undo.id);
    expect(again).toMatchObject({ operation: open, undoOf: undo.id, total: 22 });
  });

  test("rejects an undo that cannot be", async () => {
    await using place = await start();
    const { batches, doors } = place;
    const dry = await batches.submit({ operation: open, items: [1], dryRun: true });
    const none = await batches.submit({ operation: open, items: [2, 13] });
    const forever = await batches.submit({ operation: open, items: [5], params: { forever: true } });
    const painted = await batches.submit({ operation: noOpposite.name, items: [1] });
    const prepared = await batches.submit({ operation: open, items: [9], prepared: true });
    await expect(batches.undo(dry.id)).rejects.toMatchObject({
      code: "wrong_state",
      message: "Batch 1 is a dry run and changed nothing, so there is nothing to undo",
    });
    for (const { id } of [none, prepared])
      await expect(batches.undo(id)).rejects.toMatchObject({ code: "wrong_state", message: /has no done items/ });
    for (const { id } of [forever, painted])
      await expect(batches.undo(id)).rejects.toMatchObject({ code: "wrong_state", message: /has no opposite/ });
    expect([...doors]).toEqual([2, 4, 5]);
    expect(await batches.list({ limit: 9 })).toHaveLength(5);
  });

  test("rejects the undo of a batch that runs", async () => {
    await using place = await start();
    const { batches, host } = place;
    let finish = () => {};
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    host.register(
      defineOperation<number, unknown>({
        ...noOpposite,
        name: "test.doors.wait",
        opposite: { operation: "test.doors.wait", params: () => ({}) },
        effects: "elsewhere",
        apply: async ({ items }) => {
          await gate;
          return items.map((key) => ({ key, outcome: "done" }));
        },
      }),
    );
    const { id } = await batches.submit({ operation: "test.doors.wait", items: range(30), inline: false });
    for (const rejected of [batches.undo(id), batches.submitFromBatch(id, { outcome: "done" })])
      await expect(rejected).rejects.toMatchObject({ code: "wrong_state", message: /stop it or wait for its end/ });
    finish();
    await batches.wait(id);
    expect(await batches.undo(id)).toMatchObject({ total: 30 });
  });
});
