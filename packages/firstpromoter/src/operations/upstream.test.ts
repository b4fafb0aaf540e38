import type { Clock } from "@reinstate/batch-core";
import { createQuickTime, createTestHost, until } from "@reinstate/batch-core/testing";
import { ledgerDatabases, sqliteDatabase } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { start as startServer } from "../fixtures/server.ts";
import { createFirstPromoter, firstpromoter, type Upstream } from "../index.ts";

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

type Send = NonNullable<Upstream["fetch"]>;

/** Starts our own server in place of the vendor. `between` intercepts the calls of the client. */
async function theVendor(options = {}, given = {}, databaseUrl = "sqlite::memory:") {
  const server = await startServer(databaseUrl, { rateLimit: 0, ...options }, given);
  const sent: { path: string; ids: number[] }[] = [];
  const state: { between: (send: Send) => Send } = { between: (send) => send };
  const send: Send = async (input, init) => {
    const path = new URL(input).pathname.replace("/api/v2/company", "");
    if (init.method === "POST") sent.push({ path, ids: JSON.parse(String(init.body)).ids });
    return server.instance.routes.fetch(new Request(input, init));
  };
  const upstream: Upstream = {
    baseUrl: "https://api.example.com/api/v2/company",
    apiKey: "demo-firstpromoter-key",
    accountId: "acc_demo",
    fetch: (input, init) => state.between(send)(input, init),
  };
  const archived = async (ids: number[]) => {
    const page = await server.instance.store.list("acc_demo", {
      ids,
      archived: true,
      sorting: [],
      limit: 1000,
      offset: 0,
    });
    return page.map(({ id }) => id).sort((a, b) => a - b);
  };
  return { server, sent, state, upstream, archived, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function ours(databaseUrl: string, upstream: Upstream | Upstream[], given = {}) {
  const host = await createTestHost({ databaseUrl, ...createQuickTime(), ...given });
  const { closing } = await createFirstPromoter(host, { upstream });
  const submit = (items: number[], verb = "restore", more = {}) =>
    host.batches.submit({
      operation: `firstpromoter.promoters.${verb}`,
      target: "upstream",
      account: "acc_demo",
      items,
      ...more,
    });
  const run = async (...given: Parameters<typeof submit>) => host.batches.wait((await submit(...given)).id);
  const results = async (id: number) => {
    const all = new Map<unknown, string>();
    for await (const { item, outcome, code } of host.batches.everyItem(id)) {
      all.set(item, [outcome, code].filter(Boolean).join(" "));
    }
    return all;
  };
  async function dispose() {
    await closing();
    await host.close();
  }

  return { host, submit, run, results, [Symbol.asyncDispose]: dispose };
}

const isPost = (init: RequestInit) => init.method === "POST";

/** Loses the first response to a POST after the vendor has processed it. */
function losingTheFirst(): (send: Send) => Send {
  let lost = 0;
  return (send) => async (input, init) => {
    const answer = await send(input, init);
    if (isPost(init) && lost++ === 0) throw new Error("socket hang up");
    return answer;
  };
}

describe.each(ledgerDatabases)("upstream with a ledger on $name", ({ open }) => {
  test("reads outcomes back and skips promoters in the target state", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    await using us = await ours(database.url, vendor.upstream);
    const batch = await us.submit([...range(1, 240), 950, 2001, 5_000_000]);
    expect(batch.status).toBe("pending");
    expect(await us.host.batches.wait(batch.id)).toMatchObject({
      status: "completed",
      counts: { done: 240, skipped: 1, failed: 2, unknown: 0 },
    });
    const results = await us.results(batch.id);
    expect([1, 240, 950, 2001, 5_000_000].map((id) => results.get(id))).toEqual([
      ...["done", "done", "skipped not_archived", "failed not_found", "failed not_found"],
    ]);
    expect(new Set(vendor.sent.map(({ path }) => path))).toEqual(new Set(["/promoters/restore"]));
    // 243 distinct ids in chunks of 100, by id. Each id is sent once, unless it needs no change.
    expect(vendor.sent.map(({ ids }) => ids.length).sort()).toEqual([100, 100, 40]);
    expect(vendor.sent.flatMap(({ ids }) => ids).sort((a, b) => a - b)).toEqual(range(1, 240));
    expect(await vendor.archived(range(1, 240))).toEqual([]);
    const back = await us.run([1, 2], "archive");
    expect(back).toMatchObject({ status: "completed", counts: { done: 2 } });
    expect(await vendor.archived([1, 2, 3])).toEqual([1, 2]);
  });

  test("reads back after a lost response and sends nothing twice", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    vendor.state.between = losingTheFirst();
    await using us = await ours(database.url, vendor.upstream);
    const { id } = await us.submit(range(1, 20));
    expect(await us.host.batches.wait(id)).toMatchObject({ status: "completed", counts: { done: 20 } });
    expect(vendor.sent).toHaveLength(1);
    expect(await vendor.archived(range(1, 20))).toEqual([]);
  });

  test("reports earlier states as skipped after a lost response", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    vendor.state.between = losingTheFirst();
    await using us = await ours(database.url, vendor.upstream);
    const batch = await us.run([1, 2, 950, 951, 5_000_000]);
    expect([...(await us.results(batch.id))]).toEqual([
      [1, "done"],
      [2, "done"],
      [950, "skipped not_archived"],
      [951, "skipped not_archived"],
      [5_000_000, "failed not_found"],
    ]);
    expect(vendor.sent).toHaveLength(1);
  });

  test("reads outcomes back after a router timed out", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    let answered = 0;
    vendor.state.between = (send) => async (input, init) => {
      const answer = await send(input, init);
      return isPost(init) && answered++ === 0 ? new Response("", { status: 503 }) : answer;
    };
    await using us = await ours(database.url, vendor.upstream);
    const batch = await us.run([1, 2, 950]);
    expect(batch.counts).toEqual({ done: 2, skipped: 1, failed: 0, unknown: 0 });
    expect(vendor.sent).toHaveLength(1);
  });

  test("skips promoters that another client changed after a rejected call", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    let calls = 0;
    vendor.state.between = (send) => async (input, init) =>
      isPost(init) && calls++ === 0 ? new Response("", { status: 429 }) : send(input, init);
    await using host = await createTestHost({ databaseUrl: database.url, role: "web" });
    const { operations } = await createFirstPromoter(host, { upstream: vendor.upstream });
    const restore = operations.find(({ name, target }) => target === "upstream" && name.endsWith("restore"))!;
    const work = {
      batchId: 7,
      generation: 0,
      seq: 0,
      account: "",
      items: [1, 2],
      log: host.log,
      signal: new AbortController().signal,
    } as never;
    await expect(restore.apply(work)).rejects.toMatchObject({ kind: "rate_limited" });
    await vendor.server.act("restore", { ids: [1] });
    expect(await restore.reconcile!(work)).toEqual([
      { key: 1, outcome: "skipped", code: "not_archived" },
      { key: 2, outcome: "done" },
    ]);
  });

  test("ignores batches of other clients, readable or not", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    let lost = 0;
    const looks: string[] = [];
    const foreign = (id: number, selected_total: number, action_label: unknown) => ({
      id,
      status: "in_progress",
      total: 1,
      selected_total,
      processed_count: 0,
      failed_count: 1,
      action_label,
      meta: null,
      progress: 0.5,
      processing_errors: [{ id: 3 }],
    });
    vendor.state.between = (send) => async (input, init) => {
      if (isPost(init) && lost++ === 0) throw new Error("socket hang up");
      const look = /batch_processes\/(900\d)$/.exec(input)?.[1];
      if (look) {
        looks.push(look);
        return Response.json({ message: "Record not found", code: "not_found" }, { status: 404 });
      }
      if (!input.includes("batch_processes?")) return send(input, init);
      return Response.json([
        foreign(9001, 1, "payout/destroy"),
        foreign(9002, 2, null),
        foreign(9003, 3, "promoter/x"),
      ]);
    };
    await using us = await ours(database.url, vendor.upstream);
    expect((await us.run([11, 12])).counts).toEqual({ done: 2, skipped: 0, failed: 0, unknown: 0 });
    expect(looks).toEqual(["9002"]);
  });

  test("repeats a lost call after reading its effect", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    const failures = [new Error("socket hang up"), new Response("", { status: 502 })];
    vendor.state.between = (send) => async (input, init) => {
      const failure = isPost(init) ? failures.shift() : undefined;
      if (failure instanceof Response) return failure;
      if (failure) throw failure;
      return send(input, init);
    };
    await using us = await ours(database.url, vendor.upstream);
    const { id } = await us.submit(range(1, 20));
    expect(await us.host.batches.wait(id)).toMatchObject({ status: "completed", counts: { done: 20, failed: 0 } });
    expect(vendor.sent.map(({ ids }) => ids)).toEqual([range(1, 20)]);
  });

  test("survives failed reads, and waits for a busy vendor", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    let calls = 0;
    vendor.state.between = (send) => async (input, init) => {
      calls++;
      if (calls <= 6) throw new Error("socket hang up");
      if (calls === 8) return new Response("", { status: 429, headers: { "retry-after": "3" } });
      if (calls === 10) return new Response("", { status: 503 });
      return send(input, init);
    };
    await using us = await ours(database.url, vendor.upstream);
    const { id } = await us.submit([...range(1, 9), 950]);
    expect(await us.host.batches.wait(id)).toMatchObject({
      status: "completed",
      counts: { done: 9, skipped: 1, failed: 0, unknown: 0 },
    });
    expect(vendor.sent.map(({ ids }) => ids)).toEqual([range(1, 9)]);
  });

  test("reports its own changes as done after failed reads", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    let failures = 5;
    vendor.state.between = (send) => async (input, init) => {
      if (!isPost(init) && vendor.sent.length > 0 && failures-- > 0) return new Response("", { status: 503 });
      return send(input, init);
    };
    await using us = await ours(database.url, vendor.upstream);
    expect(await us.run(range(1, 9))).toMatchObject({ counts: { done: 9, skipped: 0, failed: 0, unknown: 0 } });
    expect(failures).toBeLessThan(0);
    expect(vendor.sent).toHaveLength(1);
  });

  test("applies the vendor's error to every item without a repeat", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    vendor.state.between = (send) => async (input, init) =>
      isPost(init) ? Response.json({ message: "No", code: "forbidden" }, { status: 403 }) : send(input, init);
    await using us = await ours(database.url, vendor.upstream);
    const batch = await us.run([1, 2, 950]);
    expect([...(await us.results(batch.id))]).toEqual([
      [1, "failed forbidden"],
      [2, "failed forbidden"],
      [950, "skipped not_archived"],
    ]);
    await using stranger = await open();
    await using locked = await ours(stranger.url, { ...vendor.upstream, apiKey: "unknown" });
    expect((await locked.run([1])).counts.failed).toBe(1);
    const elsewhere = await us.run([1], "restore", { account: "acc_other" });
    expect([...(await us.results(elsewhere.id))]).toEqual([[1, "failed wrong_account"]]);
  });

  test("reports unknown after a lost response and later errors", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    let lost = 0;
    vendor.state.between = (send) => async (input, init) => {
      if (lost > 0) return Response.json({ message: "No", code: "forbidden" }, { status: 403 });
      const answer = await send(input, init);
      if (isPost(init) && lost++ === 0) throw new Error("socket hang up");
      return answer;
    };
    await using us = await ours(database.url, vendor.upstream);
    const batch = await us.run([1, 950]);
    expect((await us.results(batch.id)).get(1)).toMatch(/^unknown/);
    expect(batch.counts.done).toBe(0);
  });

  test("fails items of a stopped batch, and retries them", async () => {
    await using database = await open();
    // The vendor runs no engine, so its batch can be stopped.
    await using vendor = await theVendor({}, { role: "web" });
    await using us = await ours(database.url, vendor.upstream);
    const { id } = await us.submit(range(1, 9));
    const theirs = await until(async () => (await vendor.server.host.batches.list({ limit: 1 }))[0]);
    await vendor.server.host.batches.stop(theirs.id);
    expect(await us.host.batches.wait(id)).toMatchObject({ status: "completed", counts: { failed: 9 } });
    const { items } = await us.host.batches.items(id, { limit: 1 });
    expect(items[0]).toMatchObject({ item: 1, code: "batch_stopped" });
    expect(items[0]?.message).toContain("Promoter 1 is still archived");
    await us.host.batches.retry(id);
    await until(() => vendor.sent.length === 2);
  });

  test("follows the vendor's batch after a crash, sends nothing twice", async () => {
    await using database = await open();
    await using theirs = sqliteDatabase();
    await using vendor = await theVendor({}, { role: "web" }, theirs.url);
    let release = () => {};
    const dead = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using first = await ours(
      database.url,
      // This process receives no further response.
      { ...vendor.upstream, fetch: async (input, init) => mute(await vendor.upstream.fetch!(input, init), init) },
      { concurrency: 1 },
    );
    async function mute(answer: Response, init: RequestInit) {
      if (isPost(init)) await dead;
      return answer;
    }
    const { id } = await first.submit(range(1, 9));
    await until(() => vendor.sent.length === 1);

    let looks = 0;
    await using second = await ours(database.url, {
      ...vendor.upstream,
      fetch(input, init) {
        looks++;
        return vendor.upstream.fetch!(input, init);
      },
    });
    const chunks = first.host.database.tables<{ reinstate_chunks: { lease_until: number; worker: string } }>();
    const { worker } = await chunks.selectFrom("reinstate_chunks").select("worker").executeTakeFirstOrThrow();
    await until(async () => {
      // Simulates an expired lease, which this process cannot renew.
      await chunks.updateTable("reinstate_chunks").set({ lease_until: 0 }).where("worker", "=", worker).execute();
      return looks > 2;
    });
    expect(await second.host.batches.get(id)).toMatchObject({ status: "in_progress", counts: { done: 0 } });
    await using works = await createTestHost({ databaseUrl: theirs.url });
    await (await createFirstPromoter(works)).closing();
    expect(await second.host.batches.wait(id)).toMatchObject({ status: "completed", counts: { done: 9, unknown: 0 } });
    expect(vendor.sent).toHaveLength(1);
    // The result of the first process no longer counts.
    release();
    await until(async () => (await second.host.batches.get(id)).counts.done === 9);
  });

  test("a dry run reads and sends nothing", async () => {
    await using database = await open();
    await using vendor = await theVendor();
    await using us = await ours(database.url, vendor.upstream);
    const batch = await us.run([1, 950, 5_000_000], "restore", { dryRun: true });
    expect([...(await us.results(batch.id))]).toEqual([
      [1, "done"],
      [950, "skipped not_archived"],
      [5_000_000, "failed not_found"],
    ]);
    expect(vendor.sent).toEqual([]);
  });
});

