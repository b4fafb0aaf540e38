import type { Database } from "@reinstate/batch-core";
import { type Kysely, sql } from "kysely";
import { insertPromoters } from "./insert.ts";
import type { CampaignRecord, NewPromoterRecord } from "./store.ts";
import type { Tables } from "./tables.ts";

type Db = Kysely<Tables>;

/** One set of promoters from elsewhere, in one transaction: those for whom nothing is in the way, and why not the others. */
export async function loadPromoters(
  database: Database,
  on: Db,
  {
    account,
    given,
    campaigns,
    now,
  }: { account: string; given: readonly NewPromoterRecord[]; campaigns: readonly CampaignRecord[]; now: number },
): Promise<({ id: number } | { fault: string })[]> {
  const ours = await ownCampaigns(database, on, account, campaigns);
  const taken = await readUsedValues(database, on, account, given);
  const faults = given.map((promoter) => findFault(promoter, taken, ours));
  const free = given.filter((_, index) => faults[index] === undefined);
  const ids = await insertPromoters(on, account, free, now);
  if (free.some(({ id }) => id !== undefined)) await moveSequence(database, "firstpromoter_promoters", on);
  let next = 0;
  return faults.map((fault) => (fault === undefined ? { id: ids[next++] as number } : { fault }));
}

interface Taken {
  ids: Set<number>;
  emails: Set<string>;
  custIds: Set<string>;
  refTokens: Set<string>;
}

/** What of these promoters is in use already: ids by anybody, everything else in the account. */
async function readUsedValues(
  database: Database,
  on: Db,
  account: string,
  given: readonly NewPromoterRecord[],
): Promise<Taken> {
  const promoters = on.selectFrom("firstpromoter_promoters");
  const own = promoters.where("account", "=", account);
  const ids = given.flatMap(({ id }) => id ?? []);
  const emails = given.map(({ email }) => email.toLowerCase());
  const custIds = given.flatMap(({ cust_id }) => cust_id ?? []);
  const refTokens = given.flatMap(({ campaigns = [] }) => campaigns.flatMap(({ ref_token }) => ref_token ?? []));
  const memberships = on.selectFrom("firstpromoter_memberships").where("account", "=", account);
  const [byId, byEmail, byCustId, byToken] = [
    await promoters.select("id").where(database.anyOf("id", ids)).execute(),
    await own.select("email").where(database.anyOf("email", emails)).execute(),
    custIds.length === 0 ? [] : await own.select("cust_id").where(database.anyOf("cust_id", custIds)).execute(),
    refTokens.length === 0
      ? []
      : await memberships.select("ref_token").where(database.anyOf("ref_token", refTokens)).execute(),
  ];
  return {
    ids: new Set(byId.map(({ id }) => id)),
    emails: new Set(byEmail.map(({ email }) => email)),
    custIds: new Set(byCustId.flatMap(({ cust_id }) => cust_id ?? [])),
    refTokens: new Set(byToken.map(({ ref_token }) => ref_token)),
  };
}

/** Why a promoter cannot come in; undefined where he can, and then what he has is taken for those after him. */
function findFault(promoter: NewPromoterRecord, taken: Taken, ours: ReadonlySet<number>): string | undefined {
  const { id, cust_id, campaigns = [] } = promoter;
  const email = promoter.email.toLowerCase();
  if (id !== undefined && taken.ids.has(id)) return `id: ${id} is in use`;
  if (taken.emails.has(email)) return `email: ${email} has already been taken`;
  if (cust_id && taken.custIds.has(cust_id)) return `cust_id: ${cust_id} has already been taken`;
  const tokens = campaigns.flatMap(({ ref_token }) => ref_token ?? []);
  const doubled = tokens.find((token, index) => taken.refTokens.has(token) || tokens.indexOf(token) !== index);
  if (doubled !== undefined) return `ref_token: ${doubled} has already been taken`;
  const foreign = campaigns.find(({ campaign_id }) => !ours.has(campaign_id));
  if (foreign) return `campaign_id: ${foreign.campaign_id} is in use`;
  if (new Set(campaigns.map(({ campaign_id }) => campaign_id)).size < campaigns.length) {
    return "promoter_campaigns: a campaign is named twice";
  }
  if (id !== undefined) taken.ids.add(id);
  taken.emails.add(email);
  if (cust_id) taken.custIds.add(cust_id);
  for (const token of tokens) taken.refTokens.add(token);
  return undefined;
}

/** Makes the campaigns that are not there yet; answers those of them that the account has then. */
async function ownCampaigns(
  database: Database,
  on: Db,
  account: string,
  campaigns: readonly CampaignRecord[],
): Promise<Set<number>> {
  if (campaigns.length === 0) return new Set();
  const ids = campaigns.map(({ id }) => id);
  const made = await on
    .insertInto("firstpromoter_campaigns")
    .values(campaigns.map(({ id, name, color }) => ({ id, account, name, color, is_default: null })))
    .onConflict((conflict) => conflict.column("id").doNothing())
    .returning("id")
    .execute();
  if (made.length > 0) await moveSequence(database, "firstpromoter_campaigns", on);
  const own = await on
    .selectFrom("firstpromoter_campaigns")
    .select("id")
    .where("account", "=", account)
    .where(database.anyOf("id", ids))
    .execute();
  return new Set(own.map(({ id }) => id));
}

/** Ids that were brought along did not come from PostgreSQL's sequence, which must go on behind them, and never back. */
export async function moveSequence(
  database: Database,
  table: "firstpromoter_promoters" | "firstpromoter_campaigns",
  on: Db,
): Promise<void> {
  if (database.dialect !== "postgres") return;
  const sequence = sql`pg_get_serial_sequence(${table}, 'id')`;
  await sql`select setval(${sequence}, greatest(nextval(${sequence}), (select max(id) from ${sql.table(table)})))`.execute(
    on,
  );
}
