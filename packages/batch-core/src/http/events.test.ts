import { once } from "node:events";
import { get as httpGet, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { type Clock, systemClock } from "../clock.ts";
import type { Host } from "../host.ts";
import { defineOperation } from "../operation/operation.ts";
import { createTestApi, type TestApi } from "../testing/test-api.ts";
import { until } from "../testing/until.ts";
import { createV1Routes } from "./v1-routes.ts";

/** An operation whose chunks wait for a gate. */
function gated() {
  const waiting: (() => void)[] = [];
  const operation = defineOperation({
    name: "test.rows.wait",
    label: "row/wait",
    item: z.int(),
    params: z.strictObject({}),
    key: (id) => id,
    chunkSize: 10,
    inlineLimit: 0,
    effects: "elsewhere",
    apply: async ({ items }) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return items.map((key) => ({ key, outcome: "done" }));
    },
  });
  const letGo = async () => (await until(() => waiting.shift()))();
  return { operation, letGo };
}

interface Event {
  name: string;
  data: { status: string; processed: number; rate: number; estimated_end: string | null };
}

/** Reads server-sent events one by one; a comment is an event named `comment`. */
function readEvents(body: ReadableStream<Uint8Array>) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  const next = async (): Promise<Event | undefined> => {
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end >= 0) {
        const block = text.slice(0, end);
        text = text.slice(end + 2);
        if (block.startsWith(":")) return { name: "comment" } as Event;
        const [, name = "", data = ""] = /^event: (.*)\ndata: (.*)\nid: .*(?:\nretry: \d+)?$/.exec(block) ?? [];
        return { name, data: JSON.parse(data) };
      }
      const { done, value } = await reader.read();
      if (done) return undefined;
      text += decoder.decode(value, { stream: true });
    }
  };
  return { next, cancel: () => reader.cancel() };
}

/** A host that counts the open watches. */
function counted() {
  let open = 0;
  const wrap = (host: Host): Host => ({
    ...host,
    batches: {
      ...host.batches,
      async *watch(...args) {
        open++;
        try {
          yield* host.batches.watch(...args);
        } finally {
          open--;
        }
      },
    },
  });
  return { wrap, open: () => open };
}

describe.each(ledgerDatabases)("events on $name", ({ open }) => {
  const items = Array.from({ length: 30 }, (_, index) => index);
  const path = "/v1/batches/1/events";
  const submit = (api: TestApi) => api.post({ operation: "test.rows.wait", items });

  test("report the progress of a batch until its end", async () => {
    await using database = await open();
    const { operation, letGo } = gated();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [operation], concurrency: 1 });
    await submit(api);
    const response = await api.fetch(path);
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    const events = readEvents(response.body as ReadableStream<Uint8Array>);
    expect(await events.next()).toMatchObject({
      name: "progress",
      data: { processed: 0, rate: 0, estimated_end: null },
    });
    await letGo();
    let event = await events.next();
    while (event?.data.processed === 0) event = await events.next();
    expect(event).toMatchObject({ name: "progress", data: { id: 1, status: "in_progress", processed: 10, total: 30 } });
    expect(event?.data.rate).toBeGreaterThan(0);
    expect(Date.parse(event?.data.estimated_end ?? "")).toBeGreaterThan(Date.now() - 60_000);
    await letGo();
    await letGo();
    while (event?.name === "progress") event = await events.next();
    expect(event).toMatchObject({ name: "end", data: { status: "completed", processed: 30 } });
    expect(await events.next()).toBeUndefined();
    expect((await api.call("/v1/batches/9/events")).status).toBe(404);
  });

  test("end with a stop, and at once for an ended batch", async () => {
    await using database = await open();
    const { operation } = gated();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [operation], role: "web" });
    await submit(api);
    await api.call("/v1/batches/1/stop", { method: "POST" });
    const events = readEvents((await api.fetch(path)).body as ReadableStream<Uint8Array>);
    expect((await events.next())?.name).toBe("progress");
    expect(await events.next()).toMatchObject({ name: "end", data: { status: "stopped" } });
    expect(await events.next()).toBeUndefined();
  });

  test("include a comment every 15 seconds", async () => {
    await using database = await open();
    const { operation } = gated();
    let asked: number[] = [];
    // Fifteen seconds pass in fifteen milliseconds.
    const clock: Clock = {
      now: systemClock.now,
      sleep(ms, signal) {
        asked.push(ms);
        return systemClock.sleep(ms / 1000, signal);
      },
    };
    await using api = await createTestApi({ databaseUrl: database.url, operations: [operation], role: "web", clock });
    await submit(api);
    asked = [];
    const events = readEvents((await api.fetch(path)).body as ReadableStream<Uint8Array>);
    const names = [await events.next(), await events.next(), await events.next()].map((event) => event?.name);
    // On a slow database the first comment comes before the state of the batch is read.
    expect(names.sort()).toEqual(["comment", "comment", "progress"]);
    expect(asked).toContain(15_000);
    await events.cancel();
  });

  test("free all resources when the client disconnects", async () => {
    await using database = await open();
    const { operation } = gated();
    const watches = counted();
    await using api = await createTestApi({
      databaseUrl: database.url,
      operations: [operation],
      role: "web",
      wrap: watches.wrap,
    });
    await submit(api);
    const events = readEvents((await api.fetch(path)).body as ReadableStream<Uint8Array>);
    await events.next();
    expect(watches.open()).toBe(1);
    await events.cancel();
    await until(() => watches.open() === 0);

    const server = createAdaptorServer({ fetch: createV1Routes(watches.wrap(api.host)).fetch });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const headers = { authorization: `Bearer ${api.secret}` };
    const request = httpGet({ port, host: "127.0.0.1", agent: false, path, headers });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    await once(response, "data");
    expect(watches.open()).toBe(1);
    request.on("error", () => {});
    response.on("error", () => {});
    request.destroy();
    await until(() => watches.open() === 0);
    server.close();
  });
});
