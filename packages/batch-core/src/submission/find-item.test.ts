import { ledgerDatabases } from "@reinstate/tooling/databases";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../operation/operation.ts";
import { createTestApi, double, send, type TestApi } from "../testing/test-api.ts";

/** Fails items that end in 3 in the first run. */
const touch = defineOperation<number, unknown>({
  name: "test.rows.touch",
  label: "row/touch",
  item: z.int(),
  params: z.unknown(),
  key: (id) => id,
  chunkSize: 5,
  inlineLimit: 5,
  apply: async ({ items, generation }) =>
    items.map((key) =>
      key % 10 === 3 && generation === 0
        ? { key, outcome: "failed", code: "no", message: `not ${key}` }
        : { key, outcome: "done" },
    ),
});

describe.each(ledgerDatabases)("item search on $name", ({ open }) => {
  const read = async (api: TestApi, query: string) => {
    const { status, body } = await api.call(`/v1/items?operation=${touch.name}&${query}`);
    expect(status).toBe(200);
    type Found = { batch: { id: number }; outcome: string | null; generation: number };
    return (body.items as Found[]).map(({ batch, outcome, generation }) => [batch.id, outcome, generation]);
  };

  test("finds an integer in all batches, newest first", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [touch] });
    const { batches } = api.host;
    const submitted: number[][] = [];
    const lists = fc.array(fc.oneof(fc.integer({ min: -20, max: 60 }), fc.maxSafeInteger()), {
      minLength: 1,
      maxLength: 40,
    });
    for (const items of fc.sample(lists, 30)) {
      const { id } = await batches.submit({ operation: touch.name, items, inline: items.length <= 5 });
      await batches.wait(id);
      submitted[id] = items;
    }
    for (const item of new Set(submitted.flat().slice(0, 60).concat(-21, 61))) {
      const found = await batches.findItem({ operation: touch.name, item, limit: 100 });
      const expected = submitted.flatMap((items, id) => (items?.includes(item) ? [id] : [])).reverse();
      expect([item, found.map(({ batch }) => batch.id)]).toEqual([item, expected]);
    }
  });

  test("returns the latest outcome of an item in each batch", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [touch] });
    const { batches } = api.host;
    const items = Array.from({ length: 30 }, (_, index) => index);
    const first = await batches.submit({ operation: touch.name, items, account: "a" });
    await batches.wait(first.id);
    await batches.retry(first.id);
    await batches.wait(first.id);
    const refused = [
      { item: 103, code: "invalid_item", message: "no" },
      { item: -7, code: "invalid_item", message: "no" },
      { item: null, code: "invalid_item", message: "no" },
    ];
    await batches.submit({ operation: touch.name, items: [3], refused, account: "b" });
    expect(await read(api, "item=13")).toEqual([[1, "done", 1]]);
    expect(await read(api, "item=3")).toEqual([
      [2, "failed", 0],
      [1, "done", 1],
    ]);
    expect(await read(api, "item=3&account=a")).toEqual([[1, "done", 1]]);
    expect(await read(api, "item=3&limit=1")).toEqual([[2, "failed", 0]]);
    expect(await read(api, "item=3&batch=1")).toEqual([[1, "done", 1]]);
    expect(await read(api, "item=103")).toEqual([[2, "failed", 0]]);
    expect(await read(api, "item=-7")).toEqual([[2, "failed", 0]]);
    expect(await read(api, "item=50")).toEqual([]);
    const [found] = await batches.findItem({ operation: touch.name, item: 3 });
    expect(found).toMatchObject({ code: "no", message: "not 3", batch: { id: 2, account: "b" } });
  });

  test("finds an item that waits", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [touch], role: "web" });
    await api.host.batches.submit({ operation: touch.name, items: Array.from({ length: 30 }, (_, index) => index) });
    await api.stream(`operation=${touch.name}`, "7\n900\n5\n");
    expect(await read(api, "item=7")).toEqual([
      [2, "done", 0],
      [1, null, 0],
    ]);
    expect(await read(api, "item=900")).toEqual([[2, "done", 0]]);
  });

  test("finds other items within one batch", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [send] });
    const ann = { channel: "mail", to: "ann@example.com" } as const;
    await api.host.batches.submit({ operation: send.name, items: [ann, { channel: "bot", chat: { id: 7 } }] });
    const find = (item: unknown) =>
      api.call(
        `/v1/items?operation=${send.name}&batch=1&item=${encodeURIComponent(typeof item === "string" ? item : JSON.stringify(item))}`,
      );
    for (const item of [ann, { ...ann, urgent: true }, '"ann@example.com"']) {
      expect((await find(item)).body).toMatchObject({ items: [{ batch: { id: 1 }, outcome: "done", generation: 0 }] });
    }
    expect((await find({ ...ann, to: "bob@example.com" })).body).toEqual({ items: [] });
    expect((await find({ channel: "none" })).status).toBe(422);
  });

  test.each([
    [`operation=${send.name}&item=x`, 422, "batch: is required"],
    [`operation=${double.name}&item=x`, 422, "item: must be a whole number"],
    [`operation=${double.name}&item=1.5`, 422, "item: must be a whole number"],
    [`operation=${double.name}`, 422, "item"],
    ["operation=a.b.c&item=1", 422, "no operation"],
    [`operation=${double.name}&item=1&batch=9`, 404, "no batch 9"],
    [`operation=${double.name}&item=1&batch=1`, 422, "batch: 1 is of the operation test.mails.send"],
    [`operation=${send.name}&item=x&batch=1&account=other`, 422, "batch: 1 belongs to another account"],
    [`operation=${double.name}&item=1&limit=0`, 422, "limit"],
    [`operation=${double.name}&item=1&surprise=1`, 422, "surprise"],
  ])("rejects the search %s", async (query, status, detail) => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double, send] });
    await api.host.batches.submit({ operation: send.name, items: [{ channel: "mail", to: "x" }] });
    const rejected = await api.call(`/v1/items?${query}`);
    expect(rejected).toMatchObject({ status, body: { detail: expect.stringContaining(detail) } });
  });
});
