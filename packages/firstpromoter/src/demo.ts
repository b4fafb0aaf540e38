import type { Database } from "@reinstate/batch-core";
import type { CampaignState } from "./schemas.ts";
import type { NewPromoterRecord, PromoterStore } from "./store/store.ts";

/** The API keys of the demo accounts. */
export const demoKeys = [
  { vendor: "firstpromoter", account: "acc_demo", name: "demo", secret: "demo-firstpromoter-key" },
  {
    vendor: "firstpromoter",
    account: "acc_other",
    name: "demo, another account",
    secret: "demo-firstpromoter-other-key",
  },
];

const names = ["Ada", "Ben", "Chloe", "Dario", "Esra", "Finn", "Gala", "Hugo", "Iris", "Jonas"];
const families = ["Adler", "Brandt", "Costa", "Duval", "Eriksen", "Fischer", "Grant", "Horvat", "Ivanov", "Jansen"];
// Mostly accepted, with some other states, so that a restore visibly brings each state back.
const states: CampaignState[] = [
  "accepted",
  "accepted",
  "accepted",
  "pending",
  "accepted",
  "rejected",
  "accepted",
  "inactive",
];
const day = 86_400_000;
const begin = Date.UTC(2024, 0, 1);

/** A second campaign of the first account, for trying moves between campaigns. */
const partners = { id: 2, name: "Partners", color: "#0F766E" };

/**
 * Fills an empty table with the demo promoters: 1–1000 (1–900 archived) and, for another account, 2001–2010 (2001–2005 archived).
 * The first account has two campaigns; every twentieth of its promoters is in the second one.
 */
export async function loadDemo(database: Database, store: PromoterStore, now: number): Promise<void> {
  const db = database.tables<{ firstpromoter_promoters: { id: number } }>();
  const known = await db.selectFrom("firstpromoter_promoters").select("id").limit(1).executeTakeFirst();
  if (known) return;
  for (const [account, first, last, lastArchived] of [
    ["acc_demo", 1, 1000, 900],
    ["acc_other", 2001, 2010, 2005],
  ] as const) {
    const campaign = await store.defaultCampaign(account);
    const hasPartners = account === "acc_demo";
    if (hasPartners) await store.load(account, [], [partners], now);
    const pickCampaign = (id: number) => (hasPartners && id % 20 === 0 ? partners.id : campaign.id);
    const ids = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    await store.create(
      account,
      ids.map((id) => demoPromoter(id, pickCampaign(id), id <= lastArchived ? begin + 400 * day : null)),
      now,
    );
  }
}

function demoPromoter(id: number, campaignId: number, archivedAt: number | null): NewPromoterRecord {
  const first_name = names[id % 10] as string;
  const last_name = families[Math.floor(id / 10) % 10] as string;
  return {
    id,
    email: `${first_name}.${last_name}.${id}@example.com`,
    cust_id: `cust_${id}`,
    profile: { first_name, last_name, website: `https://example.com/${id}`, country: "US" },
    stats: {
      clicks_count: (id * 37) % 1000,
      referrals_count: id % 50,
      customers_count: id % 20,
      revenue_amount: id * 100,
    },
    joined_at: begin + (id % 365) * day,
    archived_at: archivedAt,
    campaigns: [{ campaign_id: campaignId, state: states[id % states.length]!, ref_token: `demo${id}` }],
  };
}
