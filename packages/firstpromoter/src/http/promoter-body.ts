import type { Options } from "../options.ts";
import { shownState } from "../promoters/rules.ts";
import type { Promoter } from "../schemas.ts";
import { formatName, type ImportedFields, type PromoterRecord } from "../store/store.ts";

const seconds = (ms: number) => `${new Date(ms).toISOString().slice(0, -5)}Z`;
const secondsOrNull = (ms: number | null) => (ms === null ? null : seconds(ms));

/**
 * Returns a promoter in the vendor's form. Strict clients accept no null in some fields: `avatar` and `coupon` default to an
 * empty text, `first_event_at` to the time of joining. `password_setup_url` is a credential, so it is always null.
 */
export function promoterBody(
  record: PromoterRecord,
  { archivedState, refLinkBase }: Options,
  show: { parent?: boolean; payoutMethod?: boolean } = {},
): Promoter {
  const archived = record.archived_at !== null;
  const imported = record.imported ?? nothing;
  return {
    id: record.id,
    email: record.email,
    name: formatName(record),
    cust_id: record.cust_id,
    note: record.note,
    stats: {
      clicks_count: record.clicks_count,
      referrals_count: record.referrals_count,
      sales_count: record.sales_count,
      customers_count: record.customers_count,
      revenue_amount: record.revenue_amount,
      active_customers_count: record.active_customers_count,
    },
    is_customized: imported.is_customized ?? false,
    fraud_suspicions: record.fraud_suspicions,
    is_confirmed: imported.is_confirmed ?? true,
    invoice_details_status: record.invoice_details_status as Promoter["invoice_details_status"],
    profile: profileBody(record),
    joined_at: seconds(record.joined_at),
    last_login_at: secondsOrNull(record.last_login_at),
    archived_at: secondsOrNull(record.archived_at),
    custom_fields: record.custom_fields,
    password_setup_url: null,
    first_event_at: seconds(imported.first_event_at ?? record.joined_at),
    promoter_campaigns: record.campaigns.map((membership) => ({
      id: membership.id,
      campaign_id: membership.campaign_id,
      promoter_id: membership.promoter_id,
      state: shownState(membership.state, archived, archivedState),
      created_at: seconds(membership.created_at),
      campaign: { ...membership.campaign },
      coupon: membership.coupon ?? "",
      ref_token: membership.ref_token,
      ref_link: refLink(refLinkBase, membership.ref_token),
    })),
    balances: { cash: null, credits: null, points: null, free_months: null, discount: null },
    track_ad_traffic: imported.track_ad_traffic ?? null,
    auth_provider: imported.auth_provider ?? null,
    ...(show.payoutMethod !== false && { selected_payout_method: null }),
    ...(show.parent && { parent_promoter: record.parent }),
  };
}

const nothing: ImportedFields = {};

function profileBody({ id, profile }: PromoterRecord): Promoter["profile"] {
  return {
    id,
    first_name: profile.first_name ?? "",
    last_name: profile.last_name ?? "",
    website: profile.website ?? null,
    company_name: profile.company_name ?? null,
    company_number: profile.company_number ?? null,
    phone_number: profile.phone_number ?? null,
    vat_id: profile.vat_id ?? null,
    country: profile.country ?? null,
    address: profile.address ?? null,
    avatar: profile.avatar ?? "",
    w8_form_url: profile.w8_form_url ?? null,
    w9_form_url: profile.w9_form_url ?? null,
    description: profile.description ?? null,
    invoice_details_validation_errors: null,
    should_validate_invoice_details: false,
    instagram_url: profile.instagram_url ?? null,
    youtube_url: profile.youtube_url ?? null,
    linkedin_url: profile.linkedin_url ?? null,
    facebook_url: profile.facebook_url ?? null,
    twitter_url: profile.twitter_url ?? null,
    twitch_url: profile.twitch_url ?? null,
    tiktok_url: profile.tiktok_url ?? null,
  };
}

function refLink(base: string, token: string): string {
  // Performance: a page has up to a hundred links, and only unusual ones need escaping.
  if (/^[\w.-]+$/.test(token) && /^https?:\/\/[a-z0-9.-]+\/[\w/-]*$/.test(base)) return `${base}?fpr=${token}`;
  const url = new URL(base);
  url.searchParams.set("fpr", token);
  return url.href;
}
