import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../index.ts";
import { createTestApi, double } from "../testing/test-api.ts";

/** Fails each item in the first run, the even ones with `code_0` and the odd ones with `code_1`. */
const unlucky = defineOperation<number, unknown>({
  name: "test.rows.unlucky",
  label: "row/unlucky",
  item: z.int(),
  params: z.unknown(),
  key: (id) => id,
  chunkSize: 100,
  apply: async ({ items, generation }) =>
    items.map((key) =>
      generation > 0 ? { key, outcome: "done" } : { key, outcome: "failed", code: `code_${key % 2}`, message: "no" },
    ),
});

describe.each(ledgerDatabases)("retry on $name", ({ open }) => {
  test("retries only the items that failed with a code", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [unlucky] });
    const { body: batch } = await api.post({
      operation: unlucky.name,
      items: Array.from({ length: 250 }, (_, id) => id),
    });
    await api.host.batches.wait(batch.id);
    const retry = (body: string, headers = {}) =>
      api.call(`/v1/batches/${batch.id}/retry`, { method: "POST", body, headers });
    const counts = async () => {
      const { total, done, failed, generation } = (await api.call(`/v1/batches/${batch.id}`)).body;
      expect(done + failed).toBe(total);
      return { done, failed, generation };
    };
    expect(await counts()).toEqual({ done: 0, failed: 250, generation: 0 });
    expect(await retry('{"code":"code_9"}')).toMatchObject({
      status: 409,
      body: { detail: 'Batch 1 is completed and has no failed items with the code "code_9" that could be run again' },
    });
    const once = await retry('{"code":"code_1"}', { "idempotency-key": "k" });
    expect(once).toMatchObject({ status: 200, body: { status: "in_progress", generation: 1 } });
    await api.host.batches.wait(batch.id);
    expect(await counts()).toEqual({ done: 125, failed: 125, generation: 1 });
    // The repeat of a call whose answer was lost starts nothing.
    const again = await retry('{"code":"code_1"}', { "idempotency-key": "k" });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(again.body).toEqual(once.body);
    expect((await retry('{"code":"code_0"}', { "idempotency-key": "k" })).status).toBe(422);
    const failed = await api.call(`/v1/batches/${batch.id}/items?outcome=failed&limit=500`);
    expect(failed.body.items).toHaveLength(125);
    expect(new Set(failed.body.items.map(({ code }: { code: string }) => code))).toEqual(new Set(["code_0"]));
    const report = await (await api.fetch(`/v1/batches/${batch.id}/report.csv`)).text();
    expect(report.trimEnd().split("\n")).toHaveLength(251);
    expect((await retry("")).status).toBe(200);
    await api.host.batches.wait(batch.id);
    expect(await counts()).toEqual({ done: 250, failed: 0, generation: 2 });
  });

  test.each([
    ["{", 400, "not valid JSON"],
    ["[]", 422, "expected object"],
    ['{"code":null}', 422, "code"],
    ['{"code":""}', 422, "code: must not be empty"],
    ['{"code":"\\u0000"}', 422, "code: must not contain a NUL character"],
    ['{"code":"\\ud800"}', 422, "code: must not contain half of a surrogate pair"],
    [JSON.stringify({ code: "x".repeat(256) }), 422, "code: must have at most 255 characters"],
    ['{"codes":["x"]}', 422, "codes"],
    ['{"items":[1]}', 422, "items"],
    ['{"dry_run":true}', 422, "dry_run"],
  ])("rejects the retry body %s", async (body, status, detail) => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double] });
    await api.post({ operation: "test.rows.double", items: [13] });
    const rejected = await api.call("/v1/batches/1/retry", { method: "POST", body });
    expect(rejected).toMatchObject({ status, body: { detail: expect.stringContaining(detail) } });
    expect((await api.call("/v1/batches/1")).body).toMatchObject({ generation: 0 });
  });
});
