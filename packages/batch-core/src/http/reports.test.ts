import { createHash } from "node:crypto";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../operation/operation.ts";
import { createTestApi, type TestApi } from "../testing/test-api.ts";
import { until } from "../testing/until.ts";

/** An operation whose chunks after the first wait for a gate. */
function gated() {
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  let tries = 0;
  const operation = defineOperation({
    name: "test.rows.wait",
    label: "row/wait",
    item: z.int(),
    params: z.strictObject({}),
    key: (id) => id,
    chunkSize: 10,
    inlineLimit: 0,
    effects: "elsewhere",
    apply: async ({ items, seq, generation }) => {
      if (seq > 0) await gate;
      tries++;
      return items.map((key) => {
        if (key % 5 === 1) return { key, outcome: "skipped", code: "live" };
        // Half of them succeed at the second attempt.
        if (key % 5 === 2 && (generation === 0 || key % 2 === 0)) {
          return { key, outcome: "failed", code: "no", message: `=not, ${key}` };
        }
        return { key, outcome: "done" };
      });
    },
  });
  return { operation, open: () => open(), tries: () => tries };
}

/** Checks that the reports contain the same outcomes as the pages, and that the manifest matches both. */
async function expectReported(api: TestApi, id: number): Promise<string> {
  const items: unknown[] = [];
  for (let cursor = ""; ; ) {
    const page = (await api.call(`/v1/batches/${id}/items?limit=7${cursor}`)).body;
    items.push(...page.items);
    if (page.next_cursor === null) break;
    cursor = `&cursor=${page.next_cursor}`;
  }
  const batch = (await api.call(`/v1/batches/${id}`)).body;
  expect(items).toHaveLength(batch.total);
  const files = await Promise.all(
    ["csv", "ndjson"].map(async (format) => (await api.fetch(`/v1/batches/${id}/report.${format}`)).text()),
  );
  const [csv = "", ndjson = ""] = files;
  const lines = ndjson.split("\n");
  expect(lines.pop()).toBe("");
  expect(lines.map((line) => JSON.parse(line))).toEqual(items);
  expect(csv.split("\n")).toHaveLength(batch.total + 2);
  const manifest = (await api.call(`/v1/batches/${id}/manifest.json`)).body;
  expect(manifest).toMatchObject({ batch: { id, status: batch.status }, total: batch.total });
  const { done, skipped, failed, unknown, processed } = batch;
  expect(manifest.counts).toEqual({ done, skipped, failed, unknown, pending: batch.total - processed });
  const expected = files.map((text) => ({
    bytes: Buffer.byteLength(text),
    lines: text.split("\n").length - 1,
    sha256: createHash("sha256").update(text).digest("hex"),
  }));
  expect(manifest.reports).toEqual({ "report.csv": expected[0], "report.ndjson": expected[1] });
  return batch.status;
}

describe.each(ledgerDatabases)("reports on $name", ({ open }) => {
  const items = Array.from({ length: 45 }, (_, index) => index + 1);

  test("contain the outcome of every item in every state", async () => {
    await using database = await open();
    const { operation, open: letGo } = gated();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [operation], concurrency: 1 });
    const settled = async (id: number, count: number) =>
      until(async () => (await api.call(`/v1/batches/${id}`)).body.processed === count);
    const act = async (verb: string) => (await api.call(`/v1/batches/1/${verb}`, { method: "POST" })).status;

    const { status } = await api.post({ operation: "test.rows.wait", items });
    expect(status).toBe(202);
    await settled(1, 10);
    expect(await expectReported(api, 1)).toBe("in_progress");
    expect(await act("stop")).toBe(200);
    // The chunk in progress is still finished.
    letGo();
    await settled(1, 20);
    expect(await expectReported(api, 1)).toBe("stopped");
    expect(await act("resume")).toBe(200);
    await settled(1, 45);
    await api.host.batches.wait(1);
    expect(await expectReported(api, 1)).toBe("completed");
    expect(await act("retry")).toBe(200);
    await api.host.batches.wait(1);
    expect(await expectReported(api, 1)).toBe("completed");
    expect((await api.call("/v1/batches/1")).body).toMatchObject({ generation: 1, done: 31, skipped: 9, failed: 5 });

    const rule = { max_failure_rate: 0, after: 1 };
    await api.post({ operation: "test.rows.wait", items, stop_rule: rule });
    await api.host.batches.wait(2);
    expect(await expectReported(api, 2)).toBe("failed");
  });

  test("can be downloaded for a waiting batch", async () => {
    await using database = await open();
    const { operation } = gated();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [operation], role: "web" });
    await api.post({ operation: "test.rows.wait", items });
    expect(await expectReported(api, 1)).toBe("pending");
    const { headers, body } = await api.fetch("/v1/batches/1/report.csv");
    expect(headers.get("content-type")).toMatch(/^text\/csv; charset=utf-8/);
    expect(headers.get("content-disposition")).toBe('attachment; filename="batch-1-report.csv"');
    await body?.cancel();
    for (const file of ["report.csv", "report.ndjson", "manifest.json"]) {
      expect((await api.call(`/v1/batches/9/${file}`)).status).toBe(404);
    }
  });

  test("contain no item twice if a retry starts meanwhile", async () => {
    await using database = await open();
    const { operation, open: letGo, tries } = gated();
    letGo();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [operation] });
    const many = Array.from({ length: 1000 }, (_, index) => index);
    await api.post({ operation: "test.rows.wait", items: many });
    await api.host.batches.wait(1);
    const before = tries();
    const seen: unknown[] = [];
    for await (const { item } of api.host.batches.everyItem(1)) {
      if (seen.push(item) === 50) await api.host.batches.retry(1);
      if (seen.length === 60) await api.host.batches.wait(1);
    }
    expect(tries()).toBeGreaterThan(before);
    expect(seen).toEqual(many);
  });

  test("are produced only as fast as they are read", async () => {
    await using database = await open();
    const { operation } = gated();
    let pages = 0;
    let ended = false;
    await using api = await createTestApi({
      databaseUrl: database.url,
      operations: [operation],
      role: "web",
      wrap: (host) => ({
        ...host,
        batches: {
          ...host.batches,
          async *everyPage(id) {
            try {
              for await (const page of host.batches.everyPage(id)) {
                pages++;
                yield page;
              }
            } finally {
              ended = true;
            }
          },
        },
      }),
    });
    await api.post({ operation: "test.rows.wait", items: Array.from({ length: 1000 }, (_, index) => index) });
    const reader = (await api.fetch("/v1/batches/1/report.ndjson")).body?.getReader();
    await reader?.read();
    await reader?.read();
    expect(pages).toBeLessThan(5);
    await reader?.cancel();
    await until(() => ended);
    expect(pages).toBeLessThan(5);
  });
});
