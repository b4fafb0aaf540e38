import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { demo, start } from "../../fixtures/server.ts";
import { customChannelName } from "../../schemas/identity.ts";
import type { SubscriptionChanges } from "../../schemas/requests.ts";
import { makeSubscription } from "../../testing.ts";
import { writeXml } from "../xml.ts";

const { token, place, john } = demo;
const success = { error: 0, error_text: "Successful operation" };
const xml = { "content-type": "application/xml" };

const person = (n: number, profile_id: string, changes: SubscriptionChanges & { is_delete?: boolean } = {}) =>
  makeSubscription({ ...place, profile_id, channel: "email", email: `p${n}@example.com` }, changes);

describe.each(ledgerDatabases)("list_all on $name", ({ open }) => {
  test("pages through all profiles without splitting one", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const people = Array.from({ length: 25 }, (_, n) => person(n, `q${String.fromCharCode(97 + (n % 8))}`));
    await server.server.store.addSubscriptions([...people, person(99, "qz", { is_delete: true })]);
    const seen: { profile_id: string; email: string }[] = [];
    let pages = 0;
    for (let from_id: string | undefined; ; pages++) {
      const { data, next_from_id, ...rest } = await server.ask("subscriptions/list_all", {
        resource_id: 26,
        limit: 4,
        ...(from_id !== undefined && { from_id }),
      });
      expect(rest).toEqual({ status: 200, ...success });
      if (data.length === 0) {
        expect(next_from_id).toBeUndefined();
        break;
      }
      expect(data.length).toBeGreaterThanOrEqual(Math.min(4, 25 - seen.length));
      seen.push(...data);
      from_id = next_from_id;
    }
    expect(pages).toBeGreaterThan(3);
    expect(seen.map(({ email }) => email).sort()).toEqual(people.map(({ fields }) => fields.email).sort());
    expect(seen.map(({ profile_id }) => profile_id)).toEqual(seen.map(({ profile_id }) => profile_id).sort());
  });

  test("returns the documented shape and applies its filters", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const { store } = server.server;
    await store.addSubscriptions([
      person(1, "p", { priority: 1, cats: ["news"] }),
      person(2, "q", { status: "suspended" }),
    ]);
    const ask = { token, resource_id: 26, db_id: 1, channel: "email", status: "subscribed" };
    const next = "<next_from_id>[1-9A-Za-z]+</next_from_id>";
    expect((await server.post("subscriptions/list_all", ask)).text).toMatch(
      /^{"data":\[{"db_id":1,"profile_id":"p","_xxh":"[0-9a-f]{16}","hash_id":"[0-9a-f]{8}","resource_id":26,"channel":"email","email":"p1@example.com","priority":1,"status":"subscribed","cats":\["news"\]}\],"error":0,"error_text":"Successful operation","next_from_id":"[1-9A-Za-z]+"}$/,
    );
    expect((await server.post("subscriptions/list_all", writeXml(ask), xml)).text).toMatch(
      new RegExp(
        `^<xml><data><_xxh>[0-9a-f]{16}</_xxh><cats>news</cats><channel>email</channel><db_id>1</db_id><email>p1@example.com</email><hash_id>[0-9a-f]{8}</hash_id><priority>1</priority><profile_id>p</profile_id><resource_id>26</resource_id><status>subscribed</status></data><error>0</error><error_text>Successful operation</error_text>${next}</xml>$`,
      ),
    );
    const count = async (filter: object) => (await server.ask("subscriptions/list_all", filter)).data.length;
    expect(await count({ resource_id: 26 })).toBe(2);
    expect(await count({ resource_id: 26, status: 5 })).toBe(1);
    expect(await count({ resource_id: 26, channel: "sms" })).toBe(0);
    expect(await server.ask("subscriptions/list_all", { resource_id: 27 })).toMatchObject({ status: 404 });
    expect(await server.ask("subscriptions/list_all", { resource_id: 26, db_id: 2 })).toMatchObject({ status: 404 });
    for (const from_id of ["", null]) expect(await count({ resource_id: 26, from_id })).toBe(2);
    const empty = `<xml><token>${token}</token><resource_id>26</resource_id><from_id/><channel/></xml>`;
    expect((await server.post("subscriptions/list_all", empty, xml)).text.split("<data>")).toHaveLength(3);
    expect(await server.ask("subscriptions/list_all", { resource_id: 26, from_id: "abc" })).toMatchObject({
      error_text: 'Incorrect request: field "from_id": is not a valid cursor; pass next_from_id of the previous page',
    });
  });
});

