import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { demo, start } from "../../fixtures/server.ts";
import type { AltcraftOptions } from "../../options.ts";
import type { SubscriptionChanges } from "../../schemas/requests.ts";
import { makeSubscription } from "../../testing.ts";
import { writeXml } from "../xml.ts";

const { token, place, john } = demo;
const success = { error: 0, error_text: "Successful operation" };
const ok = { ...success, profile_id: place.profile_id };
const xml = { "content-type": "application/xml" };

const person = (n: number, more: object = {}) =>
  ({ ...place, channel: "email", email: `p${n}@example.com`, ...more }) as const;
const gone = (n: number, changes: SubscriptionChanges = {}, more: object = {}) =>
  makeSubscription(person(n, more), { ...changes, is_delete: true, at: 1_700_000_000_000 });

test("serves only the vendor's API without extensions", async () => {
  await using server = await start();
  for (const method of ["undelete_batch", "list_deleted", "erase", "suppress", "unsuppress"]) {
    expect(await server.ask(`subscriptions/${method}`, {})).toMatchObject({ error_text: "Method not found" });
  }
  const more = { hash_id: "00000000", matching: "email", override_consent: true };
  expect(await server.ask("subscriptions/undelete", { ...john, ...more })).toEqual({
    status: 200,
    data: null,
    ...success,
  });
  expect((await server.ask("subscriptions/get", john)).status).toBe(200);
  const { batch } = await server.post("subscriptions/delete", { token, ...john, reason: "asked" });
  expect((await server.host.batches.get(Number(batch))).params).toEqual({});
});

describe("safety flags", () => {
  const undelete = "subscriptions/undelete";
  const rejected = (field: string, message: string) => ({
    status: 400,
    error: 400,
    error_text: `Incorrect request: field "${field}": ${message}`,
  });

  test("rejects a flag where the vendor has none, whatever its value", async () => {
    await using server = await start();
    for (const flag of ["dry_run", "consentGuard", "Explain"]) {
      for (const value of [true, false, "no", null]) {
        expect(await server.ask(undelete, { ...john, [flag]: value })).toMatchObject(
          rejected(flag, "is not supported in the body of this call; remove it"),
        );
      }
    }
    expect(await server.ask("subscriptions/set", { ...john, dry_run: true })).toMatchObject({ status: 400 });
    expect(await server.ask("subscriptions/get", john)).toMatchObject({ status: 404 });
  });

  test("reads a flag in every spelling, in JSON and XML", async () => {
    await using server = await start({ extensions: "on" });
    const document = (flag: string) => writeXml({ token, ...john }).replace("</xml>", `${flag}</xml>`);
    for (const [name, value] of [
      ["dryRun", "yes"],
      ["Dry-Run", 1],
      ["DRY_RUN", "on"],
      ["dry_run", ""],
    ] as const) {
      expect(await server.ask(undelete, { ...john, [name]: value })).toMatchObject({ status: 200, dry_run: true });
      expect(await server.ask("subscriptions/undelete_batch", { data: [john], [name]: value })).toMatchObject({
        dry_run: true,
      });
      const inXml = await server.post(undelete, document(`<${name}>${value}</${name}>`), xml);
      expect(inXml.text).toContain("<dry_run>true</dry_run>");
    }
    for (const flag of ["<dry_run/>", "<dry_run></dry_run>", "<dryRun><![CDATA[T]]></dryRun>"]) {
      expect((await server.post(undelete, document(flag), xml)).text).toContain("<dry_run>true</dry_run>");
    }
    expect(await server.ask(undelete, { ...john, consentGuard: "yes" })).toMatchObject(
      rejected("reason", "is required by the consent guard"),
    );
    expect(await server.ask("subscriptions/get", john)).toMatchObject({ status: 404 });
    expect(await server.ask(undelete, { ...john, dryRun: "off" })).toMatchObject({ status: 200 });
    expect(await server.ask("subscriptions/get", john)).toMatchObject({ status: 200 });
  });

  test("rejects unclear values, other places and nested names", async () => {
    await using server = await start({ extensions: "on" });
    const body = JSON.stringify({ token, ...john });
    const bodies = ['"dry_run":true,"dry_run":false', '"dry_run":"maybe"', '"dry_run":null', '"options":{"dry_run":1}'];
    for (const members of bodies) {
      expect((await server.post(undelete, body.replace("{", `{${members},`))).status, members).toBe(400);
    }
    const elements = [
      ...["<dry_run>maybe</dry_run>", "<dry_run/><dryRun>no</dryRun>", "<options><dry_run/></options>"],
      ...["<dry_run><value>true</value></dry_run>", '<options dry_run="true"/>'],
    ];
    for (const element of elements) {
      const document = writeXml({ token, ...john }).replace("</xml>", `${element}</xml>`);
      expect((await server.post(undelete, document, xml)).text, element).toContain("<error>400</error>");
    }
    const attribute = writeXml({ token, ...john }).replace("<xml>", '<xml dry_run="true">');
    expect((await server.post(undelete, attribute, xml)).status).toBe(400);
    expect((await server.post(`${undelete}?dry_run=true`, body)).status).toBe(400);
    expect((await server.post(undelete, body, { "content-type": "application/json", "dry-run": "1" })).status).toBe(
      400,
    );
    const data = [{ ...john, channel: "own_bot", cc_data: { dry_run: true } }];
    expect(await server.ask("subscriptions/undelete_batch", { data })).toMatchObject({ result: [{ error: 400 }] });
    expect(await server.ask("subscriptions/get", john)).toMatchObject({ status: 404 });
  });

  test("leaves custom fields of the same names alone", async () => {
    await using server = await start({ extensions: "on" });
    const custom_fields = { explain: "a word", dry_run: "x" };
    expect(await server.ask("subscriptions/set", { ...john, custom_fields })).toMatchObject({ status: 200 });
    const document = writeXml({ token, ...john, email: "ann@example.com", custom_fields });
    expect((await server.post("subscriptions/set", document, xml)).status).toBe(200);
  });
});

