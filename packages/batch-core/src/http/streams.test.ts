import { once } from "node:events";
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { heldMemory } from "../testing/held-memory.ts";
import { createTestApi, double, send } from "../testing/test-api.ts";
import { until } from "../testing/until.ts";
import { createV1Routes } from "./v1-routes.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}\n`);
const query = "operation=test.rows.double";

describe.each(ledgerDatabases)("streamed creates on $name", ({ open }) => {
  const start = (url: string, options = {}) =>
    createTestApi({ databaseUrl: url, operations: [double, send], ...options });

  test("reads items as NDJSON or CSV and options as query", async () => {
    await using database = await open();
    await using api = await start(database.url);
    const params = encodeURIComponent('{"loud":true}');
    const small = await api.stream(`${query}&params=${params}&account=a`, "3\n1\n3\n");
    expect(small).toMatchObject({
      status: 201,
      body: { id: 1, status: "completed", total: 2, duplicates: 1, account: "a", params: { loud: true }, done: 2 },
    });
    expect(small.headers.get("location")).toBe("/v1/batches/1");
    const table = ["number,name", ...numbers(250).map((line) => `${line.trim()},x`)].join("\n");
    const large = await api.stream(`${query}&column=number`, table, { "content-type": "text/csv; charset=utf-8" });
    expect(large).toMatchObject({ status: 202, body: { id: 2, status: "pending", total: 250 } });
    expect((await api.host.batches.wait(2)).counts).toEqual({ done: 224, skipped: 0, failed: 26, unknown: 0 });
    const mails = await api.stream("operation=test.mails.send", "channel,chat.id\nbot,5\n", {
      "content-type": "text/csv",
    });
    expect(mails.status).toBe(201);
    expect((await api.call("/v1/batches/3/items")).body.items).toEqual([
      { item: { channel: "bot", chat: { id: 5 } }, outcome: "done", generation: 0 },
    ]);
  });

  test("accepts dry_run and stop_rule in body and query", async () => {
    await using database = await open();
    await using api = await start(database.url);
    const dry = await api.stream(`${query}&dry_run=true`, "1\n7\n");
    expect(dry.body).toMatchObject({ dry_run: true, status: "completed", done: 1, failed: 1 });
    const given = { operation: "test.rows.double", items: [1, 7] };
    expect((await api.post({ ...given, dry_run: true })).body).toMatchObject({ dry_run: true, failed: 1 });
    const failing = Array.from({ length: 500 }, (_, index) => 10 * index + 7);
    const ruled = await api.stream(`${query}&max_failure_rate=0.5&after=100`, failing.join("\n"));
    const inBody = await api.post({
      ...given,
      items: failing,
      stop_rule: { max_failure_rate: 0.5 },
    });
    for (const { body } of [ruled, inBody]) {
      await api.host.batches.wait(body.id);
      const ended = (await api.call(`/v1/batches/${body.id}`)).body;
      expect(ended).toMatchObject({
        status: "failed",
        error: expect.stringMatching(/^\d+ of the first \d+ items failed/),
      });
    }
  });

  test("rejects invalid input and stores nothing", async () => {
    await using database = await open();
    await using api = await start(database.url, { routes: { streamLimit: 1000 } });
    const paths = async (asked: Promise<{ status: number; body: { errors?: { path: string }[] } }>) => {
      const { status, body } = await asked;
      return [status, ...(body.errors ?? []).map(({ path }) => path)];
    };
    expect(await paths(api.stream(query, "1\n\nx\n0"))).toEqual([422, "line 3", "line 4"]);
    expect(await paths(api.stream(query, ""))).toEqual([422, "body"]);
    expect(await paths(api.stream(query, "x\n".repeat(400)))).toHaveLength(101);
    expect(await paths(api.stream(`${query}&params=no`, "1"))).toEqual([422, "params"]);
    expect(await paths(api.stream(`${query}&params=${encodeURIComponent('{"loud":1}')}`, "1"))).toEqual([
      422,
      "params.loud",
    ]);
    expect(await paths(api.stream(`${query}&after=5`, "1"))).toEqual([422, "after"]);
    expect(await paths(api.stream(`${query}&max_failure_rate=2`, "1"))).toEqual([422, "max_failure_rate"]);
    expect(await paths(api.stream(`${query}&column=id`, "1"))).toEqual([422, "column"]);
    expect(await paths(api.stream(`${query}&dry_run=maybe`, "1"))).toEqual([422, "dry_run"]);
    expect((await api.stream(`${query}&surprise=1`, "1")).status).toBe(422);
    expect((await api.stream("operation=test.rows.triple", "1")).body.type).toMatch(/unknown-operation$/);
    const encoded = await api.stream(query, "1", { "content-encoding": "gzip" });
    expect([encoded.status, encoded.headers.get("accept-encoding")]).toEqual([415, "identity"]);
    expect((await api.stream(query, "1", { "content-type": "text/plain" })).status).toBe(415);
    expect((await api.stream(query, "1".padStart(1001))).status).toBe(413);
    async function* endless() {
      for (;;) yield Buffer.from("1\n".repeat(100));
    }
    expect((await api.stream(query, endless())).body).toMatchObject({
      status: 413,
      type: expect.stringMatching(/body-too-large$/),
    });
    const misplaced = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
    expect(await paths(api.call("/v1/batches?dry_run=true", misplaced))).toEqual([422, "dry_run"]);
    const large = await api.post({ operation: "test.rows.double", items: ["x".repeat(9_000_000)] });
    expect(large).toMatchObject({ status: 413, body: { detail: expect.stringMatching(/application\/x-ndjson/) } });
    expect((await api.call("/v1/batches")).body.batches).toEqual([]);
  });

  test("stores nothing of a broken upload", async () => {
    await using database = await open();
    await using api = await start(database.url);
    let ended = 0;
    const v1 = createV1Routes(api.host);
    const server = createAdaptorServer({
      fetch: async (request: Request) => {
        const response = await v1.fetch(request);
        ended++;
        return response;
      },
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const upload = (operation: string, headers = {}): ClientRequest =>
      httpRequest({
        port,
        host: "127.0.0.1",
        method: "POST",
        agent: false,
        path: `/v1/batches?operation=${operation}`,
        headers: { authorization: `Bearer ${api.secret}`, "content-type": "application/x-ndjson", ...headers },
      });
    const lines = numbers(50_000).join("");
    const mails = Array.from({ length: 5_000 }, (_, n) => `{"channel":"mail","to":"${n}"}\n`).join("");
    const cases: [string, string, object][] = [
      ["test.rows.double", lines, {}],
      ["test.rows.double", lines, { "content-length": lines.length + 1 }],
      ["test.rows.double", lines, { "content-type": "text/csv" }],
      ["test.mails.send", mails, {}],
    ];
    for (const [index, [operation, body, headers]] of cases.entries()) {
      const request = upload(operation, headers);
      request.on("error", () => {});
      await new Promise<void>((resolve) => request.write(body, () => resolve()));
      request.destroy();
      await until(() => ended === index + 1);
    }
    const whole = upload("test.rows.double");
    const answered = once(whole, "response") as Promise<[IncomingMessage]>;
    whole.end("1\n2\n");
    const [response] = await answered;
    response.resume();
    expect(response.statusCode).toBe(201);
    expect((await api.call("/v1/batches")).body.batches).toMatchObject([{ total: 2 }]);
    server.close();
  });

  test("reads a million lines in constant memory", async () => {
    await using database = await open();
    await using api = await start(database.url, { role: "web" });
    const before = heldMemory();
    let most = 0;
    async function* lines() {
      for (let n = 0; n < 1_000_000; n += 1000) {
        // Every second number is in descending order, so the input is unsorted.
        const line = (_: unknown, at: number) => `${(n + at) % 2 ? n + at : 1_000_000 - n - at}\n`;
        yield Buffer.from(Array.from({ length: 1000 }, line).join(""));
        if (n % 100_000 === 0) most = Math.max(most, heldMemory());
      }
    }
    const accepted = await api.stream(query, lines());
    expect(accepted.status).toBe(202);
    expect(accepted.body.total + accepted.body.duplicates).toBe(1_000_000);
    expect(Math.max(most, heldMemory()) - before).toBeLessThan(20 * 1024 * 1024);
  });
});