describe.each(ledgerDatabases)("suspend_all and unsuspend_all on $name", ({ open }) => {
  test("change the status within their scope, without deleted subscriptions", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const { store } = server.server;
    await store.addResources([{ resource_id: 27, cats: null }]);
    const sms = makeSubscription({ ...place, channel: "sms", phone: "+7901" });
    const other = makeSubscription({ ...place, resource_id: 27, channel: "sms", phone: "+7901" });
    const complained = person(1, place.profile_id, { status: "complained" });
    await store.addSubscriptions([sms, other, complained, person(2, place.profile_id), person(3, place.profile_id)]);
    const call = async (method: string, scope: object) =>
      (await server.post(method, { token, db_id: 1, ...scope })).text;
    const answer = (updated: number) => JSON.stringify({ ...success, updated });
    expect(await call("subscriptions/suspend_all", { channel: "sms", resource_id: 27 })).toBe(answer(1));
    expect((await store.find(other))?.status).toBe("suspended");
    expect(await call("subscriptions/suspend_all", { channel: "sms" })).toBe(answer(1));
    for (const scope of [{ Channel: "sms" }, { chanel: "sms" }, { resourceId: 27 }, { filter: { channel: "sms" } }]) {
      expect(await call("subscriptions/suspend_all", scope)).toContain("is not known here");
    }
    expect(await call("subscriptions/suspend_all", {})).toBe(answer(2));
    expect((await store.find(complained))?.status).toBe("complained");
    expect(
      (await server.post("subscriptions/unsuspend_all", writeXml({ token, db_id: 1, resource_id: 26 }), xml)).text,
    ).toBe("<xml><error>0</error><error_text>Successful operation</error_text><updated>3</updated></xml>");
    expect(await call("subscriptions/unsuspend_all", {})).toBe(answer(1));
    // What is empty would mean everything.
    const inXml = (inside: string) => `<xml><token>${token}</token><db_id>1</db_id>${inside}</xml>`;
    for (const method of ["subscriptions/suspend_all", "subscriptions/unsuspend_all"]) {
      for (const filter of ["<channel/>", "<channel></channel>", "<resource_id/>"]) {
        expect((await server.post(method, inXml(filter), xml)).text, filter).toMatch(/must not be empty/);
      }
      for (const filter of [
        { channel: null },
        { channel: "" },
        { resource_id: null },
        { channel: "sms", resource_id: null },
      ]) {
        expect(await server.ask(method, { db_id: 1, ...filter })).toMatchObject({ status: 400 });
      }
    }
    // A deleted subscription comes back with the status that it had.
    await server.ask("subscriptions/undelete", john);
    expect((await server.ask("subscriptions/get", john)).data.status).toBe("subscribed");
    expect(await server.ask("subscriptions/suspend_all", { db_id: 9 })).toMatchObject({ status: 404 });
    expect(await server.ask("subscriptions/suspend_all", { db_id: 1, resource_id: 9 })).toMatchObject({ status: 404 });
    expect(await server.ask("subscriptions/suspend_all", { db_id: 1, channel: 1 })).toMatchObject({ status: 400 });
  });
});

test("suspendDeleted: include; suspendWithoutFilter: refuse", async () => {
  await using server = await start({ suspendDeleted: "include", suspendWithoutFilter: "refuse" });
  expect(await server.ask("subscriptions/suspend_all", { db_id: 1 })).toMatchObject({ status: 400 });
  expect(await server.ask("subscriptions/suspend_all", { db_id: 1, channel: "email" })).toMatchObject({ updated: 1 });
});

