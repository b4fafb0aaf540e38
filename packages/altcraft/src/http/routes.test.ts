import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { demo, start } from "../fixtures/server.ts";
import { makeSubscription } from "../testing.ts";
import { writeXml } from "./xml.ts";

const { token, place, john } = demo;
const xml = { "content-type": "application/xml" };
const json = { "content-type": "application/json" };
const done = { data: null, error: 0, error_text: "Successful operation" };

describe.each(ledgerDatabases)("the API on $name", ({ open }) => {
  test("clears only the flag with undelete", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const { store } = server.server;
    const mary = { ...john, email: "mary@example.com" };
    const before = makeSubscription(mary, {
      status: "unsubscribed",
      priority: 3,
      cats: ["news"],
      custom_fields: { n: 1 },
      date: "2026-01-02T03:04:05Z",
      ip: "192.0.2.1",
      url: "https://example.com/",
      is_delete: true,
      at: 5,
    });
    await store.addSubscriptions([before]);
    expect(await server.ask("subscriptions/undelete", mary)).toEqual({ status: 200, ...done });
    const after = await store.find(before);
    expect(after).toEqual({ ...before, is_delete: false, deleted_at: null, updated_at: after?.updated_at });
  });

  test("creates a batch of one for undelete and delete", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const { host } = server;
    const calls = [
      ["undelete", john, 200, "done"],
      ["undelete", john, 200, "skipped"],
      ["delete", john, 200, "done"],
      ["delete", john, 200, "skipped"],
      ["undelete", { ...john, email: "unknown@example.com" }, 404, "failed"],
    ] as const;
    for (const [verb, item, status, outcome] of calls) {
      const reply = await server.post(`subscriptions/${verb}`, { token, ...item });
      expect(reply.status).toBe(status);
      const id = Number(reply.batch);
      expect(await host.batches.get(id)).toMatchObject({
        operation: `altcraft.subscriptions.${verb}`,
        status: "completed",
        total: 1,
        counts: { [outcome]: 1 },
        actor: (await host.keys.find("altcraft", token))?.id,
      });
      expect((await host.batches.items(id)).items).toMatchObject([{ item, outcome }]);
    }
  });

  test("sets the flag of a batch with an outcome each", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const { host } = server;
    const person = (n: number) => ({ ...john, email: `p${n}@example.com` });
    const people = Array.from({ length: 1200 }, (_, n) => person(n));
    await server.server.store.addSubscriptions(
      people.map((identity, n) => makeSubscription(identity, { is_delete: n % 3 !== 0 })),
    );
    const batch = await host.batches.submit({
      operation: "altcraft.subscriptions.undelete",
      // The last one is the first in other letters: one item.
      items: [...people, person(9999), { ...john, email: " P0@Example.COM" }],
    });
    expect(batch).toMatchObject({ total: 1201, duplicates: 1 });
    const finished = await host.batches.wait(batch.id);
    expect(finished).toMatchObject({
      status: "completed",
      counts: { done: 800, skipped: 400, failed: 1, unknown: 0 },
    });
    const { items } = await host.batches.items(batch.id, { outcome: "failed" });
    expect(items).toEqual([
      { item: person(9999), outcome: "failed", code: "not_found", message: "Subscription not found", generation: 0 },
    ]);
    const { data } = await server.ask("subscriptions/list", { db_id: 1, profile_id: place.profile_id });
    expect(data).toHaveLength(1200);
  });

  test("adds, edits and restores with set", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const ann = { ...place, channel: "email", email: "Ann@Example.com" };
    const get = async () => (await server.ask("subscriptions/get", { ...ann, email: "ann@example.com" })).data;
    expect(await server.ask("subscriptions/set", { ...ann, cats: ["news"], custom_fields: { n: 1, s: "a" } })).toEqual({
      status: 200,
      ...done,
    });
    const shown = { resource_id: 26, channel: "email", email: "Ann@Example.com", status: "subscribed" };
    expect(await get()).toEqual({ ...shown, custom_fields: { n: 1, s: "a" }, cats: ["news"] });
    await server.ask("subscriptions/delete", ann);
    const edit = `<xml><token>${token}</token><db_id>1</db_id><resource_id>26</resource_id><profile_id>${place.profile_id}</profile_id><channel>email</channel><email>ann@example.com</email><status>1</status><priority>0</priority><skip_triggers>true</skip_triggers><cats array='true'>tx</cats><custom_fields><n><action>incr</action><value>2</value></n><s><action>unset</action></s></custom_fields></xml>`;
    expect((await server.post("subscriptions/set", edit, xml)).status).toBe(200);
    expect(await get()).toEqual({
      ...shown,
      priority: 0,
      status: "unsubscribed",
      custom_fields: { n: 3 },
      cats: ["tx"],
    });
  });

  test("executes concurrent sets of one subscription", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const count = { ...john, email: "count@example.com", custom_fields: { n: { action: "incr", value: 1 } } };
    await Promise.all(Array.from({ length: 20 }, () => server.ask("subscriptions/set", count)));
    expect((await server.ask("subscriptions/get", count)).data.custom_fields).toEqual({ n: 20 });
  });

  test("finds custom channels by their cc_data in both formats", async () => {
    await using database = await open();
    await using server = await start({}, database.url);
    const bot = { ...place, channel: "max_bot", cc_data: { user: 7, chat: "x" } };
    expect((await server.ask("subscriptions/set", bot)).status).toBe(200);
    expect((await server.ask("subscriptions/get", { ...bot, cc_data: { chat: "x", user: 7 } })).status).toBe(200);
    expect((await server.post("subscriptions/delete", writeXml({ token, ...bot }), xml)).status).toBe(200);
    expect((await server.ask("subscriptions/get", bot)).status).toBe(404);
  });
});

