import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../operation/operation.ts";
import { createTestApi, double } from "../testing/test-api.ts";
import { until } from "../testing/until.ts";

describe.each(ledgerDatabases)("Idempotency-Key on $name", ({ open }) => {
  const body = { operation: "test.rows.double", items: [1, 2] };
  const keyed = { "idempotency-key": "a key" };

  test("replays the response and rejects another request", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double] });
    const first = await api.post(body, keyed);
    expect([first.status, first.headers.get("idempotency-replayed")]).toEqual([201, null]);
    const again = await api.post(body, keyed);
    expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([201, "true"]);
    expect([again.body, again.headers.get("location")]).toEqual([first.body, "/v1/batches/1"]);
    const other = await api.post({ ...body, items: [1] }, keyed);
    expect(other).toMatchObject({ status: 422, body: { type: "urn:reinstate:problem:idempotency-mismatch" } });
    expect((await api.post(body, { "idempotency-key": "another" })).body.id).toBe(2);
    expect((await api.call("/v1/batches")).body.batches).toHaveLength(2);
  });

  test("replays a large batch as pending after it completed", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double] });
    const large = { ...body, items: Array.from({ length: 300 }, (_, index) => index + 1) };
    const first = await api.post(large, keyed);
    expect(first).toMatchObject({ status: 202, body: { status: "pending" } });
    await api.host.batches.wait(1);
    expect(await api.post(large, keyed)).toMatchObject({ status: 202, body: first.body });
  });

  test("compares the query and every byte of a stream", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double] });
    const query = "operation=test.rows.double";
    async function* parts() {
      yield Buffer.from("1\n");
      yield Buffer.from("2\n");
    }
    const first = await api.stream(query, "1\n2\n", keyed);
    const again = await api.stream(query, parts(), keyed);
    expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([201, "true"]);
    expect(again.body).toEqual(first.body);
    expect((await api.stream(query, "1\n2", keyed)).status).toBe(422);
    expect((await api.stream(`${query}&dry_run=true`, "1\n2\n", keyed)).status).toBe(422);
    expect((await api.post(body, keyed)).status).toBe(422);
    expect((await api.call("/v1/batches")).body.batches).toHaveLength(1);
  });

  test("accepts printable keys, separately for each API key", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double] });
    for (const key of ["", "x".repeat(256), "ä"]) {
      const refused = await api.post(body, { "idempotency-key": key });
      expect(refused).toMatchObject({ status: 400, body: { type: "urn:reinstate:problem:invalid-idempotency-key" } });
    }
    await api.post(body, keyed);
    const { secret } = await api.host.keys.create({ vendor: "admin" });
    const theirs = await api.post({ ...body, items: [3] }, { ...keyed, authorization: `Bearer ${secret}` });
    expect(theirs).toMatchObject({ status: 201, body: { id: 2 } });
  });

  test("accepts a corrected request under the same key", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double] });
    expect((await api.post({ ...body, items: ["x"] }, keyed)).status).toBe(422);
    expect((await api.post(body, keyed)).status).toBe(201);
  });

  test("reports a first request that is still running", async () => {
    await using database = await open();
    let letGo = () => {};
    const gate = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const wait = defineOperation({
      name: "test.rows.wait",
      label: "row/wait",
      item: z.int(),
      params: z.strictObject({}),
      key: (id) => id,
      chunkSize: 10,
      effects: "elsewhere",
      apply: async ({ items }) => {
        await gate;
        return items.map((key) => ({ key, outcome: "done" }));
      },
    });
    await using api = await createTestApi({ databaseUrl: database.url, operations: [wait] });
    const waiting = { operation: "test.rows.wait", items: [1] };
    const first = api.post(waiting, keyed);
    await until(async () => (await api.call("/v1/batches")).body.batches.length === 1);
    const second = await api.post(waiting, keyed);
    expect(second).toMatchObject({ status: 409, body: { type: "urn:reinstate:problem:idempotency-running" } });
    expect(Number(second.headers.get("retry-after"))).toBeGreaterThan(0);
    letGo();
    const { body } = await first;
    expect(await api.post(waiting, keyed)).toMatchObject({ status: 201, body });
  });

  test("creates one batch for fifty requests with one key", async () => {
    await using database = await open();
    await using api = await createTestApi({ databaseUrl: database.url, operations: [double] });
    for (const [round, send] of [
      () => api.post({ ...body, items: [1, 2, 3, 4, 5] }, keyed),
      () => api.stream("operation=test.rows.double", "1\n2\n", { "idempotency-key": "streamed" }),
    ].entries()) {
      const answers = await Promise.all(Array.from({ length: 50 }, send));
      const replayed = answers.filter(({ headers }) => headers.get("idempotency-replayed") === "true");
      const running = answers.filter(({ status }) => status === 409);
      expect(replayed.length + running.length).toBe(49);
      const ids = new Set(answers.filter(({ status }) => status < 300).map(({ body }) => body.id));
      expect(ids.size).toBe(1);
      expect((await api.call("/v1/batches")).body.batches).toHaveLength(round + 1);
    }
  });
});
