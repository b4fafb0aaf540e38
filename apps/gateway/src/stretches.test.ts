import { silentLog, type Vendor } from "@reinstate/batch-core";
import {
  createTestHost,
  findStretchLimit,
  measureLongestStretch,
  repeatMeasurement,
  type TestHost,
} from "@reinstate/batch-core/testing";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { vendors } from "./all-vendors.ts";
import { readSettings } from "./config.ts";
import { createGateway, type Gateway } from "./gateway.ts";
import { demoProfile } from "./testing/demo-subscription.ts";

/** Milliseconds for which no call may hold the event loop: the largest bodies have 10 MB. */
const limitMs = findStretchLimit(10);

const admin = { authorization: "Bearer demo-admin-key", "content-type": "application/json" };
const promoter = {
  "content-type": "application/json",
  authorization: "Bearer demo-firstpromoter-key",
  "account-id": "acc_demo",
};
const token = "demo-altcraft-token";
const altcraft = { "content-type": "application/json" };
const restore = { operation: "firstpromoter.promoters.restore", account: "acc_demo", dry_run: true };
const undelete = { operation: "altcraft.subscriptions.undelete", dry_run: true };
const subscription = { ...demoProfile, channel: "email" };

const numbers = (count: number) => Array.from({ length: count }, (_, index) => ((index * 7919) % 1_000_003) + 1);
/** Repeats a text up to a number of megabytes. */
const fill = (unit: string, megabytes: number) => unit.repeat(Math.floor((megabytes * 1024 * 1024) / unit.length));

interface Call {
  path: string;
  headers: Record<string, string>;
  body: string;
}

const v1 = (batch: object): Call => ({ path: "/v1/batches", headers: admin, body: JSON.stringify(batch) });
const bulk = (body: string): Call => ({ path: "/api/v2/company/promoters/restore", headers: promoter, body });
const undeleteBatch = (body: string): Call => ({
  path: "/api/v1.1/subscriptions/undelete_batch",
  headers: altcraft,
  body,
});
const emails = (count: number) => numbers(count).map((id) => ({ ...subscription, email: `user${id}@example.com` }));

const calls: [string, () => Call][] = [
  ["/v1 with 500,000 ids", () => v1({ ...restore, items: numbers(500_000) })],
  ["/v1 with 60,000 subscriptions", () => v1({ ...undelete, items: emails(60_000) })],
  ["/v1 with 8 MB of a text", () => v1({ ...restore, items: [fill("x", 7.9)] })],
  ["/v1 with 8 MB of commas", () => ({ ...v1({}), body: `{"items":[${fill(",", 7.9)}]}` })],
  ["/v1 with 8 MB of wrong items", () => v1({ ...restore, items: Array.from({ length: 400_000 }, () => "") })],
  ["FirstPromoter with 120,000 ids", () => bulk(JSON.stringify({ ids: numbers(120_000) }))],
  [
    "FirstPromoter with 200,000 refused ids",
    () => bulk(JSON.stringify({ ids: numbers(100_000).map((id) => `x${id}`) })),
  ],
  ["FirstPromoter with 1 MB of nulls", () => bulk(`{"ids":[${fill("null,", 0.9)}1]}`)],
  [
    "FirstPromoter with a form of ids",
    () => ({
      ...bulk(""),
      headers: { ...promoter, "content-type": "application/x-www-form-urlencoded" },
      body: fill("ids[]=1&", 0.9),
    }),
  ],
  ["Altcraft with 1,000 subscriptions", () => undeleteBatch(JSON.stringify({ token, data: emails(1000) }))],
  [
    "Altcraft with 10 MB in one text",
    () => undeleteBatch(JSON.stringify({ token, data: [{ ...subscription, email: fill("x", 9.9) }] })),
  ],
  [
    "Altcraft with 10 MB of escapes",
    () => undeleteBatch(JSON.stringify({ token, data: [{ ...subscription, email: fill("\\", 4.9) }] })),
  ],
  ["Altcraft with 10 MB of blanks", () => undeleteBatch(`{"token":"${token}","data":[${fill(" ", 9.9)}]}`)],
  ["Altcraft with 10 MB of dry texts", () => undeleteBatch(JSON.stringify({ token, data: fill("dry", 9.9) }))],
  ["Altcraft with 10 MB of commas", () => undeleteBatch(`{"token":"${token}","data":[${fill(",", 9.9)}]}`)],
];

describe("event loop under a heavy call", () => {
  const database = sqliteDatabase();
  const settings = readSettings({
    env: {
      REINSTATE_DATABASE_URL: database.url,
      REINSTATE_DEMO: "true",
      REINSTATE_ROLE: "web",
      REINSTATE_ALTCRAFT_EXTENSIONS: "on",
      REINSTATE_FIRSTPROMOTER_RATE_LIMIT: "0",
    },
    vendors,
  });
  let gateway: Gateway;
  let importing: TestHost;

  beforeAll(async () => {
    gateway = await createGateway(settings, vendors, silentLog);
  }, 60_000);

  // The import registers its operations with a host of its own.
  beforeEach(async () => {
    importing = await createTestHost();
    return () => importing.close();
  });

  afterAll(async () => {
    await gateway.stop();
    await database[Symbol.asyncDispose]();
  });

  async function answer({ path, headers, body }: Call): Promise<number> {
    const response = await gateway.fetch(new Request(`http://localhost${path}`, { method: "POST", headers, body }));
    await response.text();
    return response.status;
  }

  const lines = (count: number, make: (id: number) => object) =>
    numbers(count)
      .map((id) => JSON.stringify(make(id)))
      .join("\n");

  test.each([
    ["firstpromoter", () => lines(5000, (id) => ({ email: `p${id}@example.com`, note: "n".repeat(200) }))],
    ["firstpromoter", () => lines(5000, (id) => ({ email: "wrong", id }))],
    ["altcraft", () => lines(5000, (id) => ({ ...subscription, email: `s${id}@example.com`, is_delete: true }))],
    ["altcraft", () => lines(5000, (id) => ({ ...subscription, email: id }))],
  ])("has short stretches: an import of %s", async (name, make) => {
    const vendor = vendors.find((vendor) => vendor.name === name) as Vendor;
    const instance = await vendor.create(importing, settings.vendors[name], { timeZone: "UTC" });
    const bytes = Buffer.from(make());
    async function* source() {
      for (let start = 0; start < bytes.length; start += 65_536) yield bytes.subarray(start, start + 65_536);
    }
    const account = vendor.accounts ? "acc_import" : "";
    const request = { format: "ndjson", account, options: {}, onRefused() {} } as const;
    const measure = async () => {
      const { result, longestMs } = await measureLongestStretch(() =>
        vendor.import!.run(importing, instance, source(), request),
      );
      expect(result.imported + result.refused).toBe(5000);
      return longestMs;
    };
    expect(await repeatMeasurement(limitMs, measure)).toBeLessThan(limitMs);
    await instance.closing?.();
  });

  test.each(calls)("has short stretches: %s", async (_, make) => {
    const call = make();
    const measure = async () => {
      const { result, longestMs } = await measureLongestStretch(() => answer(call));
      expect(result).toBeLessThan(500);
      return longestMs;
    };
    expect(await repeatMeasurement(limitMs, measure)).toBeLessThan(limitMs);
  });
});
