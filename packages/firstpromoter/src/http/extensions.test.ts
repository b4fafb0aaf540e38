import { type Clock, systemClock } from "@reinstate/batch-core";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { start } from "../fixtures/server.ts";
import { batchItems, batchProcess } from "../schemas.ts";

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** A clock that moves only when a test sets it. */
function stoppedClock(): Clock & { time: number } {
  return {
    time: Date.UTC(2026, 0, 1),
    now() {
      return this.time;
    },
    sleep: systemClock.sleep,
  };
}

describe.each(ledgerDatabases)("extensions on $name", ({ open }) => {
  test("limits requests a minute and account, with Retry-After", async () => {
    await using database = await open();
    const clock = stoppedClock();
    await using server = await start(database.url, { rateLimit: 3 }, { clock });
    const ask = () => server.call("GET", "/batch_processes/1");
    const statuses = async (calls: number) => {
      const seen = [];
      for (let call = 0; call < calls; call++) seen.push((await ask()).status);
      return seen;
    };
    expect(await statuses(2)).toEqual([404, 404]);
    clock.time += 20_500;
    expect(await statuses(2)).toEqual([404, 429]);
    const refused = await ask();
    expect(refused.body).toEqual({ message: "Too many requests", code: "too_many_requests" });
    expect(refused.headers.get("retry-after")).toBe("40");
    expect((await server.call("GET", "/batch_processes", undefined, server.other)).status).toBe(200);
    expect((await server.call("GET", "/batch_processes/1", undefined, { authorization: null })).status).toBe(401);
    clock.time += 39_500;
    expect(await statuses(3)).toEqual([404, 404, 429]);
  });

  test("returns the caller's request id if it is valid", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const id = async (given: string | null, more = {}) =>
      (await server.call("GET", "/promoters/1", undefined, { "x-request-id": given, ...more })).headers.get(
        "x-request-id",
      );
    expect(await id("abc-123.X:y")).toBe("abc-123.X:y");
    expect(await id("refused", { authorization: null })).toBe("refused");
    expect(await id("foreign", { "account-id": "acc_unknown" })).toBe("foreign");
    for (const given of [null, "a b", "x".repeat(129), "<script>"]) expect(await id(given)).toMatch(/^[\da-f-]{36}$/);
  });

  test("creates one batch for an Idempotency-Key, body and account", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const act = (body: unknown, headers = {}, path = "/promoters/restore") =>
      server.call("POST", path, body, { "idempotency-key": "order 7", ...headers });
    const first = await act({ ids: [1, 2, 5_000_000] });
    expect(first.headers.get("idempotency-replayed")).toBeNull();
    await server.call("POST", "/promoters/archive", { ids: [1] });
    const again = await act({ ids: [1, 2, 5_000_000] });
    expect(again).toMatchObject({ status: 200, body: first.body });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(again.headers.get("x-reinstate-batch")).toBe(String(first.body.id));
    expect((await server.call("GET", "/promoters/1")).body.archived_at).not.toBeNull();
    for (const other of [
      await act({ ids: [1, 2] }),
      await act({ ids: [1, 2, 5_000_000], dry_run: true }),
      await act({ ids: [1, 2, 5_000_000] }, {}, "/promoters/archive"),
    ]) {
      expect(other).toMatchObject({ status: 422, body: { code: "idempotency_mismatch" } });
    }
    const theirs = await act({ ids: [2001] }, server.other);
    expect(theirs.headers.get("idempotency-replayed")).toBeNull();

    const many = { ids: range(1, 20) };
    const headers = { "idempotency-key": "many" };
    const answers = await Promise.all(range(1, 8).map(() => act(many, headers)));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.filter((answer) => answer.headers.get("idempotency-replayed") === null)).toHaveLength(1);
    await server.host.batches.wait(answers[0]?.body.id);
    expect(await act(many, headers)).toMatchObject({ status: 202, body: answers[0]?.body });
    expect((await act({ ids: [1] }, { "idempotency-key": "x".repeat(256) })).status).toBe(422);
  });

  test("returns the first response to a repeated key", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const key = { "idempotency-key": "k" };
    const act = () => server.call("POST", "/promoters/restore", { ids: [5_000_000, 1] }, key);
    const first = await act();
    expect(first.body.processing_errors).toEqual(["Promoter 5000000 not found"]);
    await server.instance.store.create("acc_demo", [{ id: 5_000_000, email: "late@example.com", archived_at: 1 }], 1);
    await server.call("POST", `/batch_processes/${first.body.id}/retry`);
    expect((await server.host.batches.wait(first.body.id)).counts).toMatchObject({ done: 2, failed: 0 });
    const again = await act();
    expect({ status: again.status, text: again.text }).toEqual({ status: first.status, text: first.text });
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(again.headers.get("x-reinstate-batch")).toBe(String(first.body.id));
  });

  test("lists outcomes by page and filter for their account", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const { id } = await server.act("restore", { ids: [1, 2, 950, 5_000_000, "x", 3] });
    const items = async (query = "") => {
      const { status, body } = await server.call("GET", `/batch_processes/${id}/items${query}`);
      expect({ status, error: batchItems.strict().safeParse(body).error }).toEqual({ status: 200, error: undefined });
      return body;
    };
    const result = (id: unknown, outcome: string, code: string | null = null, message: string | null = null) => ({
      id,
      outcome,
      code,
      message,
    });
    const all = [
      result(1, "done"),
      result(2, "done"),
      result(3, "done"),
      result(950, "skipped", "not_archived"),
      result(5_000_000, "failed", "not_found", "Promoter 5000000 not found"),
      result("x", "failed", "invalid_id", '"x" is not a promoter id'),
    ];
    expect(await items()).toEqual({ data: all, meta: { next_cursor: null } });
    expect((await items("?filters[outcome]=failed")).data).toEqual(all.slice(4));
    const page = await items("?per_page=4");
    expect(page.data).toEqual(all.slice(0, 4));
    expect(await items(`?per_page=4&cursor=${page.meta.next_cursor}`)).toEqual({
      data: all.slice(4),
      meta: { next_cursor: null },
    });
    for (const query of ["?filters[outcome]=melted", "?cursor=melted"]) {
      const refused = await server.call("GET", `/batch_processes/${id}/items${query}`);
      expect(refused).toMatchObject({ status: 422, body: { code: "invalid_params" } });
    }
    expect((await server.call("GET", `/batch_processes/${id}/items`, undefined, server.other)).status).toBe(404);
  });

  test("reports the same in a dry run and changes nothing", async () => {
    await using database = await open();
    await using server = await start(database.url);
    for (const ids of [
      [1, 950, 5_000_000],
      [...range(1, 10), 950, 5_000_000],
    ]) {
      for (const path of ["/promoters/restore?dry_run=true", "/promoters/restore/dry_run"]) {
        const dry = await server.call("POST", path, { ids });
        await server.host.batches.wait(dry.body.id);
        const told = (await server.call("GET", `/batch_processes/${dry.body.id}`)).body;
        expect(told).toMatchObject({ meta: { dry_run: true }, processed_count: ids.length - 1, failed_count: 1 });
        expect((await server.call("GET", "/promoters/1")).body.archived_at).not.toBeNull();
      }
    }
    const wet = await server.act("restore", { ids: [1] });
    expect(wet.meta).toEqual({});
  });

  test("stops, resumes and retries, or answers 409 wrong_state", async () => {
    await using database = await open();
    // No engine runs here, so batches stay in their state.
    await using server = await start(database.url, {}, { role: "web" });
    const { id } = (await server.call("POST", "/promoters/restore", { ids: range(1, 9) })).body;
    const move = (verb: string, given = {}) => server.call("POST", `/batch_processes/${id}/${verb}`, undefined, given);
    const stopped = await move("stop");
    expect(stopped).toMatchObject({ status: 200, body: { id, status: "stopped", processed_count: 0 } });
    expect(batchProcess.strict().safeParse(stopped.body).error).toBeUndefined();
    expect(await move("stop")).toMatchObject({ status: 409, body: { code: "wrong_state" } });
    expect((await move("retry")).status).toBe(409);
    expect((await move("resume", server.other)).status).toBe(404);
    expect(await move("resume")).toMatchObject({ status: 200, body: { status: "in_progress" } });
    const failed = (await server.call("POST", "/promoters/restore", { ids: [5_000_000, 1] })).body;
    await server.instance.store.create("acc_demo", [{ id: 5_000_000, email: "late@example.com", archived_at: 1 }], 1);
    const retried = await server.call("POST", `/batch_processes/${failed.id}/retry`);
    expect(retried).toMatchObject({ status: 200, body: { status: "in_progress", failed_count: 0 } });
  });

  test("undoes an archive batch except for later changes", async () => {
    await using database = await open();
    await using server = await start(database.url);
    const state = async (id: number) => {
      const { archived_at, promoter_campaigns } = (await server.call("GET", `/promoters/${id}`)).body;
      return [archived_at !== null, promoter_campaigns[0].state];
    };
    const before = await Promise.all(range(901, 912).map(state));
    await server.act("archive", { ids: [903] });
    const batch = await server.act("archive", { ids: [1, 2, ...range(901, 912), 5_000_000] });
    await server.act("restore", { ids: [904, 905] });
    await server.act("archive", { ids: [905] });
    const undo = (id: number, given = {}, query = "") =>
      server.call("POST", `/batch_processes/${id}/undo${query}`, undefined, given);
    expect((await undo(batch.id, server.other)).status).toBe(404);
    const dry = await undo(batch.id, {}, "?dry_run=true");
    expect(dry).toMatchObject({ status: 202, body: { meta: { dry_run: true, undone_batch_id: batch.id } } });
    await server.host.batches.wait(dry.body.id);

    const undone = await undo(batch.id, { "idempotency-key": "undo" });
    expect(undone).toMatchObject({
      status: 202,
      body: { total: 11, action_label: "promoter/undo_archive", meta: { undone_batch_id: batch.id } },
    });
    expect((await undo(batch.id, { "idempotency-key": "undo" })).body).toEqual(undone.body);
    expect(await server.host.batches.wait(undone.body.id)).toMatchObject({
      params: { batch_id: batch.id },
      counts: { done: 9, skipped: 2, failed: 0, unknown: 0 },
    });
    const { body } = await server.call("GET", `/batch_processes/${undone.body.id}/items?filters[outcome]=skipped`);
    expect(body.data.map(({ id, code }: { id: number; code: string }) => [id, code])).toEqual([
      [904, "changed_since"],
      [905, "changed_since"],
    ]);
    const after = await Promise.all(range(901, 912).map(state));
    const stay = (id: number) => id === 903 || id === 905;
    expect(after).toEqual(range(901, 912).map((id, index) => (stay(id) ? [true, "blocked"] : before[index])));
    expect((await state(1))[0]).toBe(true);

    const nothing = await server.act("archive", { ids: [1] });
    const dryArchive = (await server.call("POST", "/promoters/archive?dry_run=yes", { ids: [950] })).body;
    for (const id of [undone.body.id, nothing.id, dryArchive.id]) {
      expect(await undo(id)).toMatchObject({ status: 409, body: { code: "wrong_state" } });
    }
  });
});

