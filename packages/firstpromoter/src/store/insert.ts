import { randomBytes } from "node:crypto";
import type { Insertable, Kysely } from "kysely";
import type { ProfileInput } from "../schemas.ts";
import type { NewPromoterRecord } from "./store.ts";
import type { Tables } from "./tables.ts";

type Db = Kysely<Tables>;

/** Rows per INSERT, far below the parameter limits of both databases. */
export const rowsPerInsert = 500;

/** Inserts promoters with their memberships. Returns their ids in the same order. */
export async function insertPromoters(
  on: Db,
  account: string,
  promoters: readonly NewPromoterRecord[],
  now: number,
): Promise<number[]> {
  if (promoters.length === 0) return [];
  const campaignsOfEach = promoters.map(({ campaigns = [] }) =>
    campaigns.map((membership) => ({ ...membership, ref_token: membership.ref_token ?? newRefToken() })),
  );
  const rows = promoters.map((promoter, index) => toRow(account, promoter, campaignsOfEach[index]!, now));
  const inserted = await on.insertInto("firstpromoter_promoters").values(rows).returning(["id", "email"]).execute();
  // By address: no database guarantees the order of RETURNING.
  const ids = new Map(inserted.map(({ id, email }) => [email, id]));
  const created = rows.map(({ email }) => ids.get(email)!);
  const memberships = promoters.flatMap(({ joined_at = now }, index) =>
    campaignsOfEach[index]!.map(
      ({
        campaign_id,
        state,
        ref_token,
        coupon,
        created_at = joined_at,
      }): Insertable<Tables["firstpromoter_memberships"]> => ({
        account,
        promoter_id: created[index]!,
        campaign_id,
        state,
        coupon: coupon ?? null,
        ref_token,
        created_at,
      }),
    ),
  );
  for (let start = 0; start < memberships.length; start += rowsPerInsert) {
    const slice = memberships.slice(start, start + rowsPerInsert);
    await on.insertInto("firstpromoter_memberships").values(slice).execute();
  }
  return created;
}

/** Returns the row of a promoter, without its parent. */
function toRow(
  account: string,
  promoter: NewPromoterRecord,
  campaigns: readonly { state: string; ref_token: string }[],
  now: number,
) {
  const { id, cust_id = null, note = null, profile = {}, custom_fields, stats = {}, joined_at = now } = promoter;
  const email = promoter.email.toLowerCase();
  return {
    ...(id !== undefined && { id }),
    account,
    email,
    cust_id,
    note,
    auth_token: randomBytes(16).toString("hex"),
    search: makeSearchText(
      email,
      profile,
      campaigns.map(({ ref_token }) => ref_token),
    ),
    profile: JSON.stringify(profile),
    custom_fields: custom_fields ? JSON.stringify(custom_fields) : null,
    ...noCounts,
    ...stats,
    joined_at,
    last_login_at: promoter.last_login_at ?? null,
    archived_at: promoter.archived_at ?? null,
    archived_batch: null,
    parent_promoter_id: null,
    waits: campaigns.filter(({ state }) => state === "pending").length,
    fraud_suspicions: promoter.fraud_suspicions?.length ? JSON.stringify(promoter.fraud_suspicions) : null,
    invoice_details_status: promoter.invoice_details_status ?? "pending",
    subscribed_to_email: promoter.subscribed_to_email === false ? 0 : 1,
    has_form: hasForm(profile),
    imported: promoter.imported ? JSON.stringify(promoter.imported) : null,
    updated_at: now,
  };
}

const noCounts = {
  clicks_count: 0,
  referrals_count: 0,
  sales_count: 0,
  customers_count: 0,
  active_customers_count: 0,
  revenue_amount: 0,
};

/** Returns a new random ref token. */
export const newRefToken = () => randomBytes(6).toString("hex");

/** Returns 1 if the profile has a W-8 or W-9 form, otherwise 0. */
export const hasForm = ({ w8_form_url, w9_form_url }: ProfileInput) => (w8_form_url || w9_form_url ? 1 : 0);

/** The characters of a name or a website that `q` searches. Each bigram and trigram costs an index entry. */
const maxSearchedCharacters = 255;

/** Returns the text that `q` searches, in lower case. */
export function makeSearchText(
  email: string,
  { first_name, last_name, website }: ProfileInput,
  refTokens: readonly string[],
): string {
  const parts = [first_name, last_name, website].map((text) => text?.slice(0, maxSearchedCharacters));
  // PostgreSQL's text cannot hold the character zero.
  return [email, ...parts, ...refTokens].filter(Boolean).join(" ").toLowerCase().replaceAll("\0", "");
}
