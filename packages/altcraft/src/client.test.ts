import { startVendor } from "@reinstate/batch-core/testing";
import { describe, expect, test } from "vitest";
import { createAltcraftClient, customChannel, VendorError } from "./client.ts";
import { demoSubscriptions } from "./demo.ts";
import { extensionMethods, vendorMethods } from "./http/methods/method-table.ts";
import { altcraft } from "./index.ts";

const baseUrl = "http://localhost/api/v1.1";
const token = "demo-altcraft-token";
const place = { db_id: 1, resource_id: 26, profile_id: "507f1f77bcf86cd799439011" };
const john = { ...place, channel: "email", email: "john@example.com" } as const;
const done = { data: null, error: 0, error_text: "Successful operation" };

async function start(format: "json" | "xml", secret = token) {
  const server = await startVendor(altcraft);
  const client = createAltcraftClient({ baseUrl, token: secret, format, fetch: server.fetch });
  return { ...server, client };
}

const startExtended = () => startVendor(altcraft, { settings: { extensions: "on" } });

const caught = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error as VendorError,
  );

describe.each(["json", "xml"] as const)("the client in %s", (format) => {
  test("makes every call on every channel", async () => {
    await using server = await start(format);
    const { subscriptions } = server.client;
    for (const subscription of demoSubscriptions) {
      expect(await subscriptions.undelete(subscription)).toEqual(done);
      const { data } = await subscriptions.get(subscription);
      const { db_id, profile_id, ...shown } = subscription;
      expect(data).toEqual({ ...shown, status: "subscribed" });
    }
    expect((await subscriptions.list(place)).data).toHaveLength(demoSubscriptions.length);
    expect(await subscriptions.delete(john)).toEqual(done);
    expect((await subscriptions.list(place)).data).toHaveLength(demoSubscriptions.length - 1);
    expect(await subscriptions.set({ ...john, priority: 2, cats: ["a"], skip_triggers: true })).toEqual(done);
    expect((await subscriptions.get(john)).data).toMatchObject({ priority: 2, cats: ["a"] });
    const own = { ...place, channel: customChannel("max_bot"), cc_data: { id: "7" } };
    await subscriptions.set(own);
    expect((await subscriptions.get(own)).data.channel).toBe("max_bot");
    expect((await subscriptions.list({ ...place, profile_id: place.profile_id })).error).toBe(0);
  });

  test("throws the vendor's code, without the token", async () => {
    await using server = await start(format);
    const error = await caught(server.client.subscriptions.undelete({ ...john, email: "no@example.com" }));
    expect(VendorError.is(error)).toBe(true);
    expect(error).toMatchObject({
      kind: "rejected",
      status: 404,
      code: 404,
      message: "subscriptions/undelete: Subscription not found (404)",
      retryable: false,
    });
    await using stranger = await start(format, "a-wrong-token");
    const refused = await caught(stranger.client.subscriptions.undelete(john));
    expect(refused).toMatchObject({ kind: "rejected", status: 401, code: 401 });
    expect(JSON.stringify(refused) + refused?.stack).not.toContain("a-wrong-token");
  });
});

const answering = (answer: (signal?: AbortSignal | null) => Response | Promise<Response>, timeoutMs = 60_000) =>
  createAltcraftClient({
    ...{ baseUrl, token, timeoutMs, retry: { attempts: 1 } },
    fetch: async (_, { signal }) => answer(signal),
  });

test.each<[string, Response, object]>([
  ["200 with a code", Response.json({ error: 440, error_text: "no" }), { kind: "rejected", status: 200, code: 440 }],
  ["a page", new Response("<html><body>busy<br></body></html>"), { kind: "bad_reply", status: 200 }],
  ["half an answer", new Response('{"error":0,"err'), { kind: "bad_reply" }],
  ["another shape", Response.json({ data: null, error: "none", error_text: "" }), { kind: "bad_reply" }],
  [
    "429",
    new Response("", { status: 429, headers: { "retry-after": "2" } }),
    { kind: "rate_limited", retryAfterMs: 2000 },
  ],
  ["503", new Response("", { status: 503 }), { kind: "unavailable", retryable: true }],
  ["503 as a code", Response.json({ error: 503, error_text: "busy" }), { kind: "unavailable", code: 503 }],
  ["502", new Response("", { status: 502 }), { kind: "unknown_outcome", status: 502 }],
  ["408", new Response("", { status: 408 }), { kind: "unknown_outcome", status: 408 }],
  ["409", Response.json({ error: 409, error_text: "no" }, { status: 409 }), { kind: "rejected", code: 409 }],
  ["a redirect", new Response("", { status: 302, headers: { location: "/x" } }), { kind: "bad_reply", status: 302 }],
])("the answer %s", async (_, response, expected) => {
  const client = answering(() => response);
  expect(await caught(client.subscriptions.undelete(john))).toMatchObject(expected);
});

