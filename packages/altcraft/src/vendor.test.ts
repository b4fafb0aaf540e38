import { createTestHost } from "@reinstate/batch-core/testing";
import { expect, test } from "vitest";
import { demoSubscriptions } from "./demo.ts";
import { altcraft } from "./index.ts";

test("settings arrive as strings", () => {
  const settings = altcraft.settings.parse({ httpStatus: "always200", notFoundError: "400", retentionDays: "30" });
  expect(settings).toMatchObject({ httpStatus: "always200", notFoundError: 400, retentionDays: 30 });
  expect(altcraft.settings.parse({}).retentionDays).toBe("forever");
  expect(altcraft.settings.safeParse({ httpStatsu: "x" }).success).toBe(false);
});

test("what is kept with a key arrives as text", () => {
  const read = (methods: string) => altcraft.keyOptions?.safeParse({ methods });
  expect(read("subscriptions/get, subscriptions/erase")?.data).toEqual({
    methods: ["subscriptions/get", "subscriptions/erase"],
  });
  expect(altcraft.keyOptions?.parse({})).toEqual({});
  for (const wrong of ["", "get", "subscriptions/get;profiles/get"]) expect(read(wrong)?.success, wrong).toBe(false);
});

test("the demo is loaded once, however often it is asked for", async () => {
  await using host = await createTestHost();
  const instance = await altcraft.create(host, altcraft.settings.parse({}), { timeZone: "UTC" });
  await altcraft.demo.load(host, instance);
  const place = { db_id: 1, profile_id: "507f1f77bcf86cd799439011" };
  const [first] = await instance.store.ofProfile(place, { deleted: true });
  await instance.store.flag([first as NonNullable<typeof first>], { is_delete: false, at: 1 });
  await altcraft.demo.load(host, instance);
  expect(await instance.store.ofProfile(place, { deleted: false })).toHaveLength(1);
  expect(await instance.store.ofProfile(place, { deleted: true })).toHaveLength(demoSubscriptions.length);
});

test("what is brought in is all valid or not there at all", async () => {
  await using host = await createTestHost();
  const { load, store } = await altcraft.create(host, altcraft.settings.parse({}), { timeZone: "UTC" });
  const place = { db_id: 3, resource_id: 4, profile_id: "p" };
  const sms = { ...place, channel: "sms", phone: "+7900", status: "unsubscribed", is_delete: true } as const;
  await expect(load([sms, { ...place, channel: "email", email: "none" }])).rejects.toThrow(/is not an e-mail address/);
  expect(await store.hasProfile(place)).toBe(false);
  await load([sms]);
  expect(await store.resource(4)).toEqual({ resource_id: 4, cats: null });
  expect(await store.ofProfile(place, { deleted: true })).toMatchObject([{ status: "unsubscribed", is_delete: true }]);
});

test("the demo call restores the documented push subscription", async () => {
  await using host = await createTestHost();
  const instance = await altcraft.create(host, altcraft.settings.parse({}), { timeZone: "UTC" });
  for (const key of altcraft.demo.keys) await host.keys.create(key);
  await altcraft.demo.load(host, instance);
  const line = altcraft.demo.curl("http://127.0.0.1:8787");
  const [, url, type, body] = /^curl -X POST (\S+) -H 'Content-Type: (\S+)' -d '(.+)'$/.exec(line) ?? [];
  const printed = ["token", "db_id", "resource_id", "channel", "subscription_id", "profile_id", "provider"];
  expect(Object.keys(JSON.parse(body as string))).toEqual(printed);
  const headers = { "content-type": type as string };
  const reply = await instance.routes.fetch(
    new Request(url as string, { method: "POST", headers, body: body as string }),
  );
  expect(await reply.json()).toEqual({ data: null, error: 0, error_text: "Successful operation" });
});