test("returns deleted subscriptions in profiles/get", async () => {
  await using server = await start();
  await server.ask("subscriptions/undelete", john);
  const { data } = await server.ask("profiles/get/", {
    db_id: 1,
    matching: "profile_id",
    profile_id: place.profile_id,
  });
  expect(data._id).toBe(place.profile_id);
  expect(data._xxm).toBe(Number(BigInt(`0x${data._xxh}`) % 10_000n));
  expect(data.subscriptions).toHaveLength(7);
  const of = (channel: string) => data.subscriptions.find((it: { channel: string }) => it.channel === channel);
  expect(of("email")).toEqual({
    resource_id: 26,
    channel: "email",
    status: "subscribed",
    email_data: {
      domain: "example.com",
      domain_group: "example.com",
      email: "john@example.com",
      md5: "d4c74594d841139328695756648b6bd6",
    },
    hash_id: expect.stringMatching(/^[0-9a-f]{8}$/),
    is_delete: false,
  });
  expect(of("sms")).toMatchObject({ phone_data: { phone: "+79000000000" }, is_delete: true });
  const phone = "+79000000000";
  expect(of("viber")).toMatchObject({ cc_data: { phone }, phone_data: { phone } });
  expect(of("notify")).not.toHaveProperty("phone_data");
  expect(of("telegram_bot")).toMatchObject({ cc_data: { id: 1 }, is_delete: true });
});

describe.each(ledgerDatabases)("profiles/get on $name", ({ open }) => {
  test("finds a profile by each matching, deleted subscriptions too", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const { store } = server.server;
    await server.server.load([
      { ...place, profile_id: "a", resource_id: 27, channel: "email", email: "Ann@Example.com", is_delete: true },
      { ...place, profile_id: "b", channel: "viber", cc_data: { phone: "+7 901" } },
      { ...place, profile_id: "c", channel: customChannelName.parse("max_bot"), cc_data: { user: 7 } },
      { ...place, profile_id: "d", channel: "push", provider: "google", subscription_id: "t" },
      { ...place, db_id: 2, profile_id: "e", channel: "email", email: "ann@example.com" },
    ]);
    const found = async (match: object) => {
      const { data, error_text } = await server.ask("profiles/get", { db_id: 1, ...match });
      return data?._id ?? error_text;
    };
    expect(await found({ email: "ann@example.com" })).toBe("a");
    for (const matching of ["email", "email_sub", "email_phone", "email_phone_sub"]) {
      expect(await found({ matching, email: "ann@example.com " }), matching).toBe("a");
      expect(await found({ matching, email: "unknown@example.com" }), matching).toBe("Profile not found");
    }
    for (const matching of ["phone", "phone_sub", "email_phone"]) {
      expect(await found({ matching, phone: "+7-901" }), matching).toBe("b");
    }
    const custom = (channel: string, cc_data: object) => found({ matching: "custom_sub", channel, cc_data });
    expect(await custom("max_bot", { user: "7" })).toBe("c");
    expect(await custom("viber", { phone: "+7-901" })).toBe("b");
    expect(await custom("telegram_bot", { id: 1 })).toBe(place.profile_id);
    expect(await custom("whatsapp", { phone: "+79000000000" })).toBe(place.profile_id);
    expect(await custom("notify", { phone: "+7 900 000-00-00" })).toBe(place.profile_id);
    const telegram = { matching: "custom_sub", channel: "telegram_bot", cc_data: { id: 1 } };
    expect((await server.post("profiles/get", writeXml({ token, db_id: 1, ...telegram }), xml)).text).toContain(
      `<_id>${place.profile_id}</_id>`,
    );
    expect(await custom("telegram_bot", { id: "x" })).toMatch(/"cc_data.id": is not that of telegram_bot/);
    expect(await custom("whatsapp", {})).toMatch(/"cc_data.phone": is required/);
    expect(await custom("max_bot", {})).toMatch(/"cc_data": must not be empty/);
    expect(await custom("email", { email: "a@b" })).toMatch(/"channel": is not a channel with cc_data/);
    expect(await found({ matching: "push_sub", provider: "google", subscription_id: "t" })).toBe("d");
    expect(await found({ matching: "profile_id", profile_id: "d" })).toBe("d");
    expect(await found({ matching: "profile_id", profile_id: "e" })).toBe("Profile not found");
    expect(await found({ db_id: 3, matching: "profile_id", profile_id: "e" })).toBe("Database not found");
    expect(await found({ email: "ann@example.com", resource_id: 26 })).toBe("Profile not found");
    expect(await found({ email: "ann@example.com", resource_id: 27 })).toBe("a");
    // The first where several match.
    await store.addSubscriptions([person(1, "z"), person(1, "y")]);
    expect(await found({ email: "p1@example.com" })).toBe("y");
    expect(await found({})).toBe('Incorrect request: field "email": is required');
    expect(await found({ matching: "email_phone" })).toBe('Incorrect request: field "email": is required, or phone');
    for (const matching of ["email_profile", "custom", 1]) {
      expect(await found({ matching, email: "a@b" })).toMatch(/^Incorrect request: field "matching": must be one of /);
    }
    const asked = writeXml({ token, db_id: 1, matching: "phone", phone: "+7901" });
    expect((await server.post("profiles/get", asked, xml)).text).toMatch(/^<xml><data><_id>b<\/_id>/);
  });
});

