import { beforeAll, describe, expect, test } from "vitest";
import * as z from "zod";
import { createHost, type Host } from "../host.ts";
import { createV1Routes } from "../http/v1-routes.ts";
import { defineOperation } from "../operation/operation.ts";
import { measureLongestStretch, repeatMeasurement } from "../testing/longest-stretch.ts";

/** Milliseconds for which nothing may hold the event loop. */
const limitMs = 50;
const total = 50_000;

const fails = defineOperation<number, unknown>({
  name: "test.rows.fail",
  label: "row/fail",
  item: z.int(),
  params: z.unknown(),
  key: (id) => id,
  chunkSize: 1000,
  inlineLimit: 0,
  effects: "ledger",
  async apply({ items }) {
    return items.map((key) => ({ key, outcome: "failed", code: "unlucky", message: `row ${key} fails` }));
  },
});

describe("event loop under heavy calls on SQLite", () => {
  let host: Host;
  let id: number;
  let routes: ReturnType<typeof createV1Routes>;
  const authorization = "Bearer secret";

  beforeAll(async () => {
    host = await createHost({ databaseUrl: "sqlite::memory:" });
    host.register(fails);
    await host.keys.create({ vendor: "admin", secret: "secret" });
    routes = createV1Routes(host);
    const items = Array.from({ length: total }, (_, index) => index + 1);
    ({ id } = await host.batches.submit({ operation: fails.name, items }));
    await host.batches.wait(id);
    // Code that runs for the first time is compiled first, which is no stretch of the call's own.
    await download("manifest.json");
    return () => host.close();
  });

  /** Reads an answer part by part, and returns its size in bytes. */
  async function download(path: string): Promise<number> {
    const { body } = await routes.request(`http://localhost/v1/batches/${id}/${path}`, { headers: { authorization } });
    let bytes = 0;
    for await (const part of body ?? []) bytes += part.length;
    return bytes;
  }

  test.each(["manifest.json", "report.csv", "report.ndjson"])("serves %s in short stretches", async (path) => {
    const measure = async () => {
      const { result, longestMs } = await measureLongestStretch(() => download(path));
      expect(result).toBeGreaterThan(path === "manifest.json" ? 100 : total);
      return longestMs;
    };
    expect(await repeatMeasurement(limitMs, measure)).toBeLessThan(limitMs);
  });

  test("serves five manifests at once in short stretches", async () => {
    const downloadFive = () => Promise.all(Array.from({ length: 5 }, () => download("manifest.json")));
    const measure = async () => (await measureLongestStretch(downloadFive)).longestMs;
    expect(await repeatMeasurement(limitMs, measure)).toBeLessThan(limitMs);
  });

  test("accepts and retries a large batch in short stretches", async () => {
    const items = Array.from({ length: total }, (_, index) => index + 1);
    const measure = async () => {
      const accepted = await measureLongestStretch(() => host.batches.submit({ operation: fails.name, items }));
      await host.batches.wait(accepted.result.id);
      const retried = await measureLongestStretch(() => host.batches.retry(accepted.result.id));
      await host.batches.wait(accepted.result.id);
      return Math.max(accepted.longestMs, retried.longestMs);
    };
    expect(await repeatMeasurement(limitMs, measure)).toBeLessThan(limitMs);
  });

  test("prunes a large batch in short stretches", async () => {
    const items = Array.from({ length: total }, (_, index) => index + 1);
    const measure = async () => {
      const { id: large } = await host.batches.submit({ operation: fails.name, items });
      await host.batches.wait(large);
      await host.batches.submit({ operation: fails.name, items: [1] });
      const before = Date.now() + 1000;
      const { result, longestMs } = await measureLongestStretch(() => host.batches.prune({ before }));
      expect(result.items).toBeGreaterThanOrEqual(total);
      return longestMs;
    };
    expect(await repeatMeasurement(limitMs, measure)).toBeLessThan(limitMs);
  });

  test("ends a manifest when its client is gone", async () => {
    const client = new AbortController();
    const request = new Request(`http://localhost/v1/batches/${id}/manifest.json`, {
      headers: { authorization },
      signal: client.signal,
    });
    const answer = Promise.resolve(routes.request(request));
    client.abort();
    expect((await answer).status).toBe(499);
  });

  test("accepts nothing for a client that is gone", async () => {
    const client = new AbortController();
    const items = Array.from({ length: total }, (_, index) => index + 1);
    const request = new Request("http://localhost/v1/batches", {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ operation: fails.name, items }),
      signal: client.signal,
    });
    const before = await host.batches.list({ limit: 1 });
    const answer = Promise.resolve(routes.request(request));
    setImmediate(() => client.abort());
    expect((await answer).status).toBe(499);
    expect((await host.batches.list({ limit: 1 }))[0]?.id).toBe(before[0]?.id);
  });
});
