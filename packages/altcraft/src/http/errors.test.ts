import { describe, expect, test } from "vitest";
import { demoSubscriptions } from "../demo.ts";
import { demo, start } from "../fixtures/server.ts";
import { writeXml } from "./xml.ts";

const { token, place, john } = demo;
const xml = { "content-type": "application/xml" };
const json = { "content-type": "application/json" };

describe("rejected requests", () => {
  const bad = (text: string) => ({ status: 400, error: 400, error_text: `Incorrect request: ${text}` });
  const { email: _, ...noEmail } = john;
  const refused: [string, string, unknown, Record<string, string>, { status: number; error_text: string }][] = [
    ["no token", "undelete", john, json, { status: 401, error_text: "API token required" }],
    ["an empty token", "undelete", { token: "", ...john }, json, { status: 401, error_text: "API token required" }],
    ["a wrong token", "undelete", { token: "x", ...john }, json, { status: 401, error_text: "API token is not valid" }],
    [
      "a token that is a number",
      "undelete",
      { token: 1, ...john },
      json,
      bad('field "token": expected string, received number'),
    ],
    ["no JSON", "undelete", "{", json, bad("the body is not JSON")],
    ["a list", "undelete", "[]", json, bad("the body must be an object")],
    [
      "no UTF-8",
      "undelete",
      "{}",
      { "content-type": "application/json; charset=utf-16" },
      bad("the charset must be UTF-8"),
    ],
    ["no db_id", "undelete", { token, ...john, db_id: undefined }, json, bad('field "db_id": is required')],
    ["db_id null", "undelete", { token, ...john, db_id: null }, json, bad('field "db_id": is required')],
    [
      "db_id as text",
      "delete",
      { token, ...john, db_id: "1" },
      json,
      bad('field "db_id": expected number, received string'),
    ],
    ["db_id 0", "delete", { token, ...john, db_id: 0 }, json, bad('field "db_id": must be at least 1')],
    ["no channel", "get", { token, ...place }, json, bad('field "channel": is required')],
    [
      "an unknown channel without cc_data",
      "get",
      { token, ...john, channel: "smoke" },
      json,
      bad('field "cc_data": is required'),
    ],
    [
      "a channel that is none",
      "get",
      { token, ...john, channel: "a b" },
      json,
      bad('field "channel": is not a channel name'),
    ],
    ["no address", "undelete", { token, ...noEmail }, json, bad('field "email": is required')],
    [
      "another channel's address",
      "undelete",
      { token, ...noEmail, phone: "+7" },
      json,
      bad('field "email": is required'),
    ],
    [
      "no e-mail address",
      "undelete",
      { token, ...john, email: "john" },
      json,
      bad('field "email": is not an e-mail address'),
    ],
    [
      "NUL",
      "undelete",
      { token, ...john, profile_id: "a\0b" },
      json,
      bad('field "profile_id": must be Unicode text without NUL'),
    ],
    [
      "half a character",
      "set",
      { token, ...john, cats: ["\ud800"] },
      json,
      bad('field "cats.0": must be Unicode text without NUL'),
    ],
    [
      "telegram_bot by phone",
      "get",
      { token, ...place, channel: "telegram_bot", cc_data: { phone: "+79000000000" } },
      json,
      bad('field "cc_data.id": is required'),
    ],
    [
      "an unknown format",
      "undelete",
      { token, ...john, format: "csv" },
      json,
      bad('field "format": must be json or xml'),
    ],
    [
      "an unknown status",
      "set",
      { token, ...john, status: "gone" },
      json,
      bad(
        'field "status": must be one of subscribed, unsubscribed, complained, hardbounced, unconfirmed, suspended, invalid, or its number',
      ),
    ],
    [
      "a field that is no name",
      "set",
      { token, ...john, custom_fields: { "a b": 1 } },
      json,
      bad('field "custom_fields.a b": is not a field name'),
    ],
    [
      "a field inside a field that is no name",
      "set",
      { token, ...john, custom_fields: { a: [{ "b/><c": null }] } },
      json,
      bad('field "custom_fields.a.0.b/><c": is not a field name'),
    ],
    [
      "a name of every object",
      "set",
      JSON.stringify({ token, ...john, custom_fields: { a: 1 } }).replace('"a"', '"__proto__"'),
      json,
      bad('field "custom_fields.__proto__": is not a field name'),
    ],
    [
      "a member of a channel's data that is no name",
      "get",
      { token, ...john, channel: "max_bot", cc_data: { user: { "1": 1 } } },
      json,
      bad('field "cc_data.user.1": is not a field name'),
    ],
    [
      "a number beyond all numbers",
      "set",
      JSON.stringify({ token, ...john, custom_fields: { a: 1 } }).replace('"a":1', '"a":1e999'),
      json,
      bad('field "custom_fields.a": must be a finite number'),
    ],
    [
      "too many fields",
      "set",
      { token, ...john, custom_fields: Object.fromEntries(Array.from({ length: 1001 }, (_, n) => [`f${n}`, 1])) },
      json,
      bad('field "custom_fields": must not hold more than 1000 values'),
    ],
    [
      "fields that are too long together",
      "set",
      { token, ...john, custom_fields: { a: "x".repeat(40_000), b: "x".repeat(40_000) } },
      json,
      bad('field "custom_fields": must not be longer than 65536 characters as JSON'),
    ],
    [
      "an unknown function",
      "set",
      { token, ...john, custom_fields: { n: { action: "increment", value: 1 } } },
      json,
      bad('field "custom_fields.n": failed convert custom field'),
    ],
    [
      "a function with the name of an object's own",
      "set",
      { token, ...john, custom_fields: { n: { action: "constructor" } } },
      json,
      bad('field "custom_fields.n": failed convert custom field'),
    ],
    [
      "counting up by no number",
      "set",
      { token, ...john, custom_fields: { n: { action: "incr", value: "x" } } },
      json,
      bad('field "custom_fields.n": failed convert custom field'),
    ],
    [
      "an unknown subscription",
      "undelete",
      { token, ...john, email: "no@example.com" },
      json,
      { status: 404, error_text: "Subscription not found" },
    ],
    [
      "an unknown resource",
      "set",
      { token, ...john, resource_id: 27 },
      json,
      { status: 404, error_text: "Resource not found" },
    ],
    [
      "an unknown profile",
      "set",
      { token, ...john, profile_id: "x" },
      json,
      { status: 404, error_text: "Profile not found" },
    ],
    [
      "an unknown database",
      "list",
      { token, db_id: 9, profile_id: "x" },
      json,
      { status: 404, error_text: "Database not found" },
    ],
    ["an unknown method", "vanish", { token }, json, { status: 404, error_text: "Method not found" }],
  ];
  test.each(refused)("%s", async (_, method, body, headers, { status, error_text }) => {
    await using server = await start();
    const reply = await server.post(`subscriptions/${method}`, body, headers);
    expect({ status: reply.status, body: JSON.parse(reply.text) }).toEqual({
      status,
      body: { error: status, error_text },
    });
    const stored = await server.server.store.listProfile(place, { deleted: true });
    expect(stored.map(({ is_delete }) => is_delete)).toEqual(demoSubscriptions.map(() => true));
  });

  test.each([
    { ...place, channel: "sms", phone: `${"1".repeat(5_000_000)}x` },
    { ...john, email: `a@${" ".repeat(5_000_000)}x` },
    { ...john, profile_id: " ".repeat(5_000_000) },
    { ...john, custom_fields: { ["a".repeat(5_000_000)]: 1 } },
    { ...john, date: "1".repeat(5_000_000) },
    { ...john, channel: "a".repeat(5_000_000) },
  ])("megabytes in one field cost little, and the reply does not repeat them (%#)", async (body) => {
    await using server = await start();
    const before = process.threadCpuUsage();
    const { status, text } = await server.post("subscriptions/set", { token, ...body });
    const { user, system } = process.threadCpuUsage(before);
    expect(status).toBe(400);
    expect(text.length).toBeLessThan(500);
    expect((user + system) / 1000).toBeLessThan(1500);
  });

  test("rejects a value nested too deep", async () => {
    await using server = await start();
    const body = (deep: number) => {
      const nested = `${"[".repeat(deep)}${"]".repeat(deep)}`;
      return JSON.stringify({ token, ...john, custom_fields: { a: 0 } }).replace("0}}", `${nested}}}`);
    };
    const told = async (deep: number) =>
      JSON.parse((await server.post("subscriptions/set", body(deep))).text).error_text;
    expect(await told(11)).toBe("Successful operation");
    for (const deep of [12, 62]) {
      expect(await told(deep)).toBe('Incorrect request: field "custom_fields": is nested too deep');
    }
    const refusal = "Incorrect request: the body is not JSON that is accepted: nested more than 64 deep";
    expect(await told(63)).toBe(refusal);
    expect(await told(2_000_000)).toBe(refusal);
  });

  test("rejects a body with too many values before parsing", async () => {
    await using server = await start({ extensions: "on" });
    const many = JSON.stringify({ token, ...john, custom_fields: { a: 0 } }).replace(
      "0}}",
      `[${"0,".repeat(2_000_000)}`,
    );
    const told = async (method: string) => JSON.parse((await server.post(method, many)).text).error_text;
    // The text is truncated, which proves that it was not parsed.
    expect(await told("subscriptions/set")).toBe(
      "Incorrect request: the body is not JSON that is accepted: more than 4096 values",
    );
    expect(await told("subscriptions/undelete_batch")).toBe(
      "Incorrect request: the body is not JSON that is accepted: more than 10064 values in one",
    );
    const elements = `<xml>${Array.from({ length: 300_000 }, (_, n) => `<a${n}/>`).join("")}`;
    expect((await server.post("subscriptions/undelete_batch", elements, xml)).text).toContain(
      "the body is not XML that is accepted: more than 10064 elements in &lt;xml&gt;",
    );
    const spread = `{"a":[${"[0],".repeat(5000)}0]}`;
    expect(JSON.parse((await server.post("subscriptions/set", spread)).text).error_text).toBe(
      "Incorrect request: the body is not JSON that is accepted: more than 4096 values",
    );
  });

  test("does not read the body after an unknown token", async () => {
    await using server = await start();
    let read = false;
    const body = new ReadableStream(
      {
        pull() {
          read = true;
          throw new Error("read");
        },
      },
      { highWaterMark: 0 },
    );
    const request = new Request("http://localhost/api/v1.1/subscriptions/set", {
      ...{ method: "POST", body, duplex: "half", headers: { ...json, authorization: "Bearer stranger" } },
    } as RequestInit);
    expect(await (await server.server.routes.fetch(request)).json()).toMatchObject({ error: 401 });
    expect(read).toBe(false);
  });

  test("replies in XML, and rejects other methods than POST", async () => {
    await using server = await start();
    expect(await server.post("subscriptions/undelete", writeXml({ ...john }), xml)).toMatchObject({
      status: 401,
      type: "application/xml",
      text: "<xml><error>401</error><error_text>API token required</error_text></xml>",
    });
    const reply = await server.post("subscriptions/undelete", "", {}, "GET");
    expect(reply).toMatchObject({ status: 405, text: '{"error":405,"error_text":"Method not allowed: use POST"}' });
    expect(reply.headers.get("allow")).toBe("POST");
  });

  test("rejects incr of a value that is no number", async () => {
    await using server = await start();
    const set = (custom_fields: object) => server.ask("subscriptions/set", { ...john, custom_fields });
    await set({ word: "x", number: "1", none: null });
    const refused = {
      status: 400,
      error_text: 'Incorrect request: field "custom_fields.word": failed convert custom field',
    };
    expect(await set({ number: { action: "incr" }, word: { action: "incr" } })).toMatchObject(refused);
    expect(await set({ number: { action: "incr", value: "2.5" }, none: { action: "incr", value: -1 } })).toMatchObject({
      status: 200,
    });
    const { data } = await server.ask("subscriptions/get", john);
    expect(data.custom_fields).toEqual({ word: "x", number: 3.5, none: -1 });
    await set({ number: 1e308 });
    expect(await set({ number: { action: "incr", value: 1e308 } })).toMatchObject({
      error_text: 'Incorrect request: field "custom_fields.number": failed convert custom field',
    });
    expect((await server.ask("subscriptions/get", john)).data.custom_fields.number).toBe(1e308);
  });

  test("rejects a function that exceeds the field limit", async () => {
    await using server = await start();
    const add = { list: { action: "add", value: Array.from({ length: 300 }, () => "x".repeat(100)) } };
    const set = (custom_fields: object) => server.ask("subscriptions/set", { ...john, custom_fields });
    expect(await set(add)).toMatchObject({ status: 200 });
    expect(await set(add)).toMatchObject({ status: 200 });
    expect(await set(add)).toMatchObject({
      error_text: 'Incorrect request: field "custom_fields": must not be longer than 65536 characters as JSON',
    });
  });

  test("rejects a category that the resource lacks", async () => {
    await using server = await start();
    await server.server.store.addResources([{ resource_id: 30, cats: ["news"] }]);
    const set = (cats: string[]) => server.ask("subscriptions/set", { ...john, resource_id: 30, cats });
    expect(await set(["news", "tx"])).toEqual({
      status: 400,
      error: 400,
      error_text: 'Incorrect request: field "subscriptions.cats" is not valid: category not found in resource',
    });
    expect(await set(["news"])).toMatchObject({ status: 200 });
  });

  test("rejects a token limited to other methods", async () => {
    await using server = await start();
    const options = { methods: ["subscriptions/get"] };
    await server.host.keys.create({ vendor: "altcraft", secret: "reader", options });
    expect(await server.ask("subscriptions/undelete", { ...john, token: "reader" })).toEqual({
      status: 403,
      error: 403,
      error_text: "No rights: the token may not call subscriptions/undelete",
    });
    expect((await server.ask("subscriptions/get", { ...john, token: "reader" })).status).toBe(404);
  });

  test.each(["subscriptions/get", { "subscriptions/get": true }, null, []])(
    "a token whose methods are %j may call nothing",
    async (methods) => {
      await using server = await start();
      await server.host.keys.create({ vendor: "altcraft", secret: "odd", options: { methods } });
      for (const method of ["subscriptions/get", "subscriptions/undelete"]) {
        expect(await server.ask(method, { ...john, token: "odd" })).toMatchObject({ status: 403 });
      }
    },
  );

  test("requires a right for irreversible methods", async () => {
    await using server = await start({ extensions: "on" });
    const told = { ...john, reason: "r" };
    for (const [method, body] of [
      ["subscriptions/erase", told],
      ["subscriptions/suppress", { email: john.email }],
      ["subscriptions/unsuppress", { email: john.email }],
    ] as const) {
      expect(await server.ask(method, { ...body, token }), method).toMatchObject({ status: 403 });
    }
    expect(await server.ask("subscriptions/undelete", john)).toMatchObject({ status: 200 });
  });
});
