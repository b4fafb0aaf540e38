import { type Host, isFinished, systemClock } from "@reinstate/batch-core";
import { createTestClock, createTestHost, until } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { demo, start } from "../fixtures/server.ts";
import { createAltcraft } from "../index.ts";
import { type AltcraftOptions, altcraftOptions } from "../options.ts";
import { customChannelName, type SubscriptionIdentity } from "../schemas/identity.ts";
import type { Status } from "../schemas/requests.ts";
import { makeSubscription } from "../testing.ts";

const { token, place } = demo;
const baseUrl = "http://localhost/api/v1.1";
const undelete = { operation: "altcraft.subscriptions.undelete", target: "upstream" } as const;
const person = (n: number) => ({ ...place, channel: "email", email: `p${n}@example.com` }) as const;
const people = (count: number) => Array.from({ length: count }, (_, n) => person(n));

/** The real Altcraft, played by our own server, and what goes wrong on the way to it. */
async function vendor(count: number) {
  const server = await start();
  await server.server.store.addSubscriptions(people(count).map((one) => makeSubscription(one, { is_delete: true })));
  const sent: string[] = [];
  const paths: string[] = [];
  const carriedOut = new Set<string>();
  let fault: (requestId: string) => "lost" | "hangs" | Response | undefined = () => undefined;
  let atOnce = 0;
  let mostAtOnce = 0;
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const lost = () => Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNRESET" } });
  async function fetch(url: string, init: RequestInit): Promise<Response> {
    const request = new Request(url, init);
    const requestId = request.headers.get("request-id") ?? "";
    sent.push(requestId);
    paths.push(new URL(url).pathname);
    mostAtOnce = Math.max(mostAtOnce, ++atOnce);
    try {
      const wrong = fault(requestId);
      if (wrong instanceof Response) return wrong;
      const reply = await server.server.routes.fetch(request);
      if (!reply.headers.has("duplicate-request")) carriedOut.add(reply.headers.get("x-reinstate-batch") ?? "");
      if (wrong === "hangs") await released;
      if (wrong !== undefined) throw lost();
      return reply;
    } finally {
      atOnce--;
    }
  }
  return {
    ...{ server, sent, paths, carriedOut, fetch, release },
    mostAtOnce: () => mostAtOnce,
    goWrong: (how: typeof fault) => {
      fault = how;
    },
    live: async () => (await server.server.store.listProfile(place, { deleted: false })).length,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

type RealVendor = Awaited<ReturnType<typeof vendor>>;

const reaching = (host: Host, { fetch }: Pick<RealVendor, "fetch">, options: AltcraftOptions = {}) =>
  createAltcraft(host, {
    upstreamPerSecond: 10_000,
    ...options,
    upstream: { baseUrl, token, fetch, retry: { attempts: 2, sleep: async () => {} } },
  });

describe.each(ledgerDatabases)("the target upstream, with its ledger on $name", ({ open }) => {
  test("makes one call per item, with limited concurrency", async () => {
    await using database = await open();
    await using real = await vendor(120);
    await using host = await createTestHost({ databaseUrl: database.url });
    const { store } = await reaching(host, real, { upstreamConcurrency: 3 });
    const batch = await host.batches.submit({ ...undelete, items: [...people(120), person(999)] });
    expect(await host.batches.wait(batch.id)).toMatchObject({
      status: "completed",
      target: "upstream",
      counts: { done: 120, failed: 1, skipped: 0, unknown: 0 },
    });
    expect((await host.batches.items(batch.id, { outcome: "failed" })).items).toEqual([
      {
        item: person(999),
        outcome: "failed",
        code: "404",
        message: "subscriptions/undelete: Subscription not found (404)",
        generation: 0,
      },
    ]);
    expect(await real.live()).toBe(120);
    expect(new Set(real.sent).size).toBe(121);
    expect(real.mostAtOnce()).toBeLessThanOrEqual(3);
    // Our own records are others.
    expect(await store.hasDatabase(1)).toBe(false);
    const again = await host.batches.submit({
      ...undelete,
      operation: "altcraft.subscriptions.delete",
      items: people(1),
    });
    expect((await host.batches.wait(again.id)).counts).toMatchObject({ done: 1 });
    expect(await real.live()).toBe(119);
  });

  test("repeats lost replies with the same Request-ID", async () => {
    await using database = await open();
    await using real = await vendor(60);
    const asked = new Map<string, number>();
    // The first three replies of three items are lost. Ten in a row would open the circuit for 30 s.
    real.goWrong((id) => {
      const times = (asked.get(id) ?? 0) + 1;
      asked.set(id, times);
      return times <= 3 && [...asked.keys()].indexOf(id) < 3 ? "lost" : undefined;
    });
    await using host = await createTestHost({ databaseUrl: database.url, random: () => 0 });
    await reaching(host, real);
    const batch = await host.batches.submit({ ...undelete, items: people(60) });
    expect((await host.batches.wait(batch.id)).counts).toMatchObject({ done: 60 });
    expect(asked.size).toBe(60);
    expect(real.sent.length).toBe(69);
    expect(real.carriedOut.size).toBe(60);
    expect(await real.live()).toBe(60);
  });

  test("sends the same Request-IDs after a crash", async () => {
    await using database = await open();
    await using real = await vendor(30);
    real.goWrong(() => (real.sent.length > 12 ? "hangs" : undefined));
    const then = Date.now() - 60_000;
    // A process that does not get on, and whose leases end in the past.
    const dead = await createTestHost({ databaseUrl: database.url, clock: { ...systemClock, now: () => then } });
    await reaching(dead, real);
    const batch = await dead.batches.submit({ ...undelete, items: people(30) });
    await until(() => real.carriedOut.size >= 16);
    const before = new Set(real.sent);
    real.goWrong(() => undefined);
    await using host = await createTestHost({ databaseUrl: database.url });
    await reaching(host, real);
    const finished = await host.batches.wait(batch.id);
    expect(finished.counts).toEqual({ done: 30, skipped: 0, failed: 0, unknown: 0 });
    expect(before.size).toBe(16);
    expect(new Set(real.sent).size).toBe(30);
    expect(real.carriedOut.size).toBe(30);
    real.release();
    await dead.close();
    expect(await host.batches.get(batch.id)).toEqual(finished);
  });

  test("waits for an unavailable vendor without using attempts", async () => {
    await using database = await open();
    await using real = await vendor(4);
    let down = 3;
    real.goWrong(() => (down-- > 0 ? new Response("", { status: 503, headers: { "retry-after": "0" } }) : undefined));
    const clock = createTestClock();
    await using host = await createTestHost({ databaseUrl: database.url, random: () => 0, clock });
    await reaching(host, real);
    const batch = await host.batches.submit({ ...undelete, items: people(2) });
    const ends = async (id: number) =>
      until(async () => {
        clock.advance(1000);
        return isFinished((await host.batches.get(id)).status);
      });
    await ends(batch.id);
    expect((await host.batches.get(batch.id)).counts).toMatchObject({ done: 2 });
    real.goWrong(() => new Response("", { status: 503 }));
    const waiting = await host.batches.submit({ ...undelete, items: [person(2), person(3)] });
    const before = real.sent.length;
    await until(async () => {
      clock.advance(1000);
      return (await host.batches.get(waiting.id)).waitingFor === "vendor";
    });
    const end = clock.now() + 600_000;
    await until(async () => {
      clock.advance(10_000);
      return clock.now() > end;
    });
    expect((await host.batches.get(waiting.id)).status).toBe("in_progress");
    // Ten failures, then a probe in half a minute.
    expect(real.sent.length - before).toBeLessThan(40);
    real.goWrong(() => undefined);
    await ends(waiting.id);
    expect((await host.batches.get(waiting.id)).counts).toMatchObject({ done: 2, failed: 0 });
  });

  test("retries under new ids", async () => {
    await using database = await open();
    await using real = await vendor(2);
    real.goWrong(() => Response.json({ error: 400, error_text: "No" }, { status: 400 }));
    await using host = await createTestHost({ databaseUrl: database.url });
    await reaching(host, real);
    const lost = await host.batches.submit({ ...undelete, items: people(2) });
    expect((await host.batches.wait(lost.id)).counts).toMatchObject({ done: 0, failed: 2 });
    real.goWrong(() => undefined);
    const earlier = new Set(real.sent);
    await host.batches.retry(lost.id);
    expect((await host.batches.wait(lost.id)).counts).toMatchObject({ done: 2, failed: 0 });
    for (const id of real.sent.slice(-2)) expect(earlier.has(id)).toBe(false);
  });
});

describe.each(ledgerDatabases)("upstream rejections with the ledger on $name", ({ name, open }) => {
  const refusals: [string, () => Response][] = [
    ["401", () => Response.json({ error: 401, error_text: "API token required" }, { status: 401 })],
    ["402 with HTTP 200", () => Response.json({ error: 402, error_text: "Tariff limit reached" })],
    ["403 for every item", () => Response.json({ error: 403, error_text: "No rights" }, { status: 403 })],
    ["a page of a proxy with 401", () => new Response("<html>", { status: 401 })],
  ];

  // The core implements the wait for every ledger, so one database runs all cases.
  test.each(name === "SQLite" ? refusals : refusals.slice(0, 1))(
    "%s: the batch waits, its items unsent, and goes on later",
    async (_, refusal) => {
      await using database = await open();
      await using real = await vendor(60);
      real.goWrong(() => refusal());
      let shift = 0;
      const clock = { ...systemClock, now: () => Date.now() + shift };
      await using host = await createTestHost({ databaseUrl: database.url, clock });
      await reaching(host, real, { upstreamConcurrency: 3 });
      const batch = await host.batches.submit({ ...undelete, items: people(60) });
      const waiting = await until(async () => {
        const now = await host.batches.get(batch.id);
        return (now?.nextAllowedAt ?? 0) > clock.now() + 14 * 60_000 && now;
      });
      expect(waiting.counts).toEqual({ done: 0, skipped: 0, failed: 0, unknown: 0 });
      // A chunk at most, and of what hits the token or the tariff no more than was on its way.
      expect(real.sent.length).toBeLessThanOrEqual(50);
      real.goWrong(() => undefined);
      shift = 15 * 60_000;
      expect((await host.batches.wait(batch.id)).counts).toMatchObject({ done: 60 });
      expect(real.carriedOut.size).toBe(60);
    },
  );

  test("fails only the items that get 403", async () => {
    await using database = await open();
    await using real = await vendor(4);
    let first: string | undefined;
    real.goWrong((id) => {
      first ??= id;
      return id === first ? Response.json({ error: 403, error_text: "No rights" }, { status: 403 }) : undefined;
    });
    await using host = await createTestHost({ databaseUrl: database.url });
    await reaching(host, real);
    const batch = await host.batches.submit({ ...undelete, items: people(4) });
    expect((await host.batches.wait(batch.id)).counts).toMatchObject({ done: 3, failed: 1 });
  });

  test("never restores what was erased here", async () => {
    await using database = await open();
    await using real = await vendor(3);
    await using host = await createTestHost({ databaseUrl: database.url });
    const { load, routes } = await reaching(host, real, { extensions: "on" });
    await load([{ ...person(0), is_delete: true }]);
    const options = { methods: ["subscriptions/erase"] };
    await host.keys.create({ vendor: "altcraft", secret: "ours", options });
    const body = JSON.stringify({ token: "ours", ...person(0), reason: "art. 17" });
    await routes.fetch(new Request(`${baseUrl}/subscriptions/erase`, { method: "POST", body }));
    const override = { override_consent: true, reason: "they insist" };
    for (const [more, items] of [
      [{}, [person(0), person(1)]],
      [{ params: override }, [person(0), person(2)]],
      [{ params: { ...override, consent_guard: true } }, [person(0)]],
      [{ dryRun: true }, [person(0)]],
    ] as const) {
      const batch = await host.batches.submit({ ...undelete, items: [...items], ...more });
      await host.batches.wait(batch.id);
      expect((await host.batches.items(batch.id)).items[0]).toMatchObject({ outcome: "failed", code: "erased" });
    }
    expect(real.paths).toHaveLength(2);
    expect(await real.live()).toBe(2);
    // To delete it there too is in its sense.
    const away = { ...undelete, operation: "altcraft.subscriptions.delete", items: [person(0)] };
    expect((await host.batches.wait((await host.batches.submit(away)).id)).counts).toMatchObject({ done: 1 });
  });
});

test("derives different Request-IDs in two installations", async () => {
  await using real = await vendor(1);
  for (let n = 0; n < 2; n++) {
    await using host = await createTestHost();
    await reaching(host, real);
    await host.batches.submit({ ...undelete, items: people(1) });
  }
  expect(new Set(real.sent).size).toBe(2);
});

/** Subscriptions of many channels with an outcome each, in two profiles of the real vendor. */
async function crowd(real: RealVendor) {
  const { load, store } = real.server.server;
  const other = { ...place, profile_id: "q" };
  const gone = [
    { ...person(0), status: "unconfirmed" },
    { ...other, channel: "sms", phone: "+7 901" },
    { ...other, channel: "push", provider: "google", subscription_id: "t" },
    { ...other, channel: "telegram_bot", cc_data: { id: 7 } },
    { ...other, channel: "viber", cc_data: { phone: "+7901" } },
    { ...other, channel: customChannelName.parse("max_bot"), cc_data: { user: 7 } },
  ] as const;
  const refused = (["unsubscribed", "complained", "hardbounced"] as const).map((status, n) => ({
    ...person(n + 1),
    status,
  }));
  await load([...gone, ...refused].map((one) => ({ ...one, is_delete: true })));
  await load([person(5)]);
  const all = [
    ...gone,
    ...refused,
    person(5),
    person(6),
    { ...other, channel: "email", email: "p0@example.com" } as const,
  ];
  const items = all.map(({ status: _, ...identity }: SubscriptionIdentity & { status?: Status }) => identity);
  const states = async () =>
    (await Promise.all([place, other].map((profile) => store.listProfile(profile, { deleted: true })))).flat();
  return { items, states };
}

const unknownProfile = { ...person(0), profile_id: "unknown" };
const results = async (host: Host, id: number) =>
  (await host.batches.items(id)).items.map((one) => one.code ?? one.outcome);
const times = <Value>(count: number, value: Value) => Array.from({ length: count }, () => value);

describe.each(ledgerDatabases)("dry run and consent guard with the ledger on $name", ({ open }) => {
  test("predicts each outcome in a dry run and changes nothing", async () => {
    await using database = await open();
    await using real = await vendor(0);
    await using host = await createTestHost({ databaseUrl: database.url });
    await reaching(host, real);
    const { items, states } = await crowd(real);
    const before = await states();
    const all = [...items, unknownProfile];
    const dry = await host.batches.submit({ ...undelete, items: all, dryRun: true });
    expect((await host.batches.wait(dry.id)).counts).toEqual({ done: 9, skipped: 1, failed: 3, unknown: 0 });
    const told = [...times(9, "done"), "not_deleted", "not_found", "not_found", "404"];
    expect(await results(host, dry.id)).toEqual(told);
    // One look at each profile.
    expect(real.paths).toEqual(times(3, "/api/v1.1/profiles/get"));
    expect(await states()).toEqual(before);
    // As it was told, so it comes.
    const carriedOut = await host.batches.submit({ ...undelete, items: all });
    expect((await host.batches.wait(carriedOut.id)).counts).toEqual({ done: 10, skipped: 0, failed: 3, unknown: 0 });
    const operation = "altcraft.subscriptions.delete";
    const dryDelete = await host.batches.submit({
      ...undelete,
      operation,
      items: [person(0), person(9)],
      dryRun: true,
    });
    await host.batches.wait(dryDelete.id);
    expect(await results(host, dryDelete.id)).toEqual(["done", "not_found"]);
  });

  test("sends nothing without consent and stores the reason", async () => {
    await using database = await open();
    await using real = await vendor(0);
    await using host = await createTestHost({ databaseUrl: database.url });
    const { routes, load } = await reaching(host, real, { extensions: "on" });
    const { items, states } = await crowd(real);
    const options = { methods: ["subscriptions/suppress", "subscriptions/erase"] };
    await host.keys.create({ vendor: "altcraft", secret: "ours", options });
    const suppress = { token: "ours", phone: "+7901" };
    await routes.fetch(
      new Request(`${baseUrl}/subscriptions/suppress`, { method: "POST", body: JSON.stringify(suppress) }),
    );
    // Forgotten here for good.
    await load([{ ...person(0), is_delete: true }]);
    const forget = { token: "ours", ...person(0), reason: "asked for" };
    await routes.fetch(new Request(`${baseUrl}/subscriptions/erase`, { method: "POST", body: JSON.stringify(forget) }));
    const params = { consent_guard: true, reason: "ticket 17", requested_by: "Ann" };
    await expect(host.batches.submit({ ...undelete, items, params: { consent_guard: true } })).rejects.toThrow(
      "params.reason: is required by the consent guard",
    );
    const refusals = ["suppressed", "done", "done", "suppressed", "done", "no_consent", "no_consent", "no_consent"];
    const dry = await host.batches.submit({ ...undelete, items, params, dryRun: true });
    await host.batches.wait(dry.id);
    expect(await results(host, dry.id)).toEqual(["erased", ...refusals, "not_deleted", "not_found", "not_found"]);
    real.paths.length = 0;
    const before = await states();
    const batch = await host.batches.submit({ ...undelete, items, params, actor: "k1" });
    expect(await host.batches.wait(batch.id)).toMatchObject({ params, actor: "k1" });
    expect(await results(host, batch.id)).toEqual(["erased", ...refusals, "done", "not_found", "not_found"]);
    expect(real.paths.filter((path) => path.endsWith("/undelete"))).toHaveLength(4);
    const after = await states();
    expect(after.map(({ status }) => status)).toEqual(before.map(({ status }) => status));
    const deleted = (states: typeof before) => states.filter(({ is_delete }) => is_delete).length;
    expect(deleted(before) - deleted(after)).toBe(3);
    // override_consent allows the rest, but not what was erased here.
    const overruled = await host.batches.submit({ ...undelete, items, params: { ...params, override_consent: true } });
    expect((await host.batches.wait(overruled.id)).counts).toMatchObject({ done: 9, failed: 3 });
    expect((await states()).map(({ status }) => status)).toEqual(before.map(({ status }) => status));
  });
});

test("applies consentGuard: always to the real vendor", async () => {
  await using real = await vendor(0);
  await using host = await createTestHost();
  await reaching(host, real, { extensions: "on", consentGuard: "always" });
  const { items } = await crowd(real);
  await expect(host.batches.submit({ ...undelete, items })).rejects.toThrow("is required by the consent guard");
  const batch = await host.batches.submit({ ...undelete, items, params: { reason: "they asked" } });
  expect((await host.batches.wait(batch.id)).counts).toMatchObject({ done: 7, failed: 5 });
});

test("reads profiles within the rate limit", async () => {
  await using real = await vendor(2);
  let now = 1_000_000;
  const clock = {
    now: () => now,
    async sleep(ms: number) {
      now += ms;
    },
  };
  const calls: number[] = [];
  const fetch: RealVendor["fetch"] = (url, init) => {
    calls.push(now - 1_000_000);
    return real.fetch(url, init);
  };
  await using host = await createTestHost();
  const { operations } = await reaching({ ...host, register() {}, clock }, { fetch }, { upstreamPerSecond: 2 });
  const chunk = {
    batchId: 1,
    seq: 0,
    generation: 0,
    account: "",
    actor: null,
    attempt: 1,
    interrupted: false,
    tally: {},
    log: host.log,
    ...{ items: people(2), signal: new AbortController().signal, transaction: undefined as never },
    params: { consent_guard: true, reason: "they asked" },
  };
  const operation = operations.find(({ name, target }) => name === undelete.operation && target === "upstream");
  expect(await operation?.apply(chunk)).toMatchObject([{ outcome: "done" }, { outcome: "done" }]);
  // One look at the profile, half a second, and two calls, which leave no room for others before the next full second.
  expect(calls).toEqual([0, 500, 500]);
  expect(now - 1_000_000).toBe(1500);
});

test("finds a hidden address by its hash_id", async () => {
  await using real = await vendor(0);
  const push = { ...place, channel: "push", provider: "google", subscription_id: "t" } as const;
  const { hash_id } = makeSubscription(push);
  const one = (changes: object) => ({
    resource_id: 26,
    channel: "push",
    hash_id,
    is_delete: true,
    status: 0,
    ...changes,
  });
  const result = async (subscriptions: object[], more: object = {}) => {
    await using host = await createTestHost();
    const data = { _id: place.profile_id, subscriptions };
    const fetch = async (url: string, init: RequestInit) =>
      url.endsWith("/profiles/get") ? Response.json({ data, error: 0, error_text: "" }) : real.fetch(url, init);
    await reaching(host, { fetch });
    const batch = await host.batches.submit({ ...undelete, items: [push], ...more });
    await host.batches.wait(batch.id);
    const [item] = (await host.batches.items(batch.id)).items;
    return [item?.outcome, item?.code];
  };
  const dryRun = true;
  const other = one({ hash_id: "00000000" });
  expect(await result([one({})], { dryRun })).toEqual(["done", undefined]);
  expect(await result([other, one({ is_delete: false })], { dryRun })).toEqual(["skipped", "not_deleted"]);
  expect(await result([other], { dryRun })).toEqual(["unknown", "hidden"]);
  expect(await result([one({ resource_id: 27 }), one({ channel: "sms" })], { dryRun })).toEqual([
    "failed",
    "not_found",
  ]);
  const params = { consent_guard: true, reason: "they asked" };
  expect(await result([one({ status: 1 })], { params })).toEqual(["failed", "no_consent"]);
  expect(await result([other], { params })).toEqual(["failed", "hidden"]);
  expect(real.sent).toEqual([]);
});

test("keeps an item unknown after a lost reply", async () => {
  await using real = await vendor(3);
  let calls = 0;
  // The first item's first answer is lost, and then every call is turned away.
  real.goWrong(() => (++calls === 1 ? "lost" : new Response("", { status: 429, headers: { "retry-after": "0" } })));
  await using host = await createTestHost({ random: () => 0 });
  await reaching(host, real, { upstreamConcurrency: 1 });
  const batch = await host.batches.submit({ ...undelete, items: people(3) });
  await host.batches.wait(batch.id);
  const results = (await host.batches.items(batch.id)).items.map(({ outcome }) => outcome);
  expect(results).toEqual(["unknown", "failed", "failed"]);
  expect(await real.live()).toBe(1);
});

test("requires both upstream settings or none", async () => {
  const wrong = (given: object) => altcraftOptions.safeParse(given).error?.issues[0];
  expect(wrong({ upstreamUrl: "https://example.com/api/v1.1" })).toMatchObject({
    path: ["upstreamToken"],
    message: "is required with upstreamUrl",
  });
  expect(wrong({ upstreamToken: "t" })).toMatchObject({ path: ["upstreamUrl"] });
  expect(wrong({ upstreamUrl: "example.com", upstreamToken: "t" })?.message).toBe("must be an http or https URL");
  const both = { upstreamUrl: "https://example.com/api/v1.1", upstreamToken: "t" };
  expect(wrong(both)).toBeUndefined();
  expect(wrong({ ...both, extensions: "on", consentGuard: "always" })).toBeUndefined();
  expect(wrong({ consentGuard: "always" })?.message).toBe("needs extensions: on");
  await using host = await createTestHost();
  const { operations } = await createAltcraft(host, both);
  expect(operations.map(({ target }) => target)).toEqual(["local", "local", "upstream", "upstream"]);
});
