import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { VendorError } from "../client/vendor-error.ts";
import { openDatabase } from "../database/open-database.ts";
import { type AnyOperation, defineOperation, type Origin, type Outcome } from "../operation/operation.ts";
import { assemble } from "../testing/assemble.ts";
import { createTestApi } from "../testing/test-api.ts";
import { createTestClock } from "../testing/test-clock.ts";
import { definePerItemOperation } from "../upstream/per-item.ts";
import { defineReadBackOperation } from "../upstream/read-back.ts";

const common = {
  label: "row/send",
  item: z.int(),
  params: z.unknown(),
  key: (id: number) => id,
  chunkSize: 4,
  inlineLimit: 0,
  effects: "elsewhere" as const,
  repeatable: false,
};
const lost = (key: number): Outcome => ({ key, outcome: "unknown", code: key % 2 ? "odd" : "even", message: "lost" });

/** Its calls have an effect on even items, and no answer comes back. */
function silent() {
  const reconciled: { items: number[]; origin: Origin | undefined; interrupted: boolean }[] = [];
  const operation = defineOperation<number, unknown>({
    ...common,
    name: "test.rows.silent",
    apply: async ({ items }) => items.map((key) => (key === 0 ? { key, outcome: "done" } : lost(key))),
    async reconcile({ items, origin, interrupted }) {
      reconciled.push({ items, origin, interrupted });
      return items.map((key) => {
        if (key === 9) return lost(key);
        return key % 2
          ? { key, outcome: "failed", code: "not_sent", message: "it never arrived" }
          : { key, outcome: "done" };
      });
    },
  });
  return { operation, reconciled };
}

const blind = defineOperation<number, unknown>({
  ...common,
  name: "test.rows.blind",
  apply: async ({ items }) => items.map(lost),
});

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