describe.each(ledgerDatabases)("extensions on $name", ({ open }) => {
  async function extended(options: AltcraftOptions = {}) {
    const database = await open();
    const server = await start({ extensions: "on", ...options }, database.url);
    const { store } = server.server;
    const live = async () => (await store.listProfile(place, { deleted: false })).map(({ address }) => address);
    return {
      ...server,
      store,
      live,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await database[Symbol.asyncDispose]();
      },
    };
  }

  test("returns a result for each item of undelete_batch", async () => {
    await using server = await extended();
    await server.store.addSubscriptions([gone(1), gone(2), makeSubscription(person(3))]);
    const data = [
      person(1),
      { ...person(9), email: "none" },
      person(4),
      person(3),
      person(2, { db_id: null }),
      person(1),
      7,
      { ...person(2), priority: null },
    ];
    const reply = await server.post("subscriptions/undelete_batch", { token, data });
    const bad = (text: string) => ({ error: 400, error_text: `Incorrect request: ${text}` });
    expect(JSON.parse(reply.text)).toEqual({
      ...success,
      result: [
        ok,
        bad('field "email": is not an e-mail address'),
        { error: 404, error_text: "Subscription not found", profile_id: place.profile_id },
        ok,
        bad('field "db_id": is required'),
        ok,
        bad('field "channel": is required'),
        ok,
      ],
      updated: 2,
    });
    expect(await server.host.batches.get(Number(reply.batch))).toMatchObject({
      operation: "altcraft.subscriptions.undelete",
      status: "completed",
      total: 7,
      duplicates: 1,
      counts: { done: 2, skipped: 1, failed: 4, unknown: 0 },
    });
    expect(await server.live()).toEqual(["p1@example.com", "p2@example.com", "p3@example.com"]);
  });

  test("accepts undelete_batch in XML with one or many items", async () => {
    await using server = await extended();
    await server.store.addSubscriptions(Array.from({ length: 300 }, (_, n) => gone(n)));
    const ask = async (data: unknown[]) =>
      (await server.post("subscriptions/undelete_batch", writeXml({ token, data }, { request: true }), xml)).text;
    const okXml = `<result><error>0</error><error_text>Successful operation</error_text><profile_id>${place.profile_id}</profile_id></result>`;
    expect(await ask([person(0)])).toBe(
      `<xml><error>0</error><error_text>Successful operation</error_text>${okXml}<updated>1</updated></xml>`,
    );
    const many = await ask(Array.from({ length: 300 }, (_, n) => person(n)));
    expect(many.split(okXml)).toHaveLength(301);
    expect(many).toContain("<updated>299</updated>");
  });

  test("limits undelete_batch to 10,000 items", async () => {
    await using server = await extended();
    const people = Array.from({ length: 10_000 }, (_, n) => person(n));
    await server.store.addSubscriptions(people.map((_, n) => gone(n)));
    const { result, updated } = await server.ask("subscriptions/undelete_batch", { data: people });
    expect(updated).toBe(10_000);
    expect(result).toHaveLength(10_000);
    expect(await server.ask("subscriptions/undelete_batch", { data: [...people, person(1)] })).toMatchObject({
      status: 400,
      error_text: 'Incorrect request: field "data": must not hold more than 10000',
    });
    expect(await server.ask("subscriptions/undelete_batch", { data: [] })).toMatchObject({ status: 400 });
  });

  test("predicts outcomes in a dry run and changes nothing", async () => {
    await using server = await extended();
    await server.store.addSubscriptions([gone(1), makeSubscription(person(2))]);
    expect(await server.ask("subscriptions/undelete", { ...person(1), dry_run: true })).toEqual({
      status: 200,
      data: null,
      ...success,
      dry_run: true,
    });
    expect(await server.ask("subscriptions/undelete", { ...person(9), dry_run: true })).toMatchObject({ status: 404 });
    const data = [person(1), person(2), person(9)];
    expect(await server.ask("subscriptions/undelete_batch", { data, dry_run: true })).toMatchObject({
      dry_run: true,
      result: [{ error: 0 }, { error: 0 }, { error: 404 }],
      updated: 1,
    });
    expect(await server.live()).toEqual(["p2@example.com"]);
    expect(await server.ask("subscriptions/delete", { ...person(2), dry_run: true })).toEqual({
      status: 200,
      data: null,
      ...success,
      dry_run: true,
    });
    const erase = { ...person(2), reason: "art. 17", dry_run: true };
    expect(await server.ask("subscriptions/erase", erase)).toEqual({
      status: 200,
      data: null,
      ...success,
      dry_run: true,
    });
    expect(await server.ask("subscriptions/erase", { ...erase, email: "none@example.com" })).toMatchObject({
      status: 404,
    });
    expect(await server.live()).toEqual(["p2@example.com"]);
  });

  test("rejects misspelled and misplaced flags", async () => {
    await using server = await extended();
    await server.store.addSubscriptions([gone(1), makeSubscription(person(2))]);
    const unknown = (name: string) => ({
      ...{ status: 400, error_text: `Incorrect request: field "${name}": is not known here` },
    });
    expect(await server.ask("subscriptions/undelete", { ...person(1), consent_gaurd: true })).toMatchObject(
      unknown("consent_gaurd"),
    );
    expect(await server.ask("subscriptions/delete", { ...person(2), consent_guard: true })).toMatchObject(
      unknown("consent_guard"),
    );
    expect(await server.ask("subscriptions/erase", { ...person(2), reason: "r", dryrunn: true })).toMatchObject(
      unknown("dryrunn"),
    );
    expect(await server.ask("subscriptions/suppress", { email: "a@b", dry_run: true })).toMatchObject(
      unknown("dry_run"),
    );
    const data = [{ ...person(1), dry_run: true }];
    expect(await server.ask("subscriptions/undelete_batch", { data })).toMatchObject({
      result: [{ error: 400, error_text: 'Incorrect request: field "dry_run": is not known here' }],
      updated: 0,
    });
    expect(await server.ask("subscriptions/undelete_batch", { data: [person(1)], dry_runn: true })).toMatchObject(
      unknown("dry_runn"),
    );
    expect(await server.live()).toEqual(["p2@example.com"]);
    // What the vendor's clients send along is let through, and so is what `list_deleted` shows.
    expect(await server.ask("subscriptions/delete", { ...person(2), skip_triggers: true })).toMatchObject({
      status: 200,
    });
    const { data: listed } = await server.ask("subscriptions/list_deleted", { db_id: 1, channel: "email" });
    expect(await server.ask("subscriptions/undelete_batch", { data: listed })).toMatchObject({ updated: 3 });
  });

  test("logs actor and reason of suppress, unsuppress and erase", async () => {
    await using server = await extended();
    await server.store.addSubscriptions([gone(1)]);
    const told = { reason: "asked by phone", requested_by: "Ann" };
    await server.ask("subscriptions/suppress", { email: " P1@example.com", ...told });
    await server.ask("subscriptions/suppress", { phone: "+7 901" });
    await server.ask("subscriptions/unsuppress", { email: "p1@example.com", ...told, reason: "a slip" });
    await server.ask("subscriptions/erase", { ...person(1), ...told, reason: "art. 17" });
    await server.ask("subscriptions/erase", { ...person(1), ...told, reason: "again" });
    const token_id = (await server.host.keys.find("altcraft", demo.officer))?.id;
    const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);
    const all = [
      { action: "erase", at, digest: expect.stringMatching(/^[0-9a-f]{64}$/), token_id, ...told, reason: "art. 17" },
      { action: "unsuppress", at, email: "p1@example.com", token_id, ...told, reason: "a slip" },
      { action: "suppress", at, phone: "+7901", token_id },
      { action: "suppress", at, email: "p1@example.com", token_id, ...told },
    ];
    const list = (query: object) => server.ask("subscriptions/list_consent", query);
    expect(await list({})).toEqual({ status: 200, data: all, ...success });
    expect((await list({ email: "P1@example.com" })).data).toEqual([all[1], all[3]]);
    expect((await list({ phone: "+7901" })).data).toEqual([all[2]]);
    expect((await list({ action: "erase" })).data).toEqual([all[0]]);
    const first = await list({ limit: 3 });
    expect(first.data).toEqual(all.slice(0, 3));
    expect(await list({ limit: 3, from_id: first.next_from_id })).toEqual({
      status: 200,
      data: all.slice(3),
      ...success,
    });
    expect(await list({ from_id: "x" })).toMatchObject({ status: 400 });
    expect(await list({ email: "a@b", phone: "+7" })).toMatchObject({ status: 400 });
    const inXml = (await server.post("subscriptions/list_consent", writeXml({ token, phone: "+7901" }), xml)).text;
    expect(inXml).toContain("<action>suppress</action>");
  });

  test("stores actor and reason of delete", async () => {
    await using server = await extended();
    await server.store.addSubscriptions([makeSubscription(person(1)), makeSubscription(person(2))]);
    const told = { reason: "asked by phone", requested_by: "Ann" };
    const reply = await server.post("subscriptions/delete", { token, ...person(1), ...told });
    expect(JSON.parse(reply.text)).toEqual({ data: null, ...success });
    const actor = (await server.host.keys.find("altcraft", token))?.id;
    expect(await server.host.batches.get(Number(reply.batch))).toMatchObject({ params: told, actor });
    const inXml = writeXml({ token, ...person(2), requested_by: "Ann" });
    const second = await server.post("subscriptions/delete", inXml, xml);
    expect((await server.host.batches.get(Number(second.batch))).params).toEqual({ requested_by: "Ann" });
    expect(await server.live()).toEqual([]);
    expect(await server.ask("subscriptions/delete", { ...person(1), reason: "" })).toMatchObject({ status: 400 });
  });

  test("pages list_deleted through every deleted subscription once", async () => {
    await using server = await extended();
    await server.server.load([{ ...person(0), db_id: 2, is_delete: true }]);
    await server.store.addSubscriptions([
      ...Array.from({ length: 11 }, (_, n) => gone(n, {}, { profile_id: `q${n % 4}` })),
      makeSubscription(person(99, { profile_id: "q0" })),
    ]);
    const seen: Record<string, unknown>[] = [];
    let from_id: string | undefined;
    do {
      const page = await server.ask("subscriptions/list_deleted", {
        db_id: 1,
        channel: "email",
        resource_id: 26,
        limit: 4,
        ...(from_id && { from_id }),
      });
      expect(page.status).toBe(200);
      seen.push(...page.data);
      from_id = page.next_from_id;
    } while (from_id !== undefined);
    // The eleven, and the demo's.
    expect(new Set(seen.map(({ email }) => email)).size).toBe(12);
    expect(seen).toHaveLength(12);
    expect(seen.find(({ email }) => email === "p5@example.com")).toEqual({
      db_id: 1,
      profile_id: "q1",
      _xxh: expect.stringMatching(/^[0-9a-f]{16}$/),
      hash_id: expect.stringMatching(/^[0-9a-f]{8}$/),
      resource_id: 26,
      channel: "email",
      email: "p5@example.com",
      status: "subscribed",
      is_delete: true,
      deleted_at: "2023-11-14T22:13:20.000Z",
    });
    const of = async (filter: object) => (await server.ask("subscriptions/list_deleted", { db_id: 1, ...filter })).data;
    expect(await of({ profile_id: "q0" })).toHaveLength(3);
    expect(await of({ channel: "sms" })).toHaveLength(1);
    expect(await of({ resource_id: 27 })).toEqual([]);
    for (const bad of ["x", "WzFd", Buffer.from('["a",1,"b","\\u0000"]').toString("base64url")]) {
      expect(await server.ask("subscriptions/list_deleted", { db_id: 1, from_id: bad })).toMatchObject({ status: 400 });
    }
    expect(await server.ask("subscriptions/list_deleted", { db_id: 9 })).toMatchObject({ status: 404 });
  });

  test("restores by hash_id within the filters", async () => {
    await using server = await extended();
    const spread = [{}, { resource_id: 27 }, { profile_id: "q" }, { resource_id: 27, profile_id: "q" }];
    await server.store.addSubscriptions(spread.map((more) => gone(1, {}, more)));
    const { hash_id } = gone(1);
    const by = (more: object) => server.ask("subscriptions/undelete", { db_id: 1, hash_id, ...more });
    expect(await by({ profile_id: "q", resource_id: 27 })).toEqual({
      status: 200,
      ...success,
      result: [{ ...ok, profile_id: "q" }],
      updated: 1,
    });
    expect(await by({ channel: "sms" })).toMatchObject({ status: 404, error_text: "Subscription not found" });
    expect(await by({ hash_id: hash_id.toUpperCase(), dry_run: true })).toMatchObject({ updated: 3, dry_run: true });
    const inXml = writeXml({ token, db_id: 1, hash_id, resource_id: 26 });
    expect((await server.post("subscriptions/undelete", inXml, xml)).text).toContain("<updated>2</updated>");
    expect(await by({})).toMatchObject({ updated: 1 });
    expect(await by({})).toMatchObject({ status: 404 });
    expect(await by({ hash_id: "xyz" })).toMatchObject({
      error_text: 'Incorrect request: field "hash_id": must be 8 hexadecimal digits',
    });
  });

  test("rejects a hash_id that several addresses share", async () => {
    await using server = await extended();
    // Two addresses with one hash of 32 bits, and one phone on two channels.
    const duplicates = ["user39709@example.com", "user123270@example.com"];
    await server.store.addSubscriptions([
      ...duplicates.map((email, n) =>
        makeSubscription({ ...person(0), email, profile_id: `q${n}` }, { is_delete: true }),
      ),
      makeSubscription({ ...place, channel: "sms", phone: "+7901" }, { is_delete: true }),
      makeSubscription({ ...place, channel: "notify", cc_data: { phone: "+7901" } }, { is_delete: true }),
    ]);
    const refused = { status: 400, error_text: expect.stringContaining("matches more than one address") };
    const by = (more: object) => server.ask("subscriptions/undelete", { db_id: 1, ...more });
    const hash_id = "4ef06fb8";
    expect(await by({ hash_id })).toMatchObject(refused);
    expect(await by({ hash_id, dry_run: true })).toMatchObject(refused);
    expect(await by({ hash_id, profile_id: "q1" })).toMatchObject({ updated: 1, result: [{ profile_id: "q1" }] });
    const { hash_id: phone } = makeSubscription({ ...place, channel: "sms", phone: "+7901" });
    expect(await by({ hash_id: phone })).toMatchObject(refused);
    expect(await by({ hash_id: phone, channel: "sms" })).toMatchObject({ updated: 1 });
    // A filter that is empty would take in more.
    const empty = `<xml><token>${token}</token><db_id>1</db_id><hash_id>${phone}</hash_id><channel/></xml>`;
    expect((await server.post("subscriptions/undelete", empty, xml)).text).toContain("must not be empty");
    expect(await by({ hash_id: phone, resource_id: null })).toMatchObject({ status: 400 });
  });

  test("restores the deleted subscriptions of the matching profile", async () => {
    await using server = await extended();
    await server.server.load([{ ...person(0), profile_id: "q" }]);
    await server.store.addSubscriptions([
      gone(1, {}, { profile_id: "q" }),
      gone(2, {}, { profile_id: "q", resource_id: 27 }),
      gone(3),
      makeSubscription(person(3, { profile_id: "q" })),
    ]);
    const by = (more: object) => server.ask("subscriptions/undelete", { db_id: 1, matching: "email", ...more });
    const email = "p0@example.com";
    expect(await by({ email, resource_id: 27 })).toMatchObject({ status: 404, error_text: "Profile not found" });
    expect(await by({ email: "p2@example.com", resource_id: 27 })).toMatchObject({ updated: 1 });
    expect(await by({ email, channel: "email" })).toMatchObject({ updated: 1, result: [{ profile_id: "q" }] });
    expect(await by({ email })).toMatchObject({ status: 404, error_text: "Subscription not found" });
    expect(await by({ email: "p3@example.com" })).toMatchObject({
      error_text: "Incorrect request: more than one profile matches; name its profile_id",
    });
    expect(await by({ matching: "profile_id", profile_id: place.profile_id, channel: "email" })).toMatchObject({
      updated: 2,
    });
    expect(await by({ matching: "email", phone: "+7" })).toMatchObject({
      error_text: 'Incorrect request: field "email": is required',
    });
  });

  test("rejects subscriptions without consent and stores the reason", async () => {
    await using server = await extended();
    const statuses = ["unsubscribed", "complained", "hardbounced", "unconfirmed", "suspended"] as const;
    await server.store.addSubscriptions(statuses.map((status, n) => gone(n, { status })));
    await server.store.addSubscriptions([gone(7), makeSubscription({ ...place, channel: "sms", phone: "+7901" })]);
    const phone = { ...place, channel: "viber", cc_data: { phone: "+7 901" } } as const;
    await server.store.addSubscriptions([makeSubscription(phone, { is_delete: true })]);
    expect(await server.ask("subscriptions/suppress", { email: "P7@example.com" })).toMatchObject({ status: 200 });
    expect(await server.ask("subscriptions/suppress", { phone: "+7901" })).toMatchObject({ status: 200 });
    expect(await server.ask("subscriptions/suppress", {})).toMatchObject({ status: 400 });
    const guard = { consent_guard: true, reason: "ticket 17", requested_by: "Ann" };
    const data = [...statuses.map((_, n) => person(n)), person(7), phone, person(8)];
    const reply = await server.post("subscriptions/undelete_batch", { token, data, ...guard });
    const no = (text: string) => ({ error: 409, error_text: `No consent: ${text}`, profile_id: place.profile_id });
    expect(JSON.parse(reply.text).result).toEqual([
      no("The subscription is unsubscribed"),
      no("The subscription is complained"),
      no("The subscription is hardbounced"),
      ok,
      ok,
      no("The address is on the suppression list"),
      no("The address is on the suppression list"),
      { error: 404, error_text: "Subscription not found", profile_id: place.profile_id },
    ]);
    const { items } = await server.host.batches.items(Number(reply.batch), { outcome: "failed" });
    expect(items.map(({ code }) => code)).toEqual([
      "no_consent",
      "no_consent",
      "no_consent",
      "suppressed",
      "suppressed",
      "not_found",
    ]);
    const actor = (await server.host.keys.find("altcraft", token))?.id;
    expect(await server.host.batches.get(Number(reply.batch))).toMatchObject({ params: guard, actor });
    // What came back has the status that it had.
    expect((await server.ask("subscriptions/get", person(3))).data.status).toBe("unconfirmed");
    expect(await server.ask("subscriptions/undelete", { ...person(0), ...guard })).toMatchObject({
      status: 409,
      error_text: "No consent: The subscription is unsubscribed",
    });
    expect(await server.ask("subscriptions/undelete", { ...person(0), consent_guard: true })).toMatchObject({
      error_text: 'Incorrect request: field "reason": is required by the consent guard',
    });
    expect(await server.ask("subscriptions/undelete", { ...person(0), override_consent: true })).toMatchObject({
      error_text: 'Incorrect request: field "reason": is required by the consent guard',
    });
    const told = { ...person(0), ...guard, override_consent: true };
    expect(await server.ask("subscriptions/undelete", told)).toMatchObject({ status: 200 });
    expect((await server.ask("subscriptions/get", person(0))).data.status).toBe("unsubscribed");
    await server.ask("subscriptions/unsuppress", { phone: "+7901" });
    expect(await server.ask("subscriptions/undelete", { ...phone, ...guard })).toMatchObject({ status: 200 });
    // This request has no consent_guard.
    expect(await server.ask("subscriptions/undelete", person(1))).toMatchObject({ status: 200 });
  });

  test("guards every path with consentGuard: always", async () => {
    await using server = await extended({ consentGuard: "always" });
    await server.store.addSubscriptions([gone(1, { status: "unsubscribed" }), gone(2)]);
    const undelete = "altcraft.subscriptions.undelete";
    expect(await server.ask("subscriptions/undelete", person(2))).toMatchObject({
      error_text: 'Incorrect request: field "reason": is required by the consent guard',
    });
    await expect(server.host.batches.submit({ operation: undelete, items: [person(2)] })).rejects.toThrow(
      "params.reason: is required by the consent guard",
    );
    const items = [person(1), person(2)];
    const batch = await server.host.batches.submit({ operation: undelete, items, params: { reason: "they asked" } });
    expect(batch.counts).toMatchObject({ done: 1, failed: 1 });
    const raised = { ...person(1), status: "subscribed" };
    expect(await server.ask("subscriptions/set", raised)).toMatchObject({
      status: 409,
      error_text: "No consent: the subscription is deleted: bring it back with subscriptions/undelete",
    });
    expect(await server.store.find(gone(1))).toEqual(gone(1, { status: "unsubscribed" }));
  });

  test("distinguishes erased subscriptions from missing ones", async () => {
    await using server = await extended();
    await server.store.addSubscriptions([gone(1), gone(2)]);
    const erase = (n: number, more: object = { reason: "art. 17" }) =>
      server.ask("subscriptions/erase", { ...person(n), ...more });
    expect(await erase(1, {})).toMatchObject({ error_text: 'Incorrect request: field "reason": is required' });
    expect(await erase(1)).toEqual({ status: 200, data: null, ...success });
    expect(await erase(1)).toMatchObject({ status: 200 });
    expect(await erase(9)).toMatchObject({ status: 404 });
    expect(await server.ask("subscriptions/undelete", person(1))).toEqual({
      status: 410,
      error: 410,
      error_text: "Subscription was erased",
    });
    expect(await server.ask("subscriptions/undelete", person(9))).toMatchObject({ status: 404 });
    const data = [person(1), person(2), person(9)];
    const { result } = await server.ask("subscriptions/undelete_batch", { data });
    expect(result.map(({ error }: { error: number }) => error)).toEqual([410, 0, 404]);
    // Nor does a load of what was saved before.
    await server.server.load([{ ...person(1), is_delete: true }]);
    expect(await server.ask("subscriptions/undelete", person(1))).toMatchObject({ status: 410 });
    // It is a new one that is subscribed now.
    expect(await server.ask("subscriptions/set", person(1))).toMatchObject({ status: 200 });
    await server.ask("subscriptions/delete", person(1));
    expect(await server.ask("subscriptions/undelete", person(1))).toMatchObject({ status: 200 });
  });
});

test("applies the settings of the extensions", async () => {
  await using server = await start({ extensions: "on", erasedError: 404, consentError: "403", hashIdInput: "given" });
  await server.server.load([{ ...person(1), email: "Ann@Example.com", is_delete: true, status: "complained" }]);
  const guarded = { ...person(1), email: "ann@example.com", consent_guard: true, reason: "r" };
  expect(await server.ask("subscriptions/undelete", guarded)).toMatchObject({ status: 403, error: 403 });
  const { data } = await server.ask("subscriptions/list_deleted", { db_id: 1, profile_id: place.profile_id });
  const hash = (address: string) =>
    data.find(({ email }: { email?: string }) => email?.toLowerCase() === address.toLowerCase())?.hash_id;
  expect(hash("Ann@Example.com")).not.toBe(makeSubscription({ ...john, email: "ann@example.com" }).hash_id);
  const { consent_guard: _, ...told } = guarded;
  await server.ask("subscriptions/erase", told);
  expect(await server.ask("subscriptions/undelete", guarded)).toMatchObject({
    status: 404,
    error_text: "Subscription was erased",
  });
});
