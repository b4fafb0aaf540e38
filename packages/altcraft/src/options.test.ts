import { createTestHost } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { demoSubscriptions } from "./demo.ts";
import { demo, start } from "./fixtures/server.ts";
import { createAltcraft } from "./index.ts";
import { makeSubscription } from "./testing.ts";

const { place, john } = demo;
const done = { data: null, error: 0, error_text: "Successful operation" };

describe("settings", () => {
  test("always_200 keeps the code in the body alone", async () => {
    await using server = await start({ httpStatus: "always_200" });
    expect(await server.ask("subscriptions/get", john)).toEqual({
      status: 200,
      error: 404,
      error_text: "Subscription not found",
    });
  });

  test("codes, texts and shapes of the replies", async () => {
    await using server = await start({
      tokenRequiredText: "Token, please",
      unknownTokenError: 403,
      notFoundError: "400",
      errorReplyData: "null",
      deleteReplyData: "none",
      xmlDeclaration: "yes",
      xmlContentType: "text/xml; charset=utf-8",
      defaultFormat: "xml",
    });
    expect(await server.post("subscriptions/get", john)).toMatchObject({
      status: 401,
      type: "text/xml; charset=utf-8",
      text: '<?xml version="1.0" encoding="UTF-8" ?><xml><data/><error>401</error><error_text>Token, please</error_text></xml>',
    });
    const asked = { ...john, format: "json" };
    expect(await server.ask("subscriptions/get", { ...asked, token: "x" })).toMatchObject({ status: 403, data: null });
    expect(await server.ask("subscriptions/get", asked)).toMatchObject({ status: 400, error: 400, data: null });
    expect(await server.ask("subscriptions/delete", asked)).toEqual({
      status: 200,
      error: 0,
      error_text: done.error_text,
    });
  });

  test("unchanged: error", async () => {
    await using server = await start({ unchanged: "error" });
    expect(await server.ask("subscriptions/delete", john)).toEqual({
      status: 400,
      error: 400,
      error_text: "Incorrect request: Subscription is deleted already",
    });
  });

  test("setRevives: no; deletedInReads: shown", async () => {
    await using server = await start({ setRevives: "no", deletedInReads: "shown" });
    await server.ask("subscriptions/set", { ...john, priority: 5 });
    expect((await server.ask("subscriptions/get", john)).data.priority).toBe(5);
    expect((await server.server.store.listProfile(place, { deleted: false })).length).toBe(0);
    expect((await server.ask("subscriptions/list", place)).data).toHaveLength(demoSubscriptions.length);
  });

  test("unknownProfile: create; unknownParameters: refused", async () => {
    await using server = await start({ unknownProfile: "create", unknownParameters: "refused" });
    const stranger = { ...john, profile_id: "new" };
    expect(await server.ask("subscriptions/set", { ...stranger, skip_triggers: true })).toMatchObject({ status: 200 });
    expect((await server.ask("subscriptions/list", { db_id: 1, profile_id: "new" })).data).toHaveLength(1);
    // What is refused leaves no profile behind.
    const refused = { ...john, profile_id: "refused" };
    await server.server.store.addSubscriptions([makeSubscription(refused, { custom_fields: { word: "x" } })]);
    const incr = { ...refused, custom_fields: { word: { action: "incr" } } };
    expect(await server.ask("subscriptions/set", incr)).toMatchObject({ status: 400 });
    expect(await server.server.store.hasProfile(refused)).toBe(false);
    expect(await server.ask("subscriptions/delete", { ...stranger, skip_triggers: true })).toMatchObject({
      error_text: 'Incorrect request: field "skip_triggers": is not known here',
    });
  });

  test.each(ledgerDatabases)("texts of any characters in fields, with a new profile, on $name", async ({ open }) => {
    await using database = await open();
    await using server = await start({ unknownProfile: "create" }, database.url);
    const odd = {
      ...place,
      profile_id: "odd",
      channel: "mine",
      cc_data: { a: "\0\ud800" },
      custom_fields: { b: "\0\ud800'\"" },
    };
    expect(await server.ask("subscriptions/set", odd)).toMatchObject({ status: 200 });
    expect((await server.ask("subscriptions/get", odd)).data).toMatchObject({ custom_fields: odd.custom_fields });
    expect(await server.ask("subscriptions/delete", odd)).toMatchObject({ status: 200 });
    await server.server.load([
      { ...odd, profile_id: "odd2", is_delete: true },
      { ...odd, profile_id: "odd3" },
    ]);
    expect(await server.ask("subscriptions/undelete", { ...odd, profile_id: "odd2" })).toMatchObject({ status: 200 });
  });

  test("exact comparison", async () => {
    await using server = await start({ emailComparison: "exact", phoneComparison: "exact" });
    expect((await server.ask("subscriptions/undelete", { ...john, email: "John@example.com" })).status).toBe(404);
    const sms = { ...place, channel: "sms", phone: "+7 900 000-00-00" };
    expect((await server.ask("subscriptions/undelete", sms)).status).toBe(404);
    await using lenient = await start();
    expect((await lenient.ask("subscriptions/undelete", { ...john, email: "John@example.com " })).status).toBe(200);
    expect((await lenient.ask("subscriptions/undelete", sms)).status).toBe(200);
  });

  test("retentionDays ends the time in which a subscription comes back", async () => {
    await using server = await start({ retentionDays: "30", extensions: "on" });
    const old = { ...john, email: "old@example.com" };
    const stored = makeSubscription(old, { is_delete: true, at: 1000 });
    await server.server.store.addSubscriptions([stored]);
    expect((await server.ask("subscriptions/undelete", old)).status).toBe(404);
    expect((await server.ask("subscriptions/undelete", { db_id: 1, hash_id: stored.hash_id })).status).toBe(404);
    // Nor is it shown as what could come back.
    const { data } = await server.ask("subscriptions/list_deleted", { db_id: 1, channel: "email" });
    expect(data).toMatchObject([{ email: john.email }]);
    expect((await server.ask("subscriptions/undelete", john)).status).toBe(200);
  });

  test("a setting that is wrong is named", async () => {
    await using host = await createTestHost();
    await expect(createAltcraft(host, { httpStatus: "never" as never })).rejects.toThrow(
      /vendor altcraft: httpStatus: /,
    );
  });
});
