import { createTestHost } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { makeSubscription, storeContract } from "../testing.ts";
import { readInstallationId } from "./installation.ts";
import { createSqlStore } from "./sql-store.ts";
import type { SubscriptionStore } from "./store.ts";

const place = { db_id: 1, resource_id: 26, profile_id: "p1" };

describe.each(ledgerDatabases)("createSqlStore on $name", ({ open }) => {
  test.each(storeContract)("$name", async ({ check }) => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    await check(await createSqlStore(host.database));
  });

  test("stores one id of the installation", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    await createSqlStore(host.database);
    const id = await readInstallationId(host.database);
    await createSqlStore(host.database);
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await readInstallationId(host.database)).toBe(id);
  });

  test("rolls flags back with their transaction", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const store = await createSqlStore(host.database);
    const gone = makeSubscription({ ...place, channel: "sms", phone: "+79000000000" }, { is_delete: true });
    await store.addSubscriptions([gone]);
    const work = host.database.transaction(async (transaction) => {
      expect(await store.flag([gone], { is_delete: false, at: 1 }, transaction)).toEqual(["changed"]);
      throw new Error("undone");
    });
    await expect(work).rejects.toThrow("undone");
    expect(await store.find(gone)).toEqual(gone);
  });

  test("stores addresses of any length and script", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    const store = await createSqlStore(host.database);
    const odd = { ...place, profile_id: "я".repeat(64), channel: "push", provider: "ж" } as const;
    const long = ["a", "b"].map((end) =>
      makeSubscription({ ...odd, subscription_id: "€".repeat(4000) + end }, { is_delete: true }),
    );
    await store.addSubscriptions(long);
    expect(await store.flag(long, { is_delete: false, at: 1 })).toEqual(["changed", "changed"]);
    expect((await store.find(long[1] as (typeof long)[0]))?.fields).toEqual(long[1]?.fields);
  });
});

// The contract must catch a store that breaks a guarantee.
const faults: [string, (store: SubscriptionStore) => Partial<SubscriptionStore>][] = [
  [
    "flags every profile",
    (store) => ({
      flag: (keys, change) =>
        store.flag(
          keys.map((key) => ({ ...key, profile_id: "p2" })),
          change,
        ),
    }),
  ],
  ["reverses the results", (store) => ({ flag: async (keys, change) => (await store.flag(keys, change)).reverse() })],
  ["ignores deletedSince", (store) => ({ flag: (keys, { is_delete, at }) => store.flag(keys, { is_delete, at }) })],
  [
    "lists deleted subscriptions",
    (store) => ({ listProfile: (profile) => store.listProfile(profile, { deleted: true }) }),
  ],
  [
    "lists live subscriptions as deleted",
    (store) => ({
      listDeleted: (query) => store.listProfile({ ...query, profile_id: query.profile_id ?? "p1" }, { deleted: true }),
    }),
  ],
  [
    "ignores the cursor",
    (store) => ({ listDeleted: ({ after: _, ...query }) => store.listDeleted({ ...query, limit: query.limit - 1 }) }),
  ],
  [
    "finds profiles in every resource",
    (store) => ({ findProfiles: (db, addresses, { limit }) => store.findProfiles(db, addresses, { limit }) }),
  ],
  [
    "suspends outside the scope",
    (store) => ({ changeStatus: ({ db_id }, change) => store.changeStatus({ db_id }, change) }),
  ],
  ["does not edit", (store) => ({ put: (fresh) => store.put(fresh, (stored) => stored) })],
  ["adds no profile", (store) => ({ put: (fresh, edit) => store.put(fresh, edit) })],
  [
    "splits a profile between pages",
    (store) => ({ readPage: async (query) => (await store.readPage(query)).slice(0, query.limit) }),
  ],
  ["pages through every database", (store) => ({ readPage: ({ db_id: _, ...query }) => store.readPage(query) })],
  [
    "lists subscriptions past their retention",
    (store) => ({ listDeleted: ({ deletedSince: _, ...query }) => store.listDeleted(query) }),
  ],
];

test.each(faults)("catches a store that %s", async (_, fault) => {
  const results = await Promise.allSettled(
    storeContract.map(async ({ check }) => {
      await using host = await createTestHost();
      const store = await createSqlStore(host.database);
      await check({ ...store, ...fault(store) });
    }),
  );
  expect(results.filter(({ status }) => status === "rejected").length).toBeGreaterThan(0);
});
