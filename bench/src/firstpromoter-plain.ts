import { Hono } from "hono";
import type { Bare } from "./bare.ts";
import { crowded } from "./firstpromoter-tables.ts";

interface PromoterRow {
  id: number;
  email: string;
  cust_id: string | null;
  note: string | null;
  profile: string;
  custom_fields: string | null;
  clicks_count: number;
  referrals_count: number;
  sales_count: number;
  customers_count: number;
  active_customers_count: number;
  revenue_amount: number;
  joined_at: number;
  last_login_at: number | null;
  archived_at: number | null;
  fraud_suspicions: string | null;
  invoice_details_status: string;
}

interface PlaceRow {
  id: number;
  campaign_id: number;
  promoter_id: number;
  state: string;
  coupon: string;
  ref_token: string;
  created_at: number;
  name: string;
  color: string;
}

const time = (ms: number | string) => `${new Date(Number(ms)).toISOString().slice(0, 19)}Z`;

/** A hand-written `GET /promoters` that only lists the newest live promoters of one account. */
export function plainList(bare: Bare): Hono {
  const [account, limit, ids] =
    bare.dialect === "sqlite" ? ["?", "?", "(select value from json_each(?))"] : ["$1", "$2", "any($1::bigint[])"];
  const one = bare.dialect === "sqlite" ? "in" : "=";
  return new Hono().get("/api/v2/company/promoters", async (c) => {
    const rows = await bare.rows<PromoterRow>(
      `select * from firstpromoter_promoters where account = ${account} and archived_at is null order by id desc limit ${limit}`,
      crowded,
      Number(c.req.query("per_page")),
    );
    const found = rows.map(({ id }) => Number(id));
    const places = await bare.rows<PlaceRow>(
      `select m.*, c.name, c.color from firstpromoter_memberships m join firstpromoter_campaigns c on c.id = m.campaign_id
       where m.promoter_id ${one} ${ids} order by m.id`,
      bare.dialect === "sqlite" ? JSON.stringify(found) : found,
    );
    const byPromoter = Map.groupBy(places, ({ promoter_id }) => Number(promoter_id));
    const [pending] = await bare.rows<{ count: number }>(
      `select count(*) as count from firstpromoter_promoters where account = ${account} and archived_at is null and waits > 0`,
      crowded,
    );
    return c.json({
      data: rows.map((row) => {
        const profile = JSON.parse(row.profile) as Record<string, string | undefined>;
        const shown = (name: string) => profile[name] ?? null;
        return {
          id: Number(row.id),
          email: row.email,
          name: `${profile.first_name} ${profile.last_name}`,
          cust_id: row.cust_id,
          note: row.note,
          stats: {
            clicks_count: Number(row.clicks_count),
            referrals_count: Number(row.referrals_count),
            sales_count: Number(row.sales_count),
            customers_count: Number(row.customers_count),
            revenue_amount: Number(row.revenue_amount),
            active_customers_count: Number(row.active_customers_count),
          },
          is_customized: false,
          fraud_suspicions: row.fraud_suspicions === null ? [] : (JSON.parse(row.fraud_suspicions) as string[]),
          is_confirmed: true,
          invoice_details_status: row.invoice_details_status,
          profile: {
            id: Number(row.id),
            first_name: profile.first_name ?? "",
            last_name: profile.last_name ?? "",
            website: shown("website"),
            company_name: shown("company_name"),
            company_number: shown("company_number"),
            phone_number: shown("phone_number"),
            vat_id: shown("vat_id"),
            country: shown("country"),
            address: shown("address"),
            avatar: profile.avatar ?? "",
            w8_form_url: shown("w8_form_url"),
            w9_form_url: shown("w9_form_url"),
            description: shown("description"),
            invoice_details_validation_errors: null,
            should_validate_invoice_details: false,
            instagram_url: shown("instagram_url"),
            youtube_url: shown("youtube_url"),
            linkedin_url: shown("linkedin_url"),
            facebook_url: shown("facebook_url"),
            twitter_url: shown("twitter_url"),
            twitch_url: shown("twitch_url"),
            tiktok_url: shown("tiktok_url"),
          },
          joined_at: time(row.joined_at),
          last_login_at: row.last_login_at === null ? null : time(row.last_login_at),
          archived_at: row.archived_at === null ? null : time(row.archived_at),
          custom_fields: row.custom_fields === null ? null : (JSON.parse(row.custom_fields) as object),
          password_setup_url: null,
          first_event_at: time(row.joined_at),
          promoter_campaigns: (byPromoter.get(Number(row.id)) ?? []).map((place) => ({
            id: Number(place.id),
            campaign_id: Number(place.campaign_id),
            promoter_id: Number(place.promoter_id),
            state: place.state,
            created_at: time(place.created_at),
            campaign: { id: Number(place.campaign_id), name: place.name, color: place.color },
            coupon: place.coupon,
            ref_token: place.ref_token,
            ref_link: `https://example.com/?fpr=${encodeURIComponent(place.ref_token)}`,
          })),
          balances: { cash: null, credits: null, points: null, free_months: null, discount: null },
          track_ad_traffic: null,
          auth_provider: null,
          selected_payout_method: null,
        };
      }),
      meta: { pending_count: Number(pending?.count) },
    });
  });
}

/** A hand-written `POST /restore`: one statement in a transaction, without a batch, a key or an audit record. */
export function plainRestoreRoute(bare: Bare): Hono {
  const sqlite = bare.dialect === "sqlite";
  const change = `update firstpromoter_promoters set archived_at = null, archived_batch = null, updated_at = ${sqlite ? "?" : "$1"}
    where ${sqlite ? "+account = ? and id in (select value from json_each(?))" : "account = $2 and id = any($3::bigint[])"}
    and archived_at is not null returning id`;
  let made = 0;
  return new Hono().post("/restore", async (c) => {
    const { ids } = await c.req.json<{ ids: number[] }>();
    let changed = 0;
    await bare.transaction(async (rows) => {
      changed = (await rows(change, Date.now(), crowded, sqlite ? JSON.stringify(ids) : ids)).length;
    });
    const now = new Date().toISOString();
    return c.json({
      id: ++made,
      status: "completed",
      total: ids.length,
      selected_total: ids.length,
      processed_count: changed,
      failed_count: ids.length - changed,
      action_label: "promoter/restore",
      created_at: now,
      updated_at: now,
      meta: {},
      progress: 100,
      processing_errors: [],
    });
  });
}