describe("the transport", () => {
  test.each([
    "subscriptions/undelete",
    "subscriptions/undelete/",
    "/subscriptions/undelete",
    "/subscriptions//undelete//",
  ])("the path %s is accepted as it is", async (path) => {
    await using server = await start();
    expect(await server.post(`/api/v1.1/${path}`, { token, ...john })).toMatchObject({ status: 200 });
  });

  test("prefers the token in body, header and address, in order", async () => {
    await using server = await start();
    const bearer = (secret: string) => ({ ...json, authorization: `Bearer ${secret}` });
    const status = async (path: string, body: object, headers: Record<string, string>) =>
      (await server.post(path, { ...body, ...john }, headers)).status;
    expect(await status("subscriptions/undelete", {}, bearer(token))).toBe(200);
    expect(await status(`subscriptions/undelete?token=${token}`, {}, json)).toBe(200);
    expect(await status("subscriptions/undelete?token=x", {}, bearer(token))).toBe(200);
    await server.host.keys.create({ vendor: "altcraft", secret: "none", options: { methods: [] } });
    expect(await status("subscriptions/undelete", { token }, bearer("none"))).toBe(200);
    expect(await status("subscriptions/undelete", { token: "none" }, bearer(token))).toBe(403);
    expect(await status("subscriptions/undelete", { token: "" }, bearer(token))).toBe(200);
    expect(await status("subscriptions/undelete", { token }, bearer("x"))).toBe(401);
    expect(await status(`subscriptions/undelete?token=${token}`, { token: "x" }, bearer(token))).toBe(401);
  });

  test("replies in the requested format, else in the request's", async () => {
    await using server = await start();
    const inXml = writeXml({ token, ...john });
    const type = async (path: string, body: unknown, headers: Record<string, string>) =>
      (await server.post(path, body, headers)).type;
    const undelete = "subscriptions/undelete";
    expect(await type(undelete, { token, ...john }, json)).toBe("application/json");
    expect(await type(undelete, { token, format: "xml", ...john }, json)).toBe("application/xml");
    expect(await type(`${undelete}?format=xml`, { token, ...john }, json)).toBe("application/xml");
    expect(await type(`${undelete}?format=xml`, { token, format: "json", ...john }, json)).toBe("application/json");
    expect(await type(undelete, inXml, xml)).toBe("application/xml");
    expect(await type(undelete, inXml, { "content-type": "text/xml; charset=UTF-8" })).toBe("application/xml");
    // curl -d says that it sends a form.
    expect(await type(undelete, inXml, { "content-type": "application/x-www-form-urlencoded" })).toBe(
      "application/xml",
    );
    expect(await type(undelete, writeXml({ token, format: "json", ...john }), xml)).toBe("application/json");
    expect(await type(`${undelete}?format=json`, "<xml>", xml)).toBe("application/json");
  });

  test("rejects a body over its limit without reading it all", async () => {
    await using server = await start({ jsonBodyLimit: 1000, xmlBodyLimit: 300 });
    const reply = await server.post("subscriptions/undelete", { token, ...john, pad: "x".repeat(1000) });
    expect(reply).toMatchObject({
      status: 413,
      text: '{"error":413,"error_text":"Request body is too large: The body is larger than 1000 bytes"}',
    });
    expect(reply.headers.get("connection")).toBe("close");
    const inXml = writeXml({ token, ...john, pad: "x".repeat(200) });
    expect(await server.post("subscriptions/undelete", inXml, xml)).toMatchObject({ status: 413 });
    expect(await server.post("subscriptions/undelete", inXml, {})).toMatchObject({ status: 413 });
    expect(await server.ask("subscriptions/get", john)).toMatchObject({ status: 404 });
  });
});
