import { type ContractError, createTestHost, startVendor, vendorContract } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { altcraft } from "./index.ts";
import { demoParameters } from "./testing.ts";

const statuses: Record<ContractError, number> = {
  unauthorized: 401,
  not_found: 404,
  too_many_requests: 429,
  unavailable: 503,
  internal: 500,
};

const contract = vendorContract({
  vendor: altcraft,
  settings: { extensions: "on" },
  calls({ path }) {
    const body = demoParameters[path.replace("/api/v1.1/", "")];
    return body ? [{ path, body }] : [];
  },
  authorize: (token) => ({ authorization: `Bearer ${token}` }),
  isError(kind, { status, text }) {
    const { error, error_text: message } = JSON.parse(text);
    return status === statuses[kind] && error === status && typeof message === "string";
  },
  importedLine: JSON.stringify({ ...demoParameters["subscriptions/get"], email: "imported@example.com" }),
});

describe.each(ledgerDatabases)("Altcraft on $name", ({ open }) => {
  test.each(contract)("$name", async ({ check }) => {
    await using database = await open();
    await check(database.url);
  });
});

test("parses settings given as strings", () => {
  const settings = altcraft.settings.parse({ httpStatus: "always_200", notFoundError: "400", retentionDays: "30" });
  expect(settings).toMatchObject({ httpStatus: "always_200", notFoundError: 400, retentionDays: 30 });
  expect(altcraft.settings.parse({}).retentionDays).toBe("forever");
  expect(altcraft.settings.safeParse({ httpStatsu: "x" }).success).toBe(false);
});

test("parses key options given as text", () => {
  const read = (methods: string) => altcraft.keyOptions?.safeParse({ methods });
  expect(read("subscriptions/get, subscriptions/erase")?.data).toEqual({
    methods: ["subscriptions/get", "subscriptions/erase"],
  });
  expect(altcraft.keyOptions?.parse({})).toEqual({});
  for (const wrong of ["", "get", "subscriptions/get;profiles/get"]) expect(read(wrong)?.success, wrong).toBe(false);
});

test("loads all subscriptions or none", async () => {
  await using host = await createTestHost();
  const { load, store } = await altcraft.create(host, altcraft.settings.parse({}), { timeZone: "UTC" });
  const place = { db_id: 3, resource_id: 4, profile_id: "p" };
  const sms = { ...place, channel: "sms", phone: "+7900", status: "unsubscribed", is_delete: true } as const;
  await expect(load([sms, { ...place, channel: "email", email: "none" }])).rejects.toThrow(/is not an e-mail address/);
  expect(await store.hasProfile(place)).toBe(false);
  await load([sms]);
  expect(await store.findResource(4)).toEqual({ resource_id: 4, cats: null });
  expect(await store.listProfile(place, { deleted: true })).toMatchObject([
    { status: "unsubscribed", is_delete: true },
  ]);
});

test("restores the documented push subscription with the demo call", async () => {
  await using server = await startVendor(altcraft);
  const line = altcraft.demo.curl("http://127.0.0.1:8787");
  const [, url, type, body] = /^curl -X POST (\S+) -H 'Content-Type: (\S+)' -d '(.+)'$/.exec(line) ?? [];
  const printed = ["token", "db_id", "resource_id", "channel", "subscription_id", "profile_id", "provider"];
  expect(Object.keys(JSON.parse(body as string))).toEqual(printed);
  const headers = { "content-type": type as string };
  const reply = await server.fetch(url as string, { method: "POST", headers, body: body as string });
  expect(await reply.json()).toEqual({ data: null, error: 0, error_text: "Successful operation" });
});
