import { deepStrictEqual as equal } from "node:assert";
import type { ConsentStore } from "./consent/port.ts";
import { altcraftOptions } from "./options.ts";
import type { SubscriptionIdentity } from "./schemas/identity.ts";
import type { SubscriptionChanges } from "./schemas/requests.ts";
import type { StoredSubscription, SubscriptionStore } from "./store/store.ts";
import { newSubscription } from "./subscriptions/rules.ts";

/** Returns a subscription as the store holds it under the default settings. `at` is its time in milliseconds. */
export function makeSubscription(
  identity: SubscriptionIdentity,
  { is_delete = false, at = 0, ...changes }: SubscriptionChanges & { is_delete?: boolean; at?: number } = {},
): StoredSubscription {
  const made = newSubscription(identity, changes, at, altcraftOptions.parse({}));
  return { ...made, is_delete, deleted_at: is_delete ? at : null };
}

/** A guarantee of stores. `check` takes an empty store and throws if the guarantee is broken. */
export type StorePromise = { name: string; check(store: SubscriptionStore): Promise<void> };

const person = (n: number, profile_id = "p1") =>
  ({ db_id: 1, resource_id: 26, profile_id, channel: "email", email: `p${n}@example.com` }) as const;

/** Guarantees of every subscription store. Run them in an adapter's tests with `test.each(storeContract)(...)`. */
export const storeContract: readonly StorePromise[] = [
  {
    name: "returns a subscription as it was added",
    async check(store) {
      const full = makeSubscription(person(1), {
        status: "complained",
        priority: 0,
        custom_fields: { text: "ж", list: [1, "2"], deep: { yes: true } },
        cats: ["news"],
        date: "2026-01-02T03:04:05+03:00",
        ip: "192.0.2.1",
        url: "https://example.com/?a=b&c",
        is_delete: true,
        at: 1_700_000_000_000,
      });
      const bare = makeSubscription({ ...person(2), channel: "email" });
      await store.addSubscriptions([full, bare]);
      equal(await store.find(full), full);
      equal(await store.find(bare), bare);
      equal(await store.find({ ...full, resource_id: 27 }), undefined);
    },
  },
  {
    name: "keeps existing records when adding",
    async check(store) {
      const first = makeSubscription(person(1), { priority: 1 });
      await store.addSubscriptions([first]);
      await store.addSubscriptions([{ ...first, priority: 2 }, makeSubscription(person(2))]);
      equal((await store.find(first))?.priority, 1);
      await store.addProfiles([{ db_id: 1, profile_id: "p1" }]);
      await store.addProfiles([{ db_id: 1, profile_id: "p1" }]);
      await store.addResources([{ resource_id: 26, cats: ["a"] }]);
      await store.addResources([{ resource_id: 26, cats: null }]);
      equal(await store.findResource(26), { resource_id: 26, cats: ["a"] });
      equal(await store.findResource(27), undefined);
      equal(await store.hasProfile({ db_id: 1, profile_id: "p1" }), true);
      equal(await store.hasProfile({ db_id: 2, profile_id: "p1" }), false);
      equal(await store.hasDatabase(1), true);
      equal(await store.hasDatabase(2), false);
    },
  },
  {
    name: "flags keys in order and changes only flag and times",
    async check(store) {
      const live = makeSubscription(person(1), { priority: 4, status: "invalid" });
      const deleted = makeSubscription(person(2), { is_delete: true, at: 7 });
      const elsewhere = makeSubscription(person(2, "p2"), { is_delete: true, at: 7 });
      const absent = makeSubscription(person(3));
      await store.addSubscriptions([live, deleted, elsewhere]);
      equal(await store.flag([absent, deleted, live], { is_delete: false, at: 9 }), [
        "missing",
        "changed",
        "unchanged",
      ]);
      equal(await store.find(deleted), { ...deleted, is_delete: false, deleted_at: null, updated_at: 9 });
      equal(await store.find(live), live);
      equal(await store.find(elsewhere), elsewhere);
      equal(await store.flag([live, elsewhere], { is_delete: true, at: 10 }), ["changed", "unchanged"]);
      equal(await store.find(live), { ...live, is_delete: true, deleted_at: 10, updated_at: 10 });
      equal(await store.find(elsewhere), elsewhere);
    },
  },
  {
    name: "reports each change once when callers flag concurrently",
    async check(store) {
      const people = Array.from({ length: 400 }, (_, n) => makeSubscription(person(n), { is_delete: true }));
      await store.addSubscriptions(people);
      const results = await Promise.all(
        Array.from({ length: 8 }, (_, caller) => {
          const keys = caller % 2 === 0 ? people : people.toReversed();
          return store.flag(keys, { is_delete: false, at: caller });
        }),
      );
      equal(results.flat().filter((word) => word === "changed").length, 400);
      equal(results.flat().filter((word) => word === "missing").length, 0);
    },
  },
  {
    name: "never reports an existing subscription as missing",
    async check(store) {
      const people = [person(1), person(2)].map((one) => makeSubscription(one));
      await store.addSubscriptions(people);
      const rounds = Array.from({ length: 60 }, (_, at) => async () => {
        const results = await Promise.all(
          Array.from({ length: 8 }, (_, n) =>
            store.flag(n < 6 ? people.slice(0, 1) : people, { is_delete: (n + at) % 2 === 0, at }),
          ),
        );
        equal(results.flat().filter((word) => word === "missing").length, 0);
      });
      for (const round of rounds) await round();
    },
  },
  {
    name: "treats subscriptions deleted before deletedSince as missing",
    async check(store) {
      const old = makeSubscription(person(1), { is_delete: true, at: 10 });
      await store.addSubscriptions([old]);
      equal(await store.flag([old], { is_delete: false, at: 99, deletedSince: 11 }), ["missing"]);
      equal(await store.flag([old], { is_delete: false, at: 99, deletedSince: 10 }), ["changed"]);
    },
  },
  {
    name: "lists a profile in order, deleted ones on request",
    async check(store) {
      const [a, b, c] = [person(1), person(2), { ...person(0), resource_id: 27 }].map((it) => makeSubscription(it));
      const gone = makeSubscription(person(3), { is_delete: true });
      await store.addSubscriptions([c, gone, b, a, makeSubscription(person(1, "p2"))] as StoredSubscription[]);
      const profile = { db_id: 1, profile_id: "p1" };
      equal(await store.listProfile(profile, { deleted: false }), [a, b, c]);
      equal(await store.listProfile(profile, { deleted: true }), [a, b, gone, c]);
    },
  },
  {
    name: "pages through deleted subscriptions by key and filter",
    async check(store) {
      const gone = Array.from({ length: 7 }, (_, n) =>
        makeSubscription({ ...person(n, `p${n % 3}`), resource_id: 26 + (n % 2) }, { is_delete: true, at: n }),
      );
      const order = (one: StoredSubscription) => `${one.profile_id} ${one.resource_id} ${one.address}`;
      const inOrder = gone.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
      await store.addSubscriptions([...gone, makeSubscription(person(9))]);
      const seen: StoredSubscription[] = [];
      // Bounded, so that a store that returns pages for ever fails here.
      for (let page = 0; page < 3; page++) {
        seen.push(...(await store.listDeleted({ db_id: 1, after: seen.at(-1), limit: 3 })));
      }
      equal(seen, inOrder);
      const only = (query: object) => store.listDeleted({ db_id: 1, limit: 99, ...query });
      equal(await only({ db_id: 2 }), []);
      equal(await only({ channel: "sms" }), []);
      equal(
        await only({ resource_id: 27 }),
        inOrder.filter(({ resource_id }) => resource_id === 27),
      );
      equal(
        await only({ profile_id: "p1" }),
        inOrder.filter(({ profile_id }) => profile_id === "p1"),
      );
      equal(await only({ hash_id: gone[4]?.hash_id }), [gone[4]]);
      equal(
        await only({ deletedSince: 4 }),
        inOrder.filter(({ deleted_at }) => (deleted_at ?? 0) >= 4),
      );
    },
  },
  {
    name: "pages through a resource without splitting a profile",
    async check(store) {
      const crowd = Array.from({ length: 10 }, (_, n) =>
        makeSubscription({ ...person(n, `p${n % 4}`) }, { status: n % 2 === 0 ? "subscribed" : "suspended" }),
      );
      const gone = makeSubscription(person(20, "p1"), { is_delete: true });
      const sms = makeSubscription({ ...person(0, "p2"), channel: "sms", phone: "+7" });
      const otherDb = makeSubscription({ ...person(30, "p2"), db_id: 2 });
      const otherResource = makeSubscription({ ...person(31, "p2"), resource_id: 27 });
      await store.addSubscriptions([...crowd, gone, sms, otherDb, otherResource].reverse());
      const order = (one: StoredSubscription) => `${one.profile_id} ${one.db_id} ${one.channel} ${one.address}`;
      const sorted = (list: StoredSubscription[]) => list.toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
      const all = sorted([...crowd, sms, otherDb]);
      const page = (query: object) => store.readPage({ resource_id: 26, limit: 99, deleted: false, ...query });
      equal(await page({}), all);
      equal(await page({ deleted: true }), sorted([...all, gone]));
      const seen: StoredSubscription[] = [];
      // Bounded, so that a store that returns pages for ever fails here.
      for (let count = 0; count < 4; count++) {
        const next = await page({ limit: 2, after: seen.at(-1)?.profile_id });
        equal(next.length >= 2, true);
        equal(new Set(next.map(({ profile_id }) => profile_id)).size, 1);
        seen.push(...next);
      }
      equal(seen, all);
      equal(await page({ after: "p3" }), []);
      equal(await page({ db_id: 2 }), [otherDb]);
      equal(await page({ channel: "sms" }), [sms]);
      equal(
        await page({ status: "suspended" }),
        all.filter(({ status }) => status === "suspended"),
      );
      equal(await page({ resource_id: 27 }), [otherResource]);
    },
  },
  {
    name: "finds profiles by address, deleted or not",
    async check(store) {
      const [a, b] = [person(1, "b"), person(1, "a")].map((one, n) => makeSubscription(one, { is_delete: n === 0 }));
      const elsewhere = makeSubscription({ ...person(2, "c"), resource_id: 27 });
      await store.addSubscriptions([a, b, elsewhere] as StoredSubscription[]);
      const address = { channel: "email", address: "p1@example.com" };
      const other = { channel: "email", address: "p2@example.com" };
      equal(await store.findProfiles(1, [address], { limit: 9 }), ["a", "b"]);
      equal(await store.findProfiles(1, [address], { limit: 1 }), ["a"]);
      equal(await store.findProfiles(1, [address, other], { limit: 9, resource_id: 27 }), ["c"]);
      equal(await store.findProfiles(1, [{ ...address, channel: "sms" }], { limit: 9 }), []);
      equal(await store.findProfiles(2, [address], { limit: 9 }), []);
    },
  },
  {
    name: "changes a status within its scope without deadlocks",
    async check(store) {
      const people = Array.from({ length: 300 }, (_, n) => makeSubscription(person(n), { is_delete: n % 3 === 0 }));
      await store.addSubscriptions(people);
      const change = { from: "subscribed", to: "suspended", at: 5 } as const;
      equal(await store.changeStatus({ db_id: 2 }, { ...change, deleted: true }), 0);
      equal(await store.changeStatus({ db_id: 1, resource_id: 27 }, { ...change, deleted: true }), 0);
      const back = { ...change, from: change.to, to: change.from };
      await Promise.all(
        Array.from({ length: 6 }, (_, caller) =>
          caller % 2 === 0
            ? store.flag(people.toReversed(), { is_delete: caller === 0, at: caller })
            : store.changeStatus({ db_id: 1, channel: "email" }, { ...(caller === 1 ? change : back), deleted: true }),
        ),
      );
      await store.changeStatus({ db_id: 1 }, { ...back, deleted: true });
      await store.flag(people, { is_delete: false, at: 7 });
      equal(await store.changeStatus({ db_id: 1 }, { ...change, deleted: false }), 300);
    },
  },
  {
    name: "inserts a free key once, then edits it serially",
    async check(store) {
      const start = makeSubscription(person(1), { priority: 1 });
      const next = (stored: StoredSubscription) => ({ ...stored, priority: (stored.priority ?? 0) + 1 });
      await Promise.all(Array.from({ length: 10 }, () => store.put(start, next)));
      equal((await store.find(start))?.priority, 10);
      equal((await store.listProfile(start, { deleted: true })).length, 1);
    },
  },
  {
    name: "puts the profile with the subscription, or neither",
    async check(store) {
      const one = makeSubscription(person(1));
      const same = (stored: StoredSubscription) => stored;
      await store.put(one, same);
      equal(await store.hasProfile(one), false);
      const thrown = await store
        .put(
          one,
          () => {
            throw new Error("no");
          },
          { withProfile: true },
        )
        .catch(({ message }: Error) => message);
      equal(thrown, "no");
      equal(await store.hasProfile(one), false);
      await store.put(one, same, { withProfile: true });
      equal(await store.hasProfile(one), true);
    },
  },
];

