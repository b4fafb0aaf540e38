import { createTestHost } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { createSqlStore } from "../store/sql-store.ts";
import type { StoredSubscription } from "../store/store.ts";
import { consentContract, makeSubscription } from "../testing.ts";
import type { ConsentStore } from "./consent-store.ts";
import { createSqlConsentStore } from "./sql-consent-store.ts";

const place = { db_id: 1, resource_id: 26, profile_id: "p1" };
const ann = { at: 1, actor: "k1", reason: "asked for", requested_by: "Ann" };

describe.each(ledgerDatabases)("createSqlConsentStore on $name", ({ open }) => {
  test.each(consentContract)("$name", async ({ check }) => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const store = await createSqlStore(host.database);
    await check(createSqlConsentStore(host.database), store);
  });

  test("adds a subscription again that is erased while it is set", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const store = await createSqlStore(host.database);
    const consent = createSqlConsentStore(host.database);
    const one = makeSubscription({ ...place, channel: "sms", phone: "+7" });
    const next = (stored: StoredSubscription) => ({ ...stored, priority: 1 });
    for (let round = 0; round < 40; round++) {
      await store.put(one, next);
      const erased = consent.erase(one, "d1", ann);
      await Promise.all([store.put(one, next), erased, store.put(one, next)]);
    }
    expect(await erasedTimes(consent)).toBe(40);
  });
});

const erasedTimes = async (consent: ConsentStore) =>
  (await consent.listEntries({ action: "erase", limit: 1000 })).length;

// The contract must catch a store that breaks a guarantee.
const consentFaults: [string, (store: ConsentStore) => Partial<ConsentStore>][] = [
  ["suppresses nothing", () => ({ suppress: async () => {} })],
  ["keeps an address suppressed", () => ({ unsuppress: async () => {} })],
  [
    "suppresses an address on every channel",
    (store) => ({
      areSuppressed: (addresses) =>
        store.areSuppressed(addresses.map(({ address }) => ({ channel: "email", address }))),
    }),
  ],
  [
    "reverses the addresses",
    (store) => ({ areSuppressed: async (keys) => (await store.areSuppressed(keys)).reverse() }),
  ],
  [
    "reports every status as subscribed",
    (store) => ({
      readStates: async (keys) => (await store.readStates(keys)).map((one) => one && { ...one, status: "subscribed" }),
    }),
  ],
  ["erases missing subscriptions", (store) => ({ erase: async (...given) => (await store.erase(...given)) || true })],
  ["stores no digest", () => ({ findErased: async () => new Set() })],
  [
    "logs no actor",
    (store) => ({ suppress: (addresses, audit) => store.suppress(addresses, { ...audit, requested_by: null }) }),
  ],
  ["logs oldest first", (store) => ({ listEntries: async (query) => (await store.listEntries(query)).reverse() })],
];

test.each(consentFaults)("catches a consent store that %s", async (_, fault) => {
  const results = await Promise.allSettled(
    consentContract.map(async ({ check }) => {
      await using host = await createTestHost();
      const store = await createSqlStore(host.database);
      const consent = createSqlConsentStore(host.database);
      await check({ ...consent, ...fault(consent) }, store);
    }),
  );
  expect(results.filter(({ status }) => status === "rejected").length).toBeGreaterThan(0);
});