test("shares one rate limit between both verbs", async () => {
  // Time passes only while the code waits.
  let now = 0;
  const clock: Clock = {
    now: () => now,
    async sleep(ms) {
      now += ms;
    },
  };
  await using host = await createTestHost({ clock, role: "web" });
  const times: number[] = [];
  const { operations } = await createFirstPromoter(host, {
    upstream: {
      baseUrl: "https://api.example.com",
      apiKey: "k",
      accountId: "a",
      async fetch() {
        times.push(now);
        return Response.json({ data: [] });
      },
    },
  });
  const upstream = operations.filter(({ target }) => target === "upstream");
  expect(new Set(upstream.map(({ limits: pace }) => pace?.name)).size).toBe(1);
  expect(upstream[0]?.limits?.name).toBeDefined();
  const work = { account: "", items: [1], signal: new AbortController().signal } as never;
  for (let look = 0; look < 400; look++) await upstream[look % 2]!.preview!(work);
  expect(times).toHaveLength(800);
  for (let from = 0; from + 380 < times.length; from++) {
    expect(times[from + 380]! - times[from]!).toBeGreaterThanOrEqual(60_000);
  }
});

test("uses one upstream for each account", async () => {
  await using vendor = await theVendor();
  const other = { ...vendor.upstream, apiKey: "demo-firstpromoter-other-key", accountId: "acc_other" };
  await using us = await ours("sqlite::memory:", [vendor.upstream, other]);
  const restore = async (account: string) => {
    const { id } = await us.run([1, 2001], "restore", { account });
    return [...(await us.results(id)).values()];
  };
  expect(await restore("acc_demo")).toEqual(["done", "failed not_found"]);
  expect(await restore("acc_other")).toEqual(["failed not_found", "done"]);
  expect(await restore("acc_third")).toEqual(["failed wrong_account", "failed wrong_account"]);
  await expect(restore("")).rejects.toThrow("account: is required");
  const twice = createFirstPromoter(us.host, { upstream: [other, other] });
  await expect(twice).rejects.toThrow("vendor firstpromoter: upstream: account acc_other is listed twice");
});

