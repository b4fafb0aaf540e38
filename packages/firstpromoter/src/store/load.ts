import type { Database } from "@reinstate/batch-core";
import { type Kysely, sql } from "kysely";
import { insertPromoters } from "./insert.ts";
import type { CampaignRecord, NewPromoterRecord } from "./store.ts";
import type { Tables } from "./tables.ts";

type Db = Kysely<Tables>;

/** Imports promoters in one transaction. Returns the id of each, or the fault that prevented its import. */
export async function loadPromoters(
  database: Database,
  on: Db,
  {
    account,
    promoters,
    campaigns,
    now,
  }: { account: string; promoters: readonly NewPromoterRecord[]; campaigns: readonly CampaignRecord[]; now: number },
): Promise<({ id: number } | { fault: string })[]> {
  const ours = await createCampaigns(database, on, account, campaigns);
  const used = await readUsedValues(database, on, account, promoters);
  const faults = promoters.map((promoter) => findFault(promoter, used, ours));
  const valid = promoters.filter((_, index) => faults[index] === undefined);
  const ids = await insertPromoters(on, account, valid, now);
  if (valid.some(({ id }) => id !== undefined)) await moveSequence(database, "firstpromoter_promoters", on);
  let next = 0;
  return faults.map((fault) => (fault === undefined ? { id: ids[next++] as number } : { fault }));
}

interface UsedValues {
  ids: Set<number>;
  emails: Set<string>;
  custIds: Set<string>;
  refTokens: Set<string>;
}

/** Reads which values of these promoters are in use: ids in any account, all else in this account. */
async function readUsedValues(
  database: Database,
  on: Db,
  account: string,
  promoters: readonly NewPromoterRecord[],
): Promise<UsedValues> {
  const stored = on.selectFrom("firstpromoter_promoters");
  const own = stored.where("account", "=", account);
  const ids = promoters.flatMap(({ id }) => id ?? []);
  const emails = promoters.map(({ email }) => email.toLowerCase());
  const custIds = promoters.flatMap(({ cust_id }) => cust_id ?? []);
  const refTokens = promoters.flatMap(({ campaigns = [] }) => campaigns.flatMap(({ ref_token }) => ref_token ?? []));
  const memberships = on.selectFrom("firstpromoter_memberships").where("account", "=", account);
  const [byId, byEmail, byCustId, byToken] = [
    await stored.select("id").where(database.anyOf("id", ids)).execute(),
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

/** Returns the import fault of a promoter. Without one it returns undefined and reserves the promoter's values for the rest of the set. */
function findFault(promoter: NewPromoterRecord, used: UsedValues, ours: ReadonlySet<number>): string | undefined {
  const { id, cust_id, campaigns = [] } = promoter;
  const email = promoter.email.toLowerCase();
  if (id !== undefined && used.ids.has(id)) return `id: ${id} is in use`;
  if (used.emails.has(email)) return `email: ${email} has already been taken`;
  if (cust_id && used.custIds.has(cust_id)) return `cust_id: ${cust_id} has already been taken`;
  const tokens = campaigns.flatMap(({ ref_token }) => ref_token ?? []);
  const doubled = tokens.find((token, index) => used.refTokens.has(token) || tokens.indexOf(token) !== index);
  if (doubled !== undefined) return `ref_token: ${doubled} has already been taken`;
  const foreign = campaigns.find(({ campaign_id }) => !ours.has(campaign_id));
  if (foreign) return `campaign_id: ${foreign.campaign_id} is in use`;
  if (new Set(campaigns.map(({ campaign_id }) => campaign_id)).size < campaigns.length) {
    return "promoter_campaigns: a campaign is named twice";
  }
  if (id !== undefined) used.ids.add(id);
  used.emails.add(email);
  if (cust_id) used.custIds.add(cust_id);
  for (const token of tokens) used.refTokens.add(token);
  return undefined;
}

/** Creates the missing campaigns. Returns the ids of those that the account owns then. */
async function createCampaigns(
  database: Database,
  on: Db,
  account: string,
  campaigns: readonly CampaignRecord[],
): Promise<Set<number>> {
  if (campaigns.length === 0) return new Set();
  const ids = campaigns.map(({ id }) => id);
  const created = await on
    .insertInto("firstpromoter_campaigns")
    .values(campaigns.map(({ id, name, color }) => ({ id, account, name, color, is_default: null })))
    .onConflict((conflict) => conflict.column("id").doNothing())
    .returning("id")
    .execute();
  if (created.length > 0) await moveSequence(database, "firstpromoter_campaigns", on);
  const own = await on
    .selectFrom("firstpromoter_campaigns")
    .select("id")
    .where("account", "=", account)
    .where(database.anyOf("id", ids))
    .execute();
  return new Set(own.map(({ id }) => id));
}

/** Moves PostgreSQL's sequence past imported ids, which did not come from it. It never moves back. */
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