describe.each(ledgerDatabases)("a repeated Request-ID on $name", ({ open }) => {
  const id = (value: string, header = "Request-ID") => ({ "content-type": "application/json", [header]: value });

  test("gets the first reply without a second execution", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const body = { token, ...john };
    const first = await server.post("subscriptions/undelete", body, id("r1"));
    expect(first.headers.has("duplicate-key")).toBe(false);
    await server.post("subscriptions/delete", body, id("r2"));
    const again = await server.post("subscriptions/undelete", body, id("r1"));
    expect(again).toMatchObject({ status: 200, type: first.type, batch: first.batch, text: first.text });
    expect(again.headers.get("duplicate-request")).toBe("true");
    expect(again.headers.get("duplicate-key")).toMatch(/^[A-Za-z0-9+/]{27}=$/);
    expect((await server.ask("subscriptions/get", john)).status).toBe(404);
    const older = await server.post("subscriptions/undelete", body, id("r1", "X-Request-ID"));
    expect(older.headers.get("x-duplicate-request")).toBe("true");
    expect((await server.host.batches.list({ limit: 10 })).length).toBe(2);
    // A key names its request.
    const other = await server.post("subscriptions/delete", body, id("r2"));
    expect(other.headers.get("duplicate-key")).toMatch(/^[A-Za-z0-9+/]{27}=$/);
    expect(other.headers.get("duplicate-key")).not.toBe(again.headers.get("duplicate-key"));
    expect((await server.post("subscriptions/delete", body, id("r2"))).headers.get("duplicate-key")).toBe(
      other.headers.get("duplicate-key"),
    );
  });

  test("is another request with another request_id in the address", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const add = { token, ...john, custom_fields: { n: { action: "incr", value: 1 } } };
    const set = async (query: string) =>
      (await server.post(`subscriptions/set${query}`, add, id("r1"))).headers.has("duplicate-request");
    const long = `?request_id=${"1".repeat(5000)}`;
    const told = [];
    for (const query of ["", "?request_id=12345", "?request_id=12345", "", long, "?request_id=12346", long]) {
      told.push(await set(query));
    }
    expect(told).toEqual([false, false, true, true, false, false, true]);
    expect((await server.ask("subscriptions/get", john)).data.custom_fields).toEqual({ n: 4 });
  });

  test("belongs to its token and its request", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    await server.host.keys.create({ vendor: "altcraft", secret: "other" });
    const body = { token, ...john };
    await server.post("subscriptions/undelete", body, id("r1"));
    const other = await server.post("subscriptions/undelete", { ...body, token: "other" }, id("r1"));
    expect(other.headers.has("duplicate-request")).toBe(false);
    expect(await server.post("subscriptions/delete", body, id("r1"))).toMatchObject({
      status: 400,
      text: '{"error":400,"error_text":"Incorrect request: this Request-ID was used for another request"}',
    });
    expect((await server.post("subscriptions/delete", body)).batch).not.toBe(
      (await server.post("subscriptions/delete", body)).batch,
    );
    expect(await server.post("subscriptions/delete", body, id("a b"))).toMatchObject({ status: 400 });
  });

  test("at the same time is executed once", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const add = { token, ...john, custom_fields: { n: { action: "incr", value: 1 } } };
    const replies = await Promise.all(
      Array.from({ length: 20 }, () => server.post("subscriptions/set", add, id("r1"))),
    );
    for (const { status } of replies) expect([200, 409]).toContain(status);
    expect((await server.ask("subscriptions/get", john)).data.custom_fields).toEqual({ n: 1 });
  });

  test("whose reply cannot be stored is not executed again", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const { database: own } = server.host;
    const keep = "update of reply on reinstate_replies";
    await (own.dialect === "sqlite"
      ? sql`create trigger full before ${sql.raw(keep)} begin select raise(abort, 'disk full'); end`.execute(
          own.tables(),
        )
      : sql`alter table reinstate_replies add check (reply is null)`.execute(own.tables()));
    const add = { token, ...john, custom_fields: { n: { action: "incr", value: 1 } } };
    expect((await server.post("subscriptions/set", add, id("r1"))).status).toBe(200);
    expect((await server.post("subscriptions/set", add, id("r1"))).status).toBe(409);
    expect((await server.ask("subscriptions/get", john)).data.custom_fields).toEqual({ n: 1 });
  });

  test("of a rejected request is free again", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const late = { token, ...john, email: "late@example.com" };
    expect((await server.post("subscriptions/undelete", late, id("r1"))).status).toBe(404);
    await server.server.store.addSubscriptions([
      person(1, place.profile_id),
      makeSubscription({ ...john, email: late.email }),
    ]);
    expect((await server.post("subscriptions/undelete", late, id("r1"))).status).toBe(200);
  });
});

