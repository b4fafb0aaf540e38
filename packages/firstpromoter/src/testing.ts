import assert from "node:assert/strict";
import type { LedgerTransaction } from "@reinstate/batch-core";
import { flagStoreContract } from "@reinstate/batch-core/testing";
import { type NewPromoterRecord, type PromoterQuery, type PromoterStore, UniqueViolation } from "./store/store.ts";

let promoterCount = 0;

/** Returns a promoter for a test: live, in no campaign, with a unique address. */
export function makePromoter(fields: Partial<NewPromoterRecord> = {}): NewPromoterRecord {
  promoterCount++;
  return {
    email: `promoter${promoterCount}@example.com`,
    profile: { first_name: "Test", last_name: `Number ${promoterCount}` },
    ...fields,
  };
}

const ascending = (ids: readonly number[]) => ids.toSorted((x, y) => x - y);

/** Returns the ids of a list in order. */
async function listIds(store: PromoterStore, query: Partial<PromoterQuery>): Promise<number[]> {
  const promoters = await store.list("a", { sorting: [], limit: 100, offset: 0, ...query });
  return promoters.map(({ id }) => id);
}

/** A store with empty tables, and a function that runs a transaction. */
export interface StoreUnderTest {
  store: PromoterStore;
  transaction<Result>(work: (transaction: LedgerTransaction) => Promise<Result>): Promise<Result>;
}

/**
 * The contract tests of a `PromoterStore`. Each check needs empty tables, and rejects if the store violates its guarantee.
 *
 * @example
 * for (const { name, check } of promoterStoreContract) test(name, async () => check(await openStore()));
 */