test("rejects a URL or key that could leak into logs", () => {
  const given = { upstreamUrl: "https://api.example.com", upstreamKey: "k", upstreamAccount: "a" };
  for (const [name, value] of [
    ["upstreamUrl", "https://user:secret@api.example.com"],
    ["upstreamKey", "secret\nkey"],
    ["upstreamAccount", "secret key"],
    ["upstreamKeys", '{"a":"secret\\nkey"}'],
    ["upstreamKeys", "secret"],
    ["upstreamKeys", '["secret"]'],
    ["upstreamKeys", "{}"],
    ["webhookUrl", "https://user:secret@example.com"],
  ] as const) {
    const { error } = firstpromoter.settings.safeParse({ ...given, [name]: value });
    expect(error?.issues[0]?.path[0]).toBe(name);
    expect(error?.message).not.toContain("secret");
  }
});

test("requires the settings of the upstream together", async () => {
  const given = { upstreamUrl: "https://api.example.com", upstreamKey: "k", upstreamAccount: "a" };
  const { upstreamKey: _, ...part } = given;
  expect(firstpromoter.settings.safeParse(part).error?.issues[0]).toMatchObject({ path: ["upstreamKey"] });
  const several = { upstreamUrl: given.upstreamUrl, upstreamKeys: '{"a":"k","b":"l"}' };
  const { error } = firstpromoter.settings.safeParse({ ...several, upstreamKey: "k" });
  expect(error?.issues[0]).toMatchObject({ path: ["upstreamKey"], message: "must not be given with upstreamKeys" });
  expect(firstpromoter.settings.parse(several).upstreamKeys).toEqual({ a: "k", b: "l" });
  await using host = await createTestHost();
  const common = { timeZone: "UTC" };
  const { operations } = await firstpromoter.create(host, firstpromoter.settings.parse(given), common);
  expect(operations.filter(({ target }) => target === "upstream").map(({ name }) => name)).toEqual([
    "firstpromoter.promoters.restore",
    "firstpromoter.promoters.archive",
  ]);
});