/** A guarantee of consent stores. Both stores share one empty database; `check` throws if the guarantee is broken. */
export type ConsentPromise = { name: string; check(consent: ConsentStore, store: SubscriptionStore): Promise<void> };

const ann = { actor: "k1", reason: "asked for", requested_by: "Ann" };

/** Guarantees of every consent store. */
export const consentContract: readonly ConsentPromise[] = [
  {
    name: "matches the suppression list by channel and address",
    async check(consent, store) {
      const [one, two] = [makeSubscription(person(1), { status: "complained" }), makeSubscription(person(2))];
      await store.addSubscriptions([one, two]);
      await consent.suppress([two, { channel: "sms", address: one.address }], { at: 1, ...ann });
      await consent.suppress([two], { at: 2, ...ann });
      equal(await consent.readStates([makeSubscription(person(3)), two, one]), [
        undefined,
        { status: "subscribed", suppressed: true },
        { status: "complained", suppressed: false },
      ]);
      const elsewhere = { channel: "sms", address: two.address };
      equal(await consent.areSuppressed([elsewhere, two, one, two]), [false, true, false, true]);
      equal(await consent.areSuppressed([one]), [false]);
      equal(await consent.areSuppressed([]), []);
      await consent.unsuppress([two], { at: 3, ...ann });
      equal(await consent.areSuppressed([two]), [false]);
      equal(await consent.readStates([two]), [{ status: "subscribed", suppressed: false }]);
    },
  },
  {
    name: "erases a subscription and keeps its digest",
    async check(consent, store) {
      const [one, two] = [makeSubscription(person(1), { is_delete: true }), makeSubscription(person(2))];
      await store.addSubscriptions([one, two]);
      const erasure = { at: 1, ...ann };
      equal(await consent.erase(one, "d1", erasure), true);
      equal(await consent.erase(one, "d1", erasure), false);
      equal(await store.find(one), undefined);
      equal(await store.find(two), two);
      equal(await consent.findErased(["d1", "d2"]), new Set(["d1"]));
      equal(await consent.findErased([]), new Set());
      await store.addSubscriptions([one]);
      equal(await consent.erase(one, "d1", { ...erasure, at: 2 }), true);
    },
  },
  {
    name: "pages through the consent log, newest first",
    async check(consent, store) {
      const [one, two] = [makeSubscription(person(1)), makeSubscription(person(2))];
      await store.addSubscriptions([one]);
      const anonymous = { actor: null, reason: null, requested_by: null };
      const phones = ["sms", "viber"].map((channel) => ({ channel, address: "+7" }));
      await consent.suppress([one], { at: 1, ...ann });
      await consent.suppress(phones, { at: 2, ...anonymous });
      await consent.unsuppress([one], { at: 3, ...ann, reason: "a slip" });
      await consent.erase(one, "d1", { at: 4, ...ann });
      await consent.erase(two, "d2", { at: 5, ...ann });
      const all = await consent.listEntries({ limit: 9 });
      const email = { channel: "email", subject: one.address };
      equal(
        all.map(({ id: _, ...entry }) => entry),
        [
          { action: "erase", channel: null, subject: "d1", at: 4, ...ann },
          { action: "unsuppress", ...email, at: 3, ...ann, reason: "a slip" },
          { action: "suppress", channel: "sms", subject: "+7", at: 2, ...anonymous },
          { action: "suppress", ...email, at: 1, ...ann },
        ],
      );
      equal(await consent.listEntries({ limit: 2 }), all.slice(0, 2));
      equal(await consent.listEntries({ limit: 9, before: all[1]?.id }), all.slice(2));
      equal(await consent.listEntries({ limit: 9, address: one }), [all[1], all[3]]);
      equal(await consent.listEntries({ limit: 9, action: "suppress" }), all.slice(2));
    },
  },
];

const profile = { db_id: 1, profile_id: "507f1f77bcf86cd799439011" };
const john = { ...profile, resource_id: 26, channel: "email", email: "john@example.com" };
const address = { phone: "+79000000000", reason: "asked" };

/** Valid parameters of each method on the demo records, by method name. */
export const demoParameters: Readonly<Record<string, object>> = {
  "subscriptions/undelete": john,
  "subscriptions/delete": john,
  "subscriptions/set": john,
  "subscriptions/get": john,
  "subscriptions/list": profile,
  "subscriptions/list_all": { resource_id: 26 },
  "subscriptions/suspend_all": { db_id: 1, channel: "email" },
  "subscriptions/unsuspend_all": { db_id: 1, channel: "email" },
  "profiles/get": { db_id: 1, email: john.email },
  "subscriptions/undelete_batch": { data: [john] },
  "subscriptions/list_deleted": { db_id: 1 },
  "subscriptions/erase": { ...john, reason: "asked" },
  "subscriptions/suppress": address,
  "subscriptions/unsuppress": address,
  "subscriptions/list_consent": {},
};