describe("replies that the documents leave open", () => {
  const ok = { error: 0, error_text: "Successful operation" };
  const inXml = (inside: string) =>
    new Response(`<xml>${inside}<error>0</error><error_text>Successful operation</error_text></xml>`, {
      headers: { "content-type": "application/xml" },
    });
  const told = (answer: object) => answering(() => Response.json({ ...answer, ...ok }));

  test.each([{}, { data: null }, { data: [] }, { data: { hash_id: "00" } }])("data of a change: %j", async (data) => {
    const { subscriptions } = told(data);
    for (const call of [subscriptions.set, subscriptions.delete, subscriptions.undelete]) {
      expect(await call(john)).toEqual({ ...data, ...ok });
    }
  });

  test("reads a null or absent list as empty", async () => {
    for (const client of [
      told({ data: null }),
      told({}),
      answering(() => inXml("<data/>")),
      answering(() => inXml("")),
    ]) {
      expect((await client.subscriptions.list(place)).data).toEqual([]);
      expect((await client.subscriptions.listAll({ resource_id: 26 })).data).toEqual([]);
    }
  });

  test("accepts null values and undocumented fields", async () => {
    const bare = { resource_id: 1, channel: "email", status: "subscribed" };
    const one = { ...bare, email: null, priority: null, custom_fields: null, cats: null, cc_data: null, new: [1] };
    expect((await told({ data: [one], total_count: 7 }).subscriptions.list(place)).data).toEqual([one]);
    const page = await told({ data: [], total_count: 7, next_from_id: null }).subscriptions.listAll({ resource_id: 1 });
    expect(page).toMatchObject({ total_count: 7, next_from_id: null });
    const data = { _id: "p", _status: "subscribed", subscriptions: [{ ...bare, is_delete: true }] };
    expect((await told({ data }).profiles.get({ db_id: 1, email: "a@b" })).data).toEqual(data);
  });

  test("reads XML lists, and numbers in Go notation", async () => {
    const profile =
      "<data><_id>p</_id><channels>email</channels><channels>push</channels><f><l>1</l><l>2</l></f></data>";
    expect((await answering(() => inXml(profile)).profiles.get({ db_id: 1, email: "a@b" })).data).toEqual({
      ...{ _id: "p", channels: ["email", "push"], f: { l: ["1", "2"] }, subscriptions: [] },
    });
    const { subscriptions } = answering(() => inXml("<updated>1.234567e+06</updated>"));
    expect((await subscriptions.suspendAll({ db_id: 1 })).updated).toBe(1_234_567);
    const empty = new Response("<xml><error>400</error><error_text/></xml>");
    expect(await caught(answering(() => empty).subscriptions.delete(john))).toMatchObject({
      kind: "rejected",
      code: 400,
    });
  });
});

test("throws if the reply does not confirm the dry run", async () => {
  const client = answering(() => Response.json(done));
  const asked = { ...john, dry_run: true };
  for (const call of [
    client.subscriptions.undelete(asked),
    client.subscriptions.delete(asked),
    client.subscriptions.erase({ ...asked, reason: "r" }),
  ]) {
    expect(await caught(call)).toMatchObject({ kind: "bad_reply", body: done });
  }
  expect(await client.subscriptions.undelete({ ...john, dry_run: false })).toEqual(done);
});

test.each(["json", "xml"] as const)("preserves the values of set in %s", async (format) => {
  await using server = await start(format);
  const { subscriptions } = server.client;
  const fields = { list: ["a", "b"], deep: { q: "1" }, gone: "x", word: "w" };
  await subscriptions.set({ ...john, cats: ["x"], custom_fields: fields });
  expect((await subscriptions.get(john)).data).toMatchObject({ cats: ["x"], custom_fields: fields });
  await subscriptions.set({ ...john, cats: [], custom_fields: { gone: null, list: null } });
  const { data } = await subscriptions.get(john);
  expect(data.custom_fields).toEqual({ deep: { q: "1" }, word: "w" });
  expect(data).not.toHaveProperty("cats");
  expect((await subscriptions.listAll({ resource_id: 26 })).data).toMatchObject([{ custom_fields: { word: "w" } }]);
});