test("deletes expired replies and takes over abandoned claims", async () => {
  let now = 1_000_000;
  await using server = await start({}, undefined, { now: () => now });
  const headers = { "content-type": "application/json", "request-id": "r1" };
  const undelete = () => server.post("subscriptions/undelete", { token, ...john }, headers);
  expect((await undelete()).headers.has("duplicate-request")).toBe(false);
  now += 86_400_000;
  expect((await undelete()).headers.has("duplicate-request")).toBe(true);
  now += 1;
  expect((await undelete()).headers.has("duplicate-request")).toBe(false);
  // Expired replies are deleted.
  const rows = () =>
    server.host.database.tables<{ reinstate_replies: object }>().selectFrom("reinstate_replies").selectAll().execute();
  const other = { "content-type": "application/json", "request-id": "r2" };
  await server.post("subscriptions/undelete", { token, ...john }, other);
  expect(await rows()).toHaveLength(2);
  now += 86_400_001;
  expect((await undelete()).headers.has("duplicate-request")).toBe(false);
  expect(await rows()).toMatchObject([{ idempotency_key: "r1" }]);
  // As a process leaves it that dies before its reply.
  await server.host.database
    .tables<{ reinstate_replies: { reply: null } }>()
    .updateTable("reinstate_replies")
    .set({ reply: null })
    .execute();
  expect((await undelete()).status).toBe(409);
  now += 60_001;
  expect((await undelete()).status).toBe(200);
});

test("deduplication: off", async () => {
  await using server = await start({ deduplication: "off" });
  const headers = { "content-type": "application/json", "request-id": "r1" };
  const batches = [1, 2].map(
    async () => (await server.post("subscriptions/undelete", { token, ...john }, headers)).batch,
  );
  expect(new Set(await Promise.all(batches)).size).toBe(2);
});