describe.each(ledgerDatabases)("a large batch on $name", ({ open }) => {
  test("is undone in a stream over many chunks", async () => {
    await using database = await open();
    await using server = await start(database.url);
    await server.instance.store.create(
      "acc_demo",
      range(10_001, 13_000).map((id) => ({ id, email: `p${id}@example.com` })),
      1,
    );
    await server.call("POST", "/promoters/archive", { ids: [10_001] });
    const { id } = await server.act("archive", { ids: [...range(10_001, 13_000), 5_000_000] });
    expect((await server.call("POST", `/batch_processes/${id}/undo`, "{")).status).toBe(400);
    const undone = await server.call("POST", `/batch_processes/${id}/undo`);
    expect(undone).toMatchObject({ status: 202, body: { total: 2_999, meta: { undone_batch_id: id } } });
    expect((await server.host.batches.wait(undone.body.id)).counts).toMatchObject({ done: 2_999, failed: 0 });
    expect((await server.call("GET", "/promoters?filters[archived]=true&q=p1&per_page=100")).body.data).toMatchObject([
      { id: 10_001 },
    ]);
  });

  test("is not undone if the vendor itself ran it", async () => {
    await using database = await open();
    await using server = await start(database.url, {
      upstream: {
        baseUrl: "https://api.example.com",
        apiKey: "k",
        accountId: "acc_demo",
        fetch: async () => Response.json({ data: [] }),
      },
    });
    const { id } = await server.host.batches.submit({
      operation: "firstpromoter.promoters.archive",
      target: "upstream",
      account: "acc_demo",
      items: [950],
    });
    await server.host.batches.wait(id);
    expect(await server.call("POST", `/batch_processes/${id}/undo`)).toMatchObject({
      status: 409,
      body: { code: "wrong_state", message: expect.stringContaining("FirstPromoter itself ran batch") },
    });
  });
});
