import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { createTestApi, double } from "../testing/test-api.ts";

const undoable = {
  ...double,
  name: "test.rows.undo",
  opposite: { operation: double.name, params: () => ({ loud: true }) },
};
const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

describe.each(ledgerDatabases)("/v1 batches from batches on $name", ({ open }) => {
  async function start() {
    const database = await open();
    const api = await createTestApi({ databaseUrl: database.url, operations: [double, undoable] });
    return {
      ...api,
      change: (path: string, body?: object, headers: Record<string, string> = {}) =>
        api.call(`/v1/batches/${path}`, { method: "POST", headers, ...(body && { body: JSON.stringify(body) }) }),
      async [Symbol.asyncDispose]() {
        await api[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test("prepares an undo once per Idempotency-Key", async () => {
    await using api = await start();
    await api.post({ operation: undoable.name, items: [1, 2, 13] });
    const headers = { "idempotency-key": "k" };
    const undo = await api.change("1/undo", { note: "wrong file" }, headers);
    expect(undo).toMatchObject({
      status: 201,
      body: { id: 2, operation: double.name, status: "stopped", total: 2, from_batch: 1, undo_of: 1, done: 0 },
    });
    expect(undo.headers.get("location")).toBe("/v1/batches/2");
    const again = await api.change("1/undo", { note: "wrong file" }, headers);
    expect(again).toMatchObject({ status: 201, body: undo.body });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect((await api.change("2/resume")).status).toBe(200);
    await api.host.batches.wait(2);
    expect((await api.call("/v1/batches/2")).body).toMatchObject({
      status: "completed",
      done: 2,
      params: { loud: true },
    });
    const { events } = (await api.call("/v1/batches/1/history")).body;
    expect(events.at(-1)).toMatchObject({ verb: "undo_prepared", note: "wrong file", batch: 2, actor: api.actor });
  });

  test("runs the dry run of an undo at once", async () => {
    await using api = await start();
    await api.post({ operation: undoable.name, items: [1, 2, 3] });
    expect(await api.change("1/undo", { dryRun: "yes" })).toMatchObject({
      status: 201,
      body: { status: "completed", dry_run: true, undo_of: 1, done: 3 },
    });
    expect((await api.change("2/undo")).body.detail).toMatch(/is a dry run/);
  });

  test("makes a dry run real", async () => {
    await using api = await start();
    await api.post({ operation: double.name, items: range(5), params: { loud: true }, dry_run: true });
    await api.host.batches.wait(1);
    expect((await api.call("/v1/batches/1")).body.estimate).toEqual({
      chunks: 1,
      requests: 0,
      earliest_start: expect.stringMatching(/Z$/),
      duration_ms: null,
      limited_by: null,
    });
    const real = await api.change("1/repeat");
    expect(real).toMatchObject({ status: 202, body: { dry_run: false, total: 5, from_batch: 1, undo_of: null } });
    await api.host.batches.wait(2);
    expect((await api.call("/v1/batches/2")).body.estimate).toBeNull();
    const failed = await api.change("2/repeat", { outcome: "done", prepared: true, dry_run: true });
    expect(failed).toMatchObject({ status: 201, body: { status: "stopped", dry_run: true, params: { loud: true } } });
  });

  test("accepts a prepared batch from JSON and from a stream", async () => {
    await using api = await start();
    const body = { operation: double.name, items: [1], prepared: true };
    expect(await api.post(body)).toMatchObject({ status: 201, body: { status: "stopped", started_at: null } });
    const query = `operation=${double.name}&prepared=true`;
    expect(await api.stream(query, "1\n2\n")).toMatchObject({ status: 201, body: { status: "stopped", done: 0 } });
    expect((await api.stream(`operation=${double.name}&prepared=yes`, "1\n2\n")).status).toBe(422);
  });

  test("reports the first batch of a content", async () => {
    await using api = await start();
    const content = "c".repeat(64);
    const body = { operation: double.name, items: [1], content };
    expect((await api.post(body)).status).toBe(201);
    const rejected = {
      status: 409,
      body: { type: "urn:reinstate:problem:duplicate-content", batch: 1, detail: expect.stringContaining("Batch 1") },
    };
    expect(await api.post(body)).toMatchObject(rejected);
    const query = `operation=${double.name}&content=${content}`;
    expect(await api.stream(query, "1\n2\n")).toMatchObject(rejected);
    expect((await api.stream(`${query}&again=true`, "1\n2\n")).status).toBe(201);
    expect((await api.post({ ...body, again: true })).status).toBe(201);
    expect((await api.post({ ...body, content: "C" })).body.errors).toMatchObject([{ path: "content" }]);
  });

  test.each([
    ["undo", '{"outcome":"done"}', 422, "outcome"],
    ["undo", '{"dry_run":1}', 201, undefined],
    ["undo", '{"dry_run":"perhaps"}', 422, "dry_run"],
    ["undo", '{"explain":true}', 422, "explain"],
    ["repeat", '{"items":[1]}', 422, "items"],
    ["repeat", '{"outcome":"lost"}', 422, "outcome"],
    ["repeat", '{"outcome":"failed"}', 422, "outcome: matches no item of batch 1"],
    ["repeat", '{"note":""}', 422, "note: must not be blank"],
  ])("answers %s with the body %s by %i", async (verb, body, status, detail) => {
    await using api = await start();
    await api.post({ operation: undoable.name, items: [1, 2] });
    const answer = await api.call(`/v1/batches/1/${verb}`, { method: "POST", body });
    expect(answer.status).toBe(status);
    if (detail) expect(answer.body.detail).toContain(detail);
    expect(await api.host.batches.list({ limit: 9 })).toHaveLength(status === 201 ? 2 : 1);
  });
});