describe.each(ledgerDatabases)("unknown outcomes on $name", ({ open }) => {
  async function begin(...operations: AnyOperation[]) {
    const file = await open();
    const database = openDatabase(file.url);
    const clock = createTestClock();
    const core = await assemble({ database, operations, clock, random: () => 0.5 });
    const run = async (id: number) => {
      while ((await core.runner.runNext(id)) !== "idle") clock.advance(60_000);
    };
    return {
      ...core,
      clock,
      database,
      run,
      async submit({ name }: AnyOperation, count: number) {
        const { id } = await core.batches.submit({ operation: name, items: numbers(count), inline: false });
        await run(id);
        return id;
      },
      async outcomes(id: number) {
        const all: [unknown, string | undefined, string | undefined, number][] = [];
        for await (const { item, outcome, code, generation } of core.batches.everyItem(id)) {
          all.push([item, outcome, code, generation]);
        }
        return all.sort(([a], [b]) => (a as number) - (b as number));
      },
      async [Symbol.asyncDispose]() {
        await database.close();
        await file[Symbol.asyncDispose]();
      },
    };
  }

  test("are marked with the word of an operator", async () => {
    await using core = await begin(blind);
    const { batches } = core;
    const id = await core.submit(blind, 10);
    expect((await batches.get(id)).counts).toEqual({ done: 0, skipped: 0, failed: 0, unknown: 10 });
    const one = await batches.mark(id, { as: "done", code: "odd", note: "seen at the vendor", actor: "ann" });
    expect(one).toMatchObject({ status: "completed", generation: 1, counts: { done: 5, unknown: 5 } });
    const two = await batches.mark(id, { as: "failed", note: "not there", actor: "ann" });
    expect(two).toMatchObject({ status: "completed", generation: 2, counts: { done: 5, failed: 5, unknown: 0 } });
    expect((await core.outcomes(id)).slice(0, 3)).toEqual([
      [0, "failed", "marked_failed", 2],
      [1, "done", "marked_done", 1],
      [2, "failed", "marked_failed", 2],
    ]);
    const { items } = await batches.items(id, { code: "marked_done" });
    expect(items.map(({ item, message }) => [item, message])).toEqual(
      [1, 3, 5, 7, 9].map((item) => [item, "seen at the vendor"]),
    );
    expect(await batches.failures(id)).toEqual([
      { outcome: "failed", code: "marked_failed", count: 5, message: "not there" },
    ]);
    expect((await batches.history(id)).map(({ at: _, ...event }) => event)).toMatchObject([
      { verb: "created", generation: 0 },
      { verb: "completed", generation: 0 },
      {
        verb: "marked",
        actor: "ann",
        note: "seen at the vendor",
        generation: 1,
        code: "odd",
        items: 5,
        outcome: "done",
      },
      { verb: "marked", actor: "ann", note: "not there", generation: 2, code: null, items: 5, outcome: "failed" },
    ]);
    // A marked failure can be retried like any other.
    expect(await batches.retry(id)).toMatchObject({ generation: 3, counts: { done: 5, failed: 0 } });
    await core.run(id);
    expect(await batches.get(id)).toMatchObject({ status: "completed", counts: { done: 5, unknown: 5 } });
    expect((await batches.history(id)).map(({ verb }) => verb).slice(4)).toEqual(["retried", "completed"]);
  });

  test("are read back by a reexamination", async () => {
    const { operation, reconciled } = silent();
    await using core = await begin(operation);
    const id = await core.submit(operation, 10);
    expect((await core.batches.get(id)).counts).toMatchObject({ done: 1, unknown: 9 });
    const again = await core.batches.reexamine(id, { actor: "ann", note: "the vendor is back" });
    expect(again).toMatchObject({ status: "in_progress", generation: 1, counts: { done: 1, unknown: 0 } });
    await core.run(id);
    expect(reconciled).toEqual([
      { items: [1, 2, 3], origin: { generation: 0, seq: 0 }, interrupted: true },
      { items: [4, 5, 6, 7], origin: { generation: 0, seq: 1 }, interrupted: true },
      { items: [8, 9], origin: { generation: 0, seq: 2 }, interrupted: true },
    ]);
    expect(await core.batches.get(id)).toMatchObject({
      status: "completed",
      counts: { done: 5, failed: 4, unknown: 1 },
    });
    // The origin stays that of the first call.
    await core.batches.reexamine(id);
    await core.run(id);
    expect(reconciled.at(-1)).toEqual({ items: [9], origin: { generation: 0, seq: 2 }, interrupted: true });
    expect((await core.outcomes(id)).map(([item]) => item)).toEqual(numbers(10));
    expect((await core.batches.history(id))[2]).toMatchObject({
      ...{ verb: "reexamined", actor: "ann", note: "the vendor is back", generation: 1, items: 9 },
    });
  });

  test("are sent again with the first request id", async () => {
    const ids: Record<number, Set<string>> = {};
    let isDown = true;
    const file = await open();
    const database = openDatabase(file.url);
    const clock = createTestClock();
    const operation = definePerItemOperation<number, unknown>(
      { database, clock },
      {
        ...{ name: "test.rows.each", label: "row/each", item: z.int(), params: z.unknown(), key: (id) => id },
        ...{ vendor: "Test", installation: "here", concurrency: 2, perSecond: 1000 },
        async send(item, { requestId }) {
          ids[item] = (ids[item] ?? new Set()).add(requestId);
          if (isDown) throw new VendorError("unknown_outcome", "no answer");
        },
      },
    );
    const core = await assemble({ database, operations: [operation], clock, random: () => 0.5 });
    const { id } = await core.batches.submit({ operation: operation.name, target: "upstream", items: [1, 2, 3] });
    const run = async () => {
      while ((await core.runner.runNext(id)) !== "idle") clock.advance(60_000);
    };
    await run();
    expect((await core.batches.get(id)).counts).toMatchObject({ unknown: 3 });
    isDown = false;
    await core.batches.reexamine(id);
    await run();
    expect((await core.batches.get(id)).counts).toMatchObject({ done: 3, unknown: 0 });
    expect(Object.values(ids).map((used) => used.size)).toEqual([1, 1, 1]);
    await database.close();
    await file[Symbol.asyncDispose]();
  });

  test("count as done if the vendor shows their effect", async () => {
    const live = new Set<number>();
    const sent: number[][] = [];
    const file = await open();
    const database = openDatabase(file.url);
    const clock = createTestClock();
    let isDown = true;
    const operation = defineReadBackOperation<number, unknown, undefined>(
      { database, clock },
      {
        ...{ name: "test.rows.block", label: "row/block", item: z.int(), params: z.unknown(), chunkSize: 10 },
        async look(all) {
          return { before: new Set(all.filter((id) => !live.has(id))), after: live };
        },
        async send(all) {
          sent.push([...all]);
          live.add(1).add(2);
          if (isDown) throw new VendorError("unknown_outcome", "no answer");
          for (const id of all) live.add(id);
          return undefined;
        },
        readBack: async (all) => all.map((key) => ({ key, outcome: "done" })),
      },
    );
    const core = await assemble({ database, operations: [operation], clock, random: () => 0.5 });
    const { id } = await core.batches.submit({ operation: operation.name, target: "upstream", items: [1, 2, 3] });
    // The chunk ends as unknown, as after its last attempt.
    while ((await core.batches.get(id)).status !== "completed" && (await core.batches.get(id)).status !== "failed") {
      await core.runner.runNext(id);
      clock.advance(60_000);
    }
    expect((await core.batches.get(id)).counts).toMatchObject({ unknown: 3 });
    isDown = false;
    sent.length = 0;
    await core.batches.reexamine(id);
    while ((await core.runner.runNext(id)) !== "idle") clock.advance(60_000);
    expect((await core.batches.get(id)).counts).toEqual({ done: 3, skipped: 0, failed: 0, unknown: 0 });
    expect(sent).toEqual([[3]]);
    await database.close();
    await file[Symbol.asyncDispose]();
  });

  test("stay as they are if a change is not possible", async () => {
    const { operation } = silent();
    await using core = await begin(operation, blind);
    const { batches } = core;
    const note = "n";
    const id = await core.submit(blind, 3);
    await expect(batches.reexamine(id)).rejects.toThrow(/cannot be reexamined.*mark them as done or failed/);
    await expect(batches.mark(id, { as: "done", code: "no_such", note })).rejects.toThrow(
      'no unknown items with the code "no_such"',
    );
    await expect(batches.mark(id, { as: "done" } as never)).rejects.toThrow("note: is required");
    await expect(batches.mark(id, { as: "done", note: " " })).rejects.toThrow("note: must not be blank");
    await expect(batches.mark(id + 9, { as: "done", note })).rejects.toMatchObject({ code: "unknown_batch" });
    const fine = await batches.submit({ operation: operation.name, items: [0, 1], inline: false });
    for (const change of [() => batches.mark(fine.id, { as: "done", note }), () => batches.reexamine(fine.id)]) {
      await expect(change()).rejects.toThrow(/is pending and cannot be (marked|reexamined)/);
    }
    expect((await batches.get(id)).counts).toMatchObject({ unknown: 3 });
    expect((await batches.history(id)).map(({ verb }) => verb)).toEqual(["created", "completed"]);
  });

  test("are marked and reexamined over HTTP", async () => {
    await using database = await open();
    const { operation } = silent();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [operation] });
    await api.post({ operation: operation.name, items: numbers(10) });
    await api.host.batches.wait(1);
    const send = (verb: string, body: object) =>
      api.call(`/v1/batches/1/${verb}`, { method: "POST", body: JSON.stringify(body) });
    for (const body of [{}, { as: "done" }, { as: "skipped", note: "n" }, { as: "done", note: "n", items: [1] }]) {
      expect((await send("mark", body)).status).toBe(422);
    }
    expect((await send("reexamine", { code: "odd" })).status).toBe(422);
    expect(await send("mark", { as: "failed", code: "even", note: "gone" })).toMatchObject({
      status: 200,
      body: { done: 1, failed: 4, unknown: 5, generation: 1 },
    });
    expect(await send("reexamine", { note: "look" })).toMatchObject({ status: 200, body: { status: "in_progress" } });
    await api.host.batches.wait(1);
    expect(await send("reexamine", {})).toMatchObject({ status: 200 });
    await api.host.batches.wait(1);
    expect(await send("mark", { as: "done", note: "found it" })).toMatchObject({ body: { unknown: 0, total: 10 } });
    expect(await send("mark", { as: "done", note: "found it" })).toMatchObject({ status: 409 });
    const { events } = (await api.call("/v1/batches/1/history")).body;
    expect(events.map(({ verb }: { verb: string }) => verb)).toEqual([
      "created",
      "completed",
      "marked",
      "reexamined",
      "completed",
      "reexamined",
      "completed",
      "marked",
    ]);
    expect(events.every(({ verb, actor }: Record<string, string>) => verb === "completed" || actor === api.actor)).toBe(
      true,
    );
  });
});