test("does not send what XML cannot express", async () => {
  await using server = await start("xml");
  const { subscriptions } = server.client;
  await expect(subscriptions.set({ ...john, custom_fields: { a: "" } })).rejects.toThrow(
    "an empty value from null in <a>",
  );
  await expect(subscriptions.set({ ...john, custom_fields: { "a b": 1 } })).rejects.toThrow("cannot be the name");
  expect(await caught(subscriptions.get(john))).toMatchObject({ code: 404 });
});

test("reports an unknown outcome after a timeout", async () => {
  const client = answering((signal) => new Promise((_, reject) => signal?.addEventListener("abort", reject)), 20);
  expect(await caught(client.subscriptions.undelete(john))).toMatchObject({ kind: "unknown_outcome" });
});

describe("retries", () => {
  /** A server whose calls go wrong on the way, one after another as said, before it answers as it should. */
  async function unsteady(format: "json" | "xml", faults: ("refused" | "lost" | Response)[]) {
    const server = await startExtended();
    const ids: (string | null)[] = [];
    const pauses: number[] = [];
    const fetch = async (url: string, init: RequestInit) => {
      const request = new Request(url, init);
      ids.push(request.headers.get("request-id"));
      const fault = faults.shift();
      if (fault instanceof Response) return fault;
      if (fault === "refused") throw Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNREFUSED" } });
      const reply = await server.fetch(request);
      if (fault === "lost") throw Object.assign(new TypeError("fetch failed"), { cause: { code: "ECONNRESET" } });
      return reply;
    };
    const sleep = async (ms: number) => void pauses.push(ms);
    const client = createAltcraftClient({ baseUrl, token, format, fetch, retry: { random: () => 0.5, sleep } });
    return { ...server, client, ids, pauses };
  }

  test.each(["json", "xml"] as const)("repeat a lost reply in %s with the same Request-ID", async (format) => {
    await using server = await unsteady(format, ["refused", "lost", "lost"]);
    const add = { ...john, custom_fields: { n: { action: "incr", value: 1 } } };
    expect(await server.client.subscriptions.set(add)).toEqual(done);
    expect((await server.client.subscriptions.get(john)).data.custom_fields).toEqual(
      format === "json" ? { n: 1 } : { n: "1" },
    );
    expect(new Set(server.ids.slice(0, 4)).size).toBe(1);
    expect(server.ids[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(server.ids[4]).not.toBe(server.ids[0]);
    // Half of each bound, which doubles.
    expect(server.pauses).toEqual([250, 500, 1000]);
  });

  test("follow 408, 429 with Retry-After, 5xx and running requests", async () => {
    await using server = await unsteady("json", [
      new Response("", { status: 408 }),
      new Response("", { status: 429, headers: { "retry-after": "3" } }),
      new Response("", { status: 504 }),
    ]);
    expect(await server.client.subscriptions.undelete(john)).toEqual(done);
    expect(server.pauses).toEqual([250, 3500, 1000]);
    await using busy = await unsteady("json", [
      Response.json({ error: 409, error_text: "at work" }, { status: 409, headers: { "retry-after": "1" } }),
    ]);
    expect(await busy.client.subscriptions.undelete(john)).toEqual(done);
    expect(busy.pauses).toEqual([1250]);
  });

  test("keep the outcome unknown after a lost reply", async () => {
    await using server = await unsteady("json", ["lost", "refused", "refused", "refused"]);
    expect(await caught(server.client.subscriptions.undelete(john))).toMatchObject({ kind: "unknown_outcome" });
    // Where nothing can have been done, nothing is in doubt.
    await using reading = await unsteady("json", ["lost", "refused", "refused", "refused"]);
    expect(await caught(reading.client.subscriptions.list(place))).toMatchObject({ kind: "unavailable" });
  });

  test("stop at a rejection, and throw the last failure", async () => {
    await using server = await unsteady("json", []);
    await caught(server.client.subscriptions.undelete({ ...john, email: "no@example.com" }));
    expect(server.ids).toHaveLength(1);
    await using down = await unsteady("json", ["refused", "refused", "refused", "refused"]);
    const error = await caught(down.client.subscriptions.undelete(john, { requestId: "mine" }));
    expect(error).toMatchObject({ kind: "unavailable" });
    expect(down.ids).toEqual(["mine", "mine", "mine", "mine"]);
    expect((await down.client.subscriptions.list(place)).data).toHaveLength(0);
  });
});

test.each(["json", "xml"] as const)("the other methods in %s", async (format) => {
  await using server = await startExtended();
  const methods = [...Object.keys(vendorMethods), ...Object.keys(extensionMethods)];
  const { secret } = await server.host.keys.create({ vendor: "altcraft", options: { methods } });
  const { subscriptions, profiles } = createAltcraftClient({ baseUrl, token: secret, format, fetch: server.fetch });
  const sms = { ...place, channel: "sms", phone: "+79000000000" } as const;
  const deleted = await subscriptions.listDeleted({ db_id: 1, limit: 5 });
  expect(deleted.data).toHaveLength(5);
  const rest = await subscriptions.listDeleted({ db_id: 1, from_id: deleted.next_from_id });
  // One more is that of the document's example.
  expect(rest.data).toHaveLength(demoSubscriptions.length + 1 - 5);
  expect(rest.data[0]).toMatchObject({ is_delete: true, db_id: 1 });
  const { result, updated } = await subscriptions.undeleteBatch({
    data: [john, sms, { ...john, email: "no@example.com" }],
    dry_run: true,
  });
  expect([result.map(({ error }) => error), updated]).toEqual([[0, 0, 404], 2]);
  const hash_id = rest.data[0]?.hash_id as string;
  // One of the four channels of one phone, and then all that is left.
  expect(await caught(subscriptions.undeleteBy({ db_id: 1, hash_id }))).toMatchObject({ code: 400 });
  expect((await subscriptions.undeleteBy({ db_id: 1, hash_id, channel: "sms" })).updated).toBe(1);
  expect((await subscriptions.undeleteBy({ db_id: 1, matching: "email", email: john.email })).updated).toBe(6);
  expect((await subscriptions.suspendAll({ db_id: 1, channel: "email" })).updated).toBe(1);
  expect((await subscriptions.unsuspendAll({ db_id: 1 })).updated).toBe(1);
  expect((await subscriptions.listAll({ resource_id: 26, limit: 1 })).data[0]).toMatchObject({ db_id: 1 });
  expect((await profiles.get({ db_id: 1, email: john.email })).data.subscriptions).toHaveLength(7);
  const refused = { ...john, consent_guard: true, reason: "they wrote" };
  await subscriptions.suppress({ email: john.email });
  expect(await caught(subscriptions.undelete(refused))).toMatchObject({ code: 409 });
  await subscriptions.unsuppress({ email: john.email });
  expect(await subscriptions.delete({ ...john, dry_run: true })).toMatchObject({ dry_run: true });
  expect(await subscriptions.erase({ ...john, reason: "asked for", dry_run: true })).toMatchObject({ dry_run: true });
  expect((await subscriptions.get(john)).error).toBe(0);
  await subscriptions.erase({ ...john, reason: "asked for", requested_by: "Ann" });
  expect((await subscriptions.listConsent({ limit: 1 })).data).toMatchObject([
    { action: "erase", requested_by: "Ann" },
  ]);
  expect(await caught(subscriptions.undelete(john))).toMatchObject({ code: 410 });
});

test("types channels together with their addresses", () => {
  const { subscriptions } = answering(() => new Response());
  const wrong = [
    // @ts-expect-error an email subscription has no phone
    () => subscriptions.undelete({ ...place, channel: "email", phone: "+7900" }),
    // @ts-expect-error nor a phone beside its address
    () => subscriptions.undelete({ ...place, channel: "email", email: "a@b", phone: "+7900" }),
    // @ts-expect-error telegram_bot has an id, not a phone
    () => subscriptions.undelete({ ...place, channel: "telegram_bot", cc_data: { phone: "+7900" } }),
    // @ts-expect-error a channel of one's own is named with customChannel
    () => subscriptions.undelete({ ...place, channel: "max_bot", cc_data: { id: 1 } }),
    // @ts-expect-error in a batch as alone
    () => subscriptions.undeleteBatch({ data: [{ ...place, channel: "email", phone: "+7900" }] }),
    // @ts-expect-error in a batch as alone
    () => subscriptions.undeleteBatch({ data: [{ ...place, channel: "max_bot", cc_data: { id: 1 } }] }),
    () => subscriptions.undeleteBatch({ data: [{ ...place, channel: customChannel("max_bot"), cc_data: { id: 1 } }] }),
    () => subscriptions.undeleteBatch({ data: [john], dry_run: true, consent_guard: true, reason: "r" }),
  ];
  expect(wrong).toHaveLength(8);
  expect(() => customChannel("email")).toThrow();
});
