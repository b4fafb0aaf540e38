import { describe, expect, test } from "vitest";
import { demoSubscriptions } from "./demo.ts";
import { demo, start } from "./fixtures/server.ts";
import { writeXml } from "./xml.ts";

const { token, place, john } = demo;
const xml = { "content-type": "application/xml" };
const json = { "content-type": "application/json" };

describe("what is refused, with nothing changed", () => {
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
      bad('field "custom_fields.a b": Invalid key in record'),
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
    const stored = await server.server.store.ofProfile(place, { deleted: true });
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
    const before = process.cpuUsage();
    const { status, text } = await server.post("subscriptions/set", { token, ...body });
    const { user, system } = process.cpuUsage(before);
    expect(status).toBe(400);
    expect(text.length).toBeLessThan(500);
    expect((user + system) / 1000).toBeLessThan(1500);
  });

  test("a value nested without end", async () => {
    await using server = await start();
    const nested = `${"[".repeat(2_000_000)}${"]".repeat(2_000_000)}`;
    const body = JSON.stringify({ token, ...john, custom_fields: { a: 0 } }).replace("0}}", `${nested}}}`);
    expect(await server.post("subscriptions/set", body)).toMatchObject({
      status: 400,
      text: '{"error":400,"error_text":"Incorrect request: field \\"custom_fields\\": is nested too deep"}',
    });
  });

  test("an error in XML, and anything but POST", async () => {
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

  test("counting up what is no number", async () => {
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
  });

  test("a category that the resource does not have", async () => {
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

  test("a token that is limited to other methods", async () => {
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
});