export const promoterStoreContract: { name: string; check(parts: StoreUnderTest): Promise<void> }[] = [
  ...flagStoreContract.map(({ name, check }) => ({
    name: `archive and restore: ${name}`,
    check: ({ store, transaction }: StoreUnderTest) =>
      check<number>({
        flags: { set: store.archive, clear: store.restore, undo: store.undoArchive },
        add: (account, count) =>
          store.create(
            account,
            Array.from({ length: count }, () => makePromoter()),
            1,
          ),
        absent: 4_000_000,
        flagOf: async (account, id) => (await store.find(account, "id", String(id)))?.archived_at ?? null,
        transaction,
      }),
  })),
  {
    name: "isolates accounts",
    async check({ store, transaction }) {
      const campaign = await store.defaultCampaign("b");
      const campaigns = [{ campaign_id: campaign.id, state: "pending" as const, ref_token: "token" }];
      const [theirs] = (await store.create("b", [makePromoter({ email: "x@example.com", campaigns })], 1)) as [number];
      const [ours] = (await store.create("a", [makePromoter({ email: "x@example.com" })], 1)) as [number];
      assert.notEqual(ours, theirs, "ids are one sequence over all accounts");
      for (const change of [store.archive, store.restore]) {
        assert.deepEqual(await transaction((t) => change("a", [theirs], 2, t)), { changed: [], unchanged: [] });
      }
      assert.deepEqual(await transaction((t) => store.readStates("a", [theirs], [campaign.id], t)), []);
      assert.deepEqual(await transaction((t) => store.lineage("a", theirs, t)), []);
      assert.deepEqual(await store.campaigns("a", [campaign.id]), []);
      await transaction((t) => store.setStates("a", [theirs], campaign.id, "blocked", t));
      await transaction((t) => store.setParent("a", [theirs], ours, 2, t));
      assert.equal(await store.update("a", theirs, { note: "seen" }, 2), false);
      assert.equal(await store.find("a", "id", String(theirs)), undefined);
      assert.equal(await store.find("a", "ref_token", "token"), undefined);
      assert.equal((await store.find("a", "email", "x@example.com"))?.id, ours);
      assert.equal(await store.countPending("a"), 0);
      assert.deepEqual(await listIds(store, { ids: [ours, theirs] }), [ours]);
      const untouched = await store.find("b", "id", String(theirs));
      assert.deepEqual([untouched?.archived_at, untouched?.note, untouched?.parent], [null, null, null]);
      assert.equal(untouched?.campaigns[0]?.state, "pending");
    },
  },
  {
    name: "restores a promoter with its earlier campaign states",
    async check({ store, transaction }) {
      const campaign = await store.defaultCampaign("a");
      const states = ["pending", "accepted", "rejected", "blocked", "inactive", "not_set"] as const;
      const records = states.map((state) => makePromoter({ campaigns: [{ campaign_id: campaign.id, state }] }));
      const ids = await store.create("a", records, 1);
      await transaction((t) => store.archive("a", ids, 2, t));
      assert.equal(await store.countPending("a"), 0, "an archived promoter is not pending");
      await transaction((t) => store.restore("a", ids, 3, t));
      const after = await store.list("a", { sorting: [{ by: "joined_at", direction: "asc" }], limit: 100, offset: 0 });
      assert.deepEqual(
        after.map(({ id }) => id),
        ids,
      );
      assert.deepEqual(
        after.map(({ campaigns }) => campaigns[0]?.state),
        [...states],
      );
      assert.equal(await store.countPending("a"), 1);
    },
  },
  {
    name: "keeps addresses and cust_ids unique, archived promoters included",
    async check({ store, transaction }) {
      const [id, other] = (await store.create(
        "a",
        [makePromoter({ email: "Taken@example.com", cust_id: "c1" }), makePromoter()],
        1,
      )) as [number, number];
      await transaction((t) => store.archive("a", [id], 2, t));
      const assertViolation = async (write: Promise<unknown>, fields: string[]) => {
        const error = await write.then(
          () => undefined,
          (error: unknown) => error,
        );
        assert.ok(UniqueViolation.is(error), "throws UniqueViolation");
        assert.deepEqual(error.fields, fields);
      };
      await assertViolation(store.create("a", [makePromoter({ email: "taken@EXAMPLE.com" })], 3), ["email"]);
      await assertViolation(store.create("a", [makePromoter({ cust_id: "c1" })], 3), ["cust_id"]);
      await assertViolation(store.update("a", other, { email: "taken@example.com" }, 3), ["email"]);
      assert.equal(await store.update("a", id, { email: "taken@example.com", note: "same address" }, 3), true);
      const fields = async () => (await store.find("a", "id", String(id)))?.custom_fields;
      await store.update("a", id, { custom_fields_changed: { tier: "gold" } }, 3);
      await store.update("a", id, { custom_fields_changed: { size: "L" } }, 3);
      assert.deepEqual(await fields(), { tier: "gold", size: "L" });
      await store.update("a", id, { custom_fields: { size: "M" } }, 3);
      assert.deepEqual(await fields(), { size: "M" });
      assert.deepEqual([await store.hasAccount("a"), await store.hasAccount("never")], [true, false]);
    },
  },
  {
    name: "lists newest first, by page, filtered and sorted",
    async check({ store, transaction }) {
      const records = [30, 10, 20].map((clicks_count, index) =>
        makePromoter({
          email: `l${index}@example.com`,
          stats: { clicks_count },
          profile: { first_name: `Name_${index}%` },
        }),
      );
      const [a, b, c] = (await store.create("a", records, 1)) as [number, number, number];
      await transaction((t) => store.archive("a", [b], 2, t));
      const ids = (query: Partial<PromoterQuery>) => listIds(store, query);
      assert.deepEqual(await ids({}), [c, b, a]);
      assert.deepEqual(await ids({ limit: 1, offset: 1 }), [b]);
      assert.deepEqual(await ids({ archived: true }), [b]);
      assert.deepEqual(await ids({ archived: false }), [c, a]);
      assert.deepEqual(await ids({ sorting: [{ by: "clicks_count", direction: "asc" }] }), [b, c, a]);
      assert.deepEqual(await ids({ sorting: [{ by: "clicks_count", direction: "desc" }] }), [a, c, b]);
      assert.deepEqual(await ids({ ranges: { clicks_count: { from: 20 } } }), [c, a]);
      assert.deepEqual(await ids({ ranges: { clicks_count: { from: 15, to: 25 } } }), [c]);
      assert.deepEqual(await ids({ ids: [a, b] }), [b, a]);
      assert.deepEqual(await ids({ ids: [] }), []);
      assert.deepEqual(await ids({ q: "NAME_1%" }), [b]);
      assert.deepEqual(await ids({ q: "Name%1" }), [], "q matches the wildcards of SQL literally");
    },
  },
  {
    name: "filters lists by every documented field",
    async check({ store }) {
      const records = [
        makePromoter({ profile: { w8_form_url: "https://example.com/w8" }, custom_fields: { tier: "Gold", age: 7 } }),
        makePromoter({ profile: { w9_form_url: "", website: '"w8_form_url":"x"' }, custom_fields: { tier: "golden" } }),
        makePromoter({
          fraud_suspicions: ["ad_source", "same_ip_suspicion"],
          custom_fields: { other: "Gold", a: "\0" },
        }),
        makePromoter({ invoice_details_status: "denied", subscribed_to_email: false }),
      ];
      const [a, b, c, d] = (await store.create("a", records, 1)) as [number, number, number, number];
      const ids = (query: Partial<PromoterQuery>) => listIds(store, query);
      assert.deepEqual(await ids({ hasForm: true }), [a]);
      assert.deepEqual(await ids({ hasForm: false }), [d, c, b]);
      assert.deepEqual(await ids({ subscribed: false }), [d]);
      assert.deepEqual(await ids({ invoiceStatus: "denied" }), [d]);
      assert.deepEqual(await ids({ fraudSuspicions: ["ad_source"] }), [c]);
      assert.deepEqual(await ids({ fraudSuspicions: ["same_ip_suspicion", null] }), [d, c, b, a]);
      assert.deepEqual(await ids({ fraudSuspicions: ["ad"] }), []);
      assert.deepEqual(await ids({ fraudSuspicions: [] }), []);
      const field = (key: string, value: string, partial = false) => ({ customFields: [{ key, value, partial }] });
      assert.deepEqual(await ids(field("tier", "Gold")), [a]);
      assert.deepEqual(await ids(field("tier", "gold", true)), [b, a]);
      assert.deepEqual(await ids(field("age", "7")), [a]);
      assert.deepEqual(await ids(field("tier", "%", true)), []);
      const nested = { list: ["a b"], map: { "x y": 'say "so"' }, text: 'a"b\\c' };
      const [e] = (await store.create("a", [makePromoter({ custom_fields: nested })], 1)) as [number];
      assert.deepEqual(await ids(field("list", '["a b"]')), [e]);
      assert.deepEqual(await ids(field("list", '"a B"', true)), [e]);
      assert.deepEqual(await ids(field("map", '"x Y"', true)), [e]);
      assert.deepEqual(await ids(field("text", 'a"b\\c')), [e]);
      assert.deepEqual(await ids(field("text", '"B\\', true)), [e]);
      const both = [...field("tier", "Gold").customFields, ...field("age", "8").customFields];
      assert.deepEqual(await ids({ customFields: both }), []);
    },
  },
  {
    name: "counts live pending promoters after every kind of change",
    async check({ store, transaction }) {
      const { id: campaign_id } = await store.defaultCampaign("a");
      const pendingIn = { campaigns: [{ campaign_id, state: "pending" as const }] };
      const records = [
        makePromoter(pendingIn),
        makePromoter(pendingIn),
        makePromoter(),
        makePromoter({ ...pendingIn, archived_at: 1 }),
      ];
      const [a, b, c, d] = (await store.create("a", records, 1)) as [number, number, number, number];
      const pending = () => store.countPending("a");
      assert.equal(await pending(), 2);
      await transaction((t) => store.archive("a", [a, c, d], 2, t, 7));
      assert.equal(await pending(), 1);
      await transaction((t) => store.undoArchive("a", [a, c, d], 7, 3, t));
      assert.equal(await pending(), 2);
      await transaction((t) => store.restore("a", [a, d], 3, t));
      assert.equal(await pending(), 3);
      await transaction((t) => store.setStates("a", [a, b], campaign_id, "accepted", t));
      assert.equal(await pending(), 1);
      await transaction((t) => store.addMemberships("a", [c], campaign_id, "pending", 4, t));
      assert.equal(await pending(), 2);
      await transaction((t) => store.setStates("a", [a, b, c], campaign_id, "pending", t));
      assert.equal(await pending(), 4);
      assert.equal(await store.countPending("b"), 0);
    },
  },
  {
    name: "changes a large set, all of it or a part",
    async check({ store, transaction }) {
      const { id: campaign_id } = await store.defaultCampaign("a");
      const records = Array.from({ length: 200 }, (_, n) =>
        makePromoter(n % 10 === 0 ? { campaigns: [{ campaign_id, state: "pending" as const }] } : {}),
      );
      const ids = await store.create("a", records, 1);
      const [theirs] = (await store.create("b", [makePromoter()], 1)) as [number];
      const none = await transaction((t) => store.restore("a", ids, 2, t));
      assert.deepEqual([none.changed, ascending(none.unchanged)], [[], ascending(ids)]);
      const all = await transaction((t) => store.archive("a", ids, 2, t, 7));
      assert.deepEqual([ascending(all.changed), all.unchanged], [ascending(ids), []]);
      assert.equal(await store.countPending("a"), 0);
      const odd = ids.filter((_, n) => n % 2 === 1);
      await transaction((t) => store.undoArchive("a", odd, 7, 3, t));
      assert.equal(await store.countPending("a"), 0);
      const rest = await transaction((t) => store.restore("a", [...ids, theirs, 999_999], 4, t));
      assert.deepEqual(ascending(rest.changed), ascending(ids.filter((id) => !odd.includes(id))));
      assert.deepEqual(ascending(rest.unchanged), ascending(odd));
      assert.equal(await store.countPending("a"), 20);
      await transaction((t) => store.archive("a", [...ids, theirs], 5, t, 8));
      assert.equal((await store.find("b", "id", String(theirs)))?.archived_at, null);
    },
  },
  {
    name: "finds ref tokens by q, later ones included",
    async check({ store, transaction }) {
      const { id: campaign_id } = await store.defaultCampaign("a");
      const campaigns = [{ campaign_id, state: "accepted" as const, ref_token: "FirstToken" }];
      const [a, b] = (await store.create("a", [makePromoter({ campaigns }), makePromoter()], 1)) as [number, number];
      await transaction((t) => store.addMemberships("a", [b], campaign_id, "accepted", 2, t));
      const token = (await store.find("a", "id", String(b)))?.campaigns[0]?.ref_token as string;
      await store.update("a", a, { profile: { first_name: "Other" } }, 3);
      await store.update("a", b, { email: "new@example.com" }, 3);
      const ids = (q: string) => listIds(store, { q });
      assert.deepEqual(await ids("sttok"), [a]);
      assert.deepEqual(await ids(token), [b]);
      assert.deepEqual(await ids("other"), [a]);
    },
  },
];
