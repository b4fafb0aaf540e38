import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../index.ts";
import { createTestHost } from "../testing/index.ts";
import { send } from "../testing/test-api.ts";
import { createV1Routes } from "./index.ts";

const double = defineOperation({
  name: "test.rows.double",
  label: "row/double",
  columns: ["row_id"],
  item: z.int().min(1),
  params: z.strictObject({ loud: z.boolean().default(false) }),
  key: (id) => id,
  chunkSize: 100,
  inlineLimit: 3,
  apply: async ({ items }) =>
    items.map((key) =>
      key === 13 ? { key, outcome: "failed", code: "no", message: "not 13" } : { key, outcome: "done" },
    ),
});

describe.each(ledgerDatabases)("/v1 on $name", ({ open }) => {
  async function start(url: string) {
    const host = await createTestHost({ databaseUrl: url });
    host.register(double);
    const { secret, key } = await host.keys.create({ vendor: "admin" });
    const routes = createV1Routes(host);
    const call = async (path: string, init: RequestInit = {}, token = secret) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", ...init.headers };
      const response = await routes.fetch(new Request(`http://localhost${path}`, { ...init, headers }));
      return { status: response.status, headers: response.headers, body: (await response.json()) as never };
    };
    const post = (body: unknown) => call("/v1/batches", { method: "POST", body: JSON.stringify(body) });
    return { host, key, call, post, [Symbol.asyncDispose]: () => host.close() };
  }

  test("creates a batch of the items that a filter finds", async () => {
    await using database = await open();
    await using api = await start(database.url);
    api.host.register({
      ...double,
      name: "test.rows.found",
      selection: {
        filter: z.strictObject({ below: z.int() }),
        async *select({ below }: { below: number }, account: string) {
          expect(account).toBe("mine");
          for (let from = 1; from < below; from += 2) yield [from, from + 1].filter((id) => id < below);
        },
      },
    });
    const find = (filter: unknown, more: object = {}) =>
      api.post({ operation: "test.rows.found", account: "mine", filter, ...more });
    const made = await find({ below: 6 });
    expect(made).toMatchObject({
      status: 202,
      body: { total: 5, params: { loud: false, filter: { below: 6 } } },
    });
    const { id } = made.body as { id: number };
    await api.host.batches.wait(id);
    expect((await api.call(`/v1/batches/${id}`)).body).toMatchObject({ status: "completed", done: 5 });
    const refused = async (answer: ReturnType<typeof find>) => {
      const { status, body } = await answer;
      return [status, (body as { errors: { path: string; message: string }[] }).errors[0]];
    };
    expect(await refused(find({ below: 1 }))).toEqual([422, { path: "filter", message: "finds nothing" }]);
    expect(await refused(find({ under: 1 }))).toMatchObject([422, { path: "filter.below" }]);
    expect(await refused(find({ below: 3 }, { items: [1] }))).toMatchObject([422, { path: "items" }]);
    expect(await refused(find(undefined))).toMatchObject([422, { path: "items" }]);
    expect(await refused(api.post({ operation: "test.rows.double", filter: { below: 3 } }))).toMatchObject([
      422,
      { path: "filter" },
    ]);
    const params = { filter: { below: 3 } };
    expect(await refused(api.post({ operation: "test.rows.found", items: [1], params }))).toMatchObject([
      422,
      { path: "params" },
    ]);
    expect((await api.host.batches.list({ limit: 9 })).map(({ id }) => id)).toEqual([id]);
  });

  test("creates, reads and lists a batch and its items", async () => {
    await using database = await open();
    await using api = await start(database.url);
    const made = await api.post({ operation: "test.rows.double", items: [1, 13, 1] });
    expect(made.status).toBe(201);
    expect(made.headers.get("location")).toBe("/v1/batches/1");
    const times = Object.fromEntries(
      ["created_at", "updated_at", "started_at", "finished_at"].map((name) => [name, expect.stringMatching(/Z$/)]),
    );
    const batch = {
      id: 1,
      operation: "test.rows.double",
      target: "local",
      account: "",
      status: "completed",
      total: 2,
      processed: 2,
      done: 1,
      skipped: 0,
      failed: 1,
      unknown: 0,
      duplicates: 1,
      progress: 100,
      generation: 0,
      params: { loud: false },
      tally: {},
      error: null,
      dry_run: false,
      from_batch: null,
      undo_of: null,
      next_allowed_at: null,
      waiting_for: null,
      actor: api.key.id,
      ...times,
    };
    expect(made.body).toEqual(batch);
    const failures = [{ outcome: "failed", code: "no", count: 1, message: "not 13" }];
    expect((await api.call("/v1/batches/1")).body).toEqual({ ...batch, failures, estimate: null });

    const large = await api.post({
      operation: "test.rows.double",
      items: Array.from({ length: 1000 }, (_, i) => i + 1),
    });
    expect(large.status).toBe(202);
    expect(large.body).toMatchObject({ id: 2, status: "pending", processed: 0, progress: 0 });
    await api.host.batches.wait(2);
    expect((await api.call("/v1/batches")).body).toMatchObject({
      batches: [
        { id: 2, status: "completed", done: 999, failed: 1 },
        { id: 1, status: "completed" },
      ],
      next_cursor: null,
    });
    const first = await api.call("/v1/batches?limit=1");
    expect(first.body).toMatchObject({ batches: [{ id: 2 }], next_cursor: "2" });
    expect((await api.call("/v1/batches?limit=1&cursor=2")).body).toMatchObject({
      batches: [{ id: 1 }],
      next_cursor: null,
    });

    expect((await api.call("/v1/batches/2/items?outcome=failed")).body).toEqual({
      items: [{ item: 13, outcome: "failed", code: "no", message: "not 13", generation: 0 }],
      next_cursor: null,
    });
  });

  test("rejects invalid input with its path", async () => {
    await using database = await open();
    await using api = await start(database.url);
    const problem = (type: string, status: number) => ({ type: `urn:reinstate:problem:${type}`, status });
    expect(await api.post({ operation: "test.rows.triple", items: [1] })).toMatchObject({
      status: 422,
      body: problem("unknown-operation", 422),
    });
    const invalid = await api.post({ operation: "test.rows.double", items: [1, "2", 0], params: { loud: 1 } });
    expect(invalid.status).toBe(422);
    expect(invalid.headers.get("content-type")).toBe("application/problem+json");
    expect(invalid.body).toMatchObject({
      errors: [{ path: "params.loud" }, { path: "items[1]" }, { path: "items[2]" }],
    });
    expect((await api.post({ operation: "test.rows.double", items: [] })).body).toMatchObject({
      errors: [{ path: "items" }],
    });
    expect((await api.post({ operation: "test.rows.double", items: [1], surprise: true })).status).toBe(422);
    for (const body of [
      "",
      "{",
      '{"operation":"test.rows.double","items":[1]}x',
      '{"items":[1],"items":[2]}',
      "\xff",
    ]) {
      const answer = await api.call("/v1/batches", { method: "POST", body: Buffer.from(body, "latin1") });
      expect({ body, status: answer.status, answer: answer.body }).toMatchObject({
        body,
        status: 400,
        answer: problem("malformed-json", 400),
      });
    }
    for (const body of ["null", "[]", '"x"', "1", "{}"]) {
      const answer = await api.call("/v1/batches", { method: "POST", body });
      expect({ body, status: answer.status, answer: answer.body }).toMatchObject({
        body,
        status: 422,
        answer: problem("invalid-request", 422),
      });
    }
    for (const encoding of ["gzip", "br", "deflate", "gzip, identity", "x-gzip", "zstd"]) {
      const headers = { "content-encoding": encoding };
      const answer = await api.call("/v1/batches", { method: "POST", body: "{}", headers });
      expect({ encoding, answer: answer.body }).toMatchObject({
        encoding,
        answer: problem("unsupported-media-type", 415),
      });
    }
    const csv = { method: "POST", body: "id", headers: { "content-type": "text/plain" } };
    expect((await api.call("/v1/batches", csv)).body).toMatchObject(problem("unsupported-media-type", 415));
    for (const path of ["/v1/batches/1", "/v1/batches/x", "/v1/batches/99/items"]) {
      expect((await api.call(path)).body).toMatchObject(problem("unknown-batch", 404));
    }
    expect((await api.call("/v1/batches?limit=0")).body).toMatchObject({ errors: [{ path: "limit" }] });
    expect((await api.call("/v1/batches", { method: "DELETE" })).headers.get("allow")).toBe("GET, POST");
    expect((await api.call("/v1/else")).body).toMatchObject(problem("not-found", 404));
    const many = await api.post({ operation: "test.rows.double", items: Array.from({ length: 1000 }, () => "x") });
    expect((many.body as { errors: unknown[] }).errors).toHaveLength(100);
    expect((await api.call("/v1/batches")).body).toEqual({ batches: [], next_cursor: null });
  });

  test("requires an admin key", async () => {
    await using database = await open();
    await using api = await start(database.url);
    const { secret } = await api.host.keys.create({ vendor: "firstpromoter", account: "a" });
    for (const token of [secret, "wrong", ""]) {
      const refused = await api.call("/v1/batches", {}, token);
      expect(refused.status).toBe(401);
      expect(refused.headers.get("www-authenticate")).toBe("Bearer");
    }
  });

  test("rejects __proto__ in params like every unknown key", async () => {
    await using database = await open();
    await using api = await start(database.url);
    for (const body of [
      '{"operation":"test.rows.double","items":[1],"params":{"__proto__":{"loud":true}}}',
      '{"operation":"test.rows.double","items":[1],"params":{"__proto__":1,"loud":true}}',
      '{"operation":"test.rows.double","items":[1],"params":{},"__proto__":{}}',
    ]) {
      const rejected = await api.call("/v1/batches", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      expect(rejected).toMatchObject({ status: 422, body: { detail: expect.stringContaining('"__proto__"') } });
    }
    expect((await api.call("/v1/batches")).body).toMatchObject({ batches: [] });
  });

  test("rejects a status change with the current status", async () => {
    await using database = await open();
    await using api = await start(database.url);
    const act = (id: number | string, verb: string) => api.call(`/v1/batches/${id}/${verb}`, { method: "POST" });
    await api.post({ operation: "test.rows.double", items: [1, 13] });
    for (const verb of ["stop", "resume"]) {
      const refused = await act(1, verb);
      expect(refused).toMatchObject({ status: 409, body: { type: "urn:reinstate:problem:wrong-state" } });
      expect((refused.body as { detail: string }).detail).toMatch(/^Batch 1 is completed and cannot be/);
    }
    expect(await act(1, "retry")).toMatchObject({ status: 200, body: { status: "in_progress", generation: 1 } });
    await api.host.batches.wait(1);
    await api.post({ operation: "test.rows.double", items: [1] });
    expect(await act(2, "retry")).toMatchObject({
      status: 409,
      body: { detail: expect.stringMatching(/no failed items/) },
    });
    for (const verb of ["stop", "resume", "retry"]) expect((await act("9", verb)).status).toBe(404);
  });

  test("returns the allowed methods of every path", async () => {
    await using database = await open();
    await using api = await start(database.url);
    const batch = "/v1/batches/1";
    const gets = [
      "/v1/operations",
      "/v1/items",
      batch,
      ...["items", "report.csv", "report.ndjson", "manifest.json", "events", "history"].map(
        (part) => `${batch}/${part}`,
      ),
    ];
    for (const path of gets) {
      const refused = await api.call(path, { method: "PUT" });
      expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET"]);
    }
    for (const verb of ["stop", "resume", "retry"]) {
      const refused = await api.call(`${batch}/${verb}`);
      expect([refused.status, refused.headers.get("allow")]).toEqual([405, "POST"]);
    }
  });

  test("lists operations with their schemas", async () => {
    await using database = await open();
    await using api = await start(database.url);
    const name = "test.rows.slow";
    const noon = 43_200_000;
    const pace = { concurrency: 2, perSecond: 5, allowedFrom: (now: number) => Math.ceil(now / noon) * noon };
    api.host.register({ ...double, name, limits: pace, effects: "elsewhere" }, send);
    const { body } = await api.call("/v1/operations");
    expect(body).toMatchObject({
      operations: [
        { columns: ["channel", "to", "urgent", "chat.id", "tags"] },
        {
          name: "test.rows.double",
          target: "local",
          columns: ["row_id", "id"],
          dry_run: true,
          pace: null,
          item: { type: "integer", minimum: 1 },
          params: { type: "object" },
        },
        {
          name,
          dry_run: false,
          pace: {
            concurrency: 2,
            per_second: 5,
            burst: null,
            next_allowed_at: expect.stringMatching(/T(00|12):00:00/),
          },
        },
      ],
    });
  });
});
