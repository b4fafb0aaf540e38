import { openDatabase } from "@reinstate/batch-core";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import { campaignState } from "../schemas.ts";
import { makePromoter } from "../testing.ts";
import { createSqlStore } from "./sql-store.ts";
import type { NewPromoterRecord, PromoterFilter, PromoterQuery, PromoterRecord, Sorting } from "./store.ts";

// More than the candidate limit, so that every index path runs.
const size = 1_300;

/** Returns a generator of reproducible numbers. */
function createDice(seed: number) {
  let state = seed;
  return (sides: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

const words = ["ada", "Grace", "zq", "Ωmega", "50%_off", 'a"b\\c', "é", "rarebird"];
const values = ["gold", "GOLD bar", '1"2', "7", "true", "zq", "Ωmega", "-3.5"];

/** Makes a promoter: one in a hundred has rare values, every other one a common value. */
function randomPromoter(dice: (sides: number) => number, campaigns: number[]): NewPromoterRecord {
  const rarely = dice(100) === 0;
  const field = values[dice(values.length)] as string;
  const word = rarely ? "rarebird" : (words[dice(words.length - 1)] as string);
  return makePromoter({
    profile: { first_name: word, ...(rarely && { w9_form_url: "https://example.com/w9" }) },
    custom_fields:
      dice(3) === 0 ? null : { tier: dice(10) === 0 ? Number(field) || true : field, 'k"ey': rarely ? "rare" : "x" },
    stats: { clicks_count: dice(1_000), revenue_amount: dice(20) },
    joined_at: 1_000 + dice(500),
    last_login_at: dice(2) === 0 ? null : dice(1_000),
    archived_at: dice(10) === 0 ? null : 5,
    fraud_suspicions: rarely ? ["ad_source"] : dice(3) === 0 ? ["same_ip_suspicion", "ad_source"] : [],
    invoice_details_status: rarely ? "denied" : dice(2) === 0 ? "approved" : "pending",
    subscribed_to_email: !rarely,
    campaigns: campaigns
      .filter((_, index) => dice(index === 2 ? 50 : 2) === 0)
      .map((campaign_id) => ({ campaign_id, state: campaignState.options[rarely ? 3 : dice(2)]! })),
  });
}

function randomQuery(dice: (sides: number) => number, campaigns: number[], parents: number[]): PromoterQuery {
  const one = <T>(of: readonly T[]) => of[dice(of.length)] as T;
  const filter: PromoterFilter = {};
  const conditions: (() => void)[] = [
    () =>
      (filter.q = one([
        ...words,
        "a",
        "o",
        "~",
        "@example",
        "rareb",
        "nothere",
        "te",
        "r7@example.com",
        "moter12@example.com",
      ]).toLowerCase()),
    () => (filter.state = one(campaignState.options)),
    () => (filter.campaignIds = one([[campaigns[0]!], [campaigns[2]!], campaigns, [9_999]])),
    () => (filter.parentId = one(parents)),
    () =>
      (filter.ranges = {
        clicks_count: one([{ from: 995 }, { from: 100 }, { to: -1 }]),
        last_login_at: one([{ to: 900 }, { to: 3 }, {}]),
      }),
    () => (filter.hasForm = one([true, false])),
    () => (filter.subscribed = one([true, false])),
    () => (filter.invoiceStatus = one(["denied", "approved", "nothing"])),
    () => (filter.fraudSuspicions = one([["ad_source"], ["same_promoter_email"], [null], ["ad_source", null]])),
    () =>
      (filter.customFields = [
        { key: one(["tier", 'k"ey']), value: one([...values, "rare", "old", "no"]), partial: one([true, false]) },
      ]),
  ];
  for (let left = 1 + dice(2); left > 0; left--) one(conditions)();
  const archived = one([true, false, undefined]);
  if (archived !== undefined) filter.archived = archived;
  if (archived !== false && dice(2) === 0) filter.archivedAs = "blocked";
  const sorting: Sorting[] = one([
    [],
    [],
    [{ by: "clicks_count", direction: "desc" }],
    [{ by: "revenue_amount", direction: "asc" }],
  ] as const).slice();
  return { ...filter, sorting, limit: one([1, 20, 100]), offset: one([0, 0, 7]) };
}

/** Evaluates the filter on one promoter without a database. */
function passes(promoter: PromoterRecord, filter: PromoterFilter): boolean {
  const { archived_at, profile, campaigns } = promoter;
  const within = (value: number | null, { from, to }: { from?: number; to?: number } = {}) =>
    (from === undefined && to === undefined) || (value !== null && value >= (from ?? value) && value <= (to ?? value));
  const text = [
    promoter.email,
    profile.first_name,
    profile.last_name,
    ...campaigns.map(({ ref_token }) => ref_token),
  ].join(" ");
  const shown = (state: string) => (archived_at !== null && filter.archivedAs ? filter.archivedAs : state);
  // SQLite's `like` ignores case for ASCII letters only.
  const small = (of: string) => of.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return [
    filter.archived === undefined || filter.archived === (archived_at !== null),
    filter.q === undefined || text.toLowerCase().includes(filter.q),
    (filter.state === undefined && !filter.campaignIds) ||
      campaigns.some(
        (place) =>
          (filter.state === undefined || shown(place.state) === filter.state) &&
          (!filter.campaignIds || filter.campaignIds.includes(place.campaign_id)),
      ),
    filter.parentId === undefined || promoter.parent?.id === filter.parentId,
    within(promoter.clicks_count, filter.ranges?.clicks_count),
    within(promoter.last_login_at, filter.ranges?.last_login_at),
    filter.hasForm === undefined || filter.hasForm === Boolean(profile.w9_form_url),
    filter.subscribed === undefined || filter.subscribed === promoter.subscribed_to_email,
    filter.invoiceStatus === undefined || filter.invoiceStatus === promoter.invoice_details_status,
    !filter.fraudSuspicions ||
      filter.fraudSuspicions.some((name) =>
        name === null ? promoter.fraud_suspicions.length === 0 : promoter.fraud_suspicions.includes(name),
      ),
    (filter.customFields ?? []).every(({ key, value, partial }) => {
      const has = promoter.custom_fields?.[key];
      if (has === undefined) return false;
      return partial ? small(String(has)).includes(small(value)) : String(has) === value;
    }),
  ].every(Boolean);
}

describe.each(ledgerDatabases)("pages on $name", ({ open }) => {
  test("hold the matching promoters in order, whichever index runs", async () => {
    await using file = await open();
    const database = openDatabase(file.url);
    try {
      const store = await createSqlStore(database);
      const dice = createDice(7);
      await store.load("b", [makePromoter({ email: "rarebird@b.example", profile: { first_name: "zq" } })], [], 1);
      const named = [11, 12, 13].map((id) => ({ id, name: `Campaign ${id}`, color: "#000" }));
      await store.load("a", [], named, 1);
      const campaigns = named.map(({ id }) => id);
      const ids = await store.create(
        "a",
        Array.from({ length: size }, () => randomPromoter(dice, campaigns)),
        1,
      );
      const parents = [ids[0]!, ids[1]!, ids[2]!];
      await database.transaction(async (t) => {
        await store.setParent("a", ids.slice(600, 603), parents[0]!, 1, t);
        await store.setParent("a", ids.slice(603), parents[1]!, 1, t);
      });
      const all: PromoterRecord[] = [];
      for (let offset = 0; offset < size; offset += 100) {
        all.push(...(await store.list("a", { sorting: [], limit: 100, offset })));
      }
      expect(all.map(({ id }) => id)).toEqual(ids.toReversed());
      let found = 0;
      for (let turn = 0; turn < 400; turn++) {
        const query = randomQuery(dice, campaigns, parents);
        const [by] = query.sorting;
        const expected = all
          .filter((promoter) => passes(promoter, query))
          .sort((a, b) => {
            const one = by ? a[by.by] - b[by.by] || a.id - b.id : b.id - a.id;
            return by?.direction === "desc" ? -one : one;
          })
          .slice(query.offset, query.offset + query.limit);
        const page = await store.list("a", query);
        expect(
          page.map(({ id }) => id),
          JSON.stringify(query),
        ).toEqual(expected.map(({ id }) => id));
        if (page.length > 0) found++;
      }
      // A filter that no promoter passes proves little.
      expect(found).toBeGreaterThan(100);
    } finally {
      await database.close();
    }
  });
});
