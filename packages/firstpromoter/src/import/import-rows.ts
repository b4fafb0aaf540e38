import { columnName, invalidColumns, mapColumns, type OpenTable, parseInteger } from "@reinstate/batch-core";

/** The fields of an item of `GET /promoters` by column name, as `columnName` returns it. */
const fields = new Map(
  Object.entries({
    ...own("id email name cust_id note joined_at last_login_at archived_at fraud_suspicions invoice_details_status"),
    ...own("subscribed_to_email is_confirmed is_customized track_ad_traffic auth_provider first_event_at"),
    ...under("stats", "clicks_count referrals_count sales_count customers_count active_customers_count revenue_amount"),
    ...under("profile", "first_name last_name website company_name company_number phone_number vat_id country address"),
    ...under(
      "profile",
      "description avatar w8_form_url w9_form_url instagram_url youtube_url linkedin_url facebook_url twitter_url twitch_url tiktok_url",
    ),
    ...under("campaign", "campaign_id state coupon ref_token"),
    promoter_id: "id",
    email_address: "email",
    customer_id: "cust_id",
    created_at: "joined_at",
    company: "profile.company_name",
    clicks: "stats.clicks_count",
    referrals: "stats.referrals_count",
    sales: "stats.sales_count",
    customers: "stats.customers_count",
    active_customers: "stats.active_customers_count",
    phone: "profile.phone_number",
    campaign: "campaign.name",
    campaign_name: "campaign.name",
    status: "campaign.state",
    ref_id: "campaign.ref_token",
    referral_id: "campaign.ref_token",
    promo_code: "campaign.coupon",
  }),
);

function own(names: string): Record<string, string> {
  return Object.fromEntries(names.split(" ").map((name) => [name, name]));
}

function under(parent: string, names: string): Record<string, string> {
  return Object.fromEntries(names.split(" ").map((name) => [name, `${parent}.${name}`]));
}

const integers = /^(id|stats\..*|campaign\.campaign_id)$/;

/**
 * Reads the rows of a table as items of `GET /promoters`. Unknown columns are ignored, and an empty cell counts as an absent field.
 *
 * @throws `invalid_request` if no column has the e-mail address, or two columns are for one field.
 */
export const promoterTable: OpenTable = (header, line) => {
  const places = mapColumns(header, line, (name) => fields.get(columnName(name)));
  if (!places.includes("email")) {
    throw invalidColumns(line, `the column email is missing; the columns are ${header.join(", ").slice(0, 500)}`);
  }
  return { read: (cells) => readItem(places, cells) };
};

function readItem(places: readonly (string | undefined)[], cells: readonly string[]) {
  const groups: Record<string, Record<string, unknown>> = { item: {} };
  for (const [place, field] of places.entries()) {
    const cell = cells[place] as string;
    if (field === undefined || cell === "") continue;
    const [group, name] = field.includes(".") ? (field.split(".") as [string, string]) : ["item", field];
    groups[group] ??= {};
    if (!integers.test(field)) groups[group][name] = cell;
    else {
      const { integer, fault } = parseInteger(cell);
      if (fault !== undefined) return { fault: `${field}: ${fault}` };
      groups[group][name] = integer;
    }
  }
  const { item, stats, profile, campaign } = groups;
  const suspicions = item?.fraud_suspicions;
  return {
    value: {
      ...item,
      ...(typeof suspicions === "string" && { fraud_suspicions: suspicions.split(/[\s,|]+/) }),
      ...(stats && { stats }),
      ...(profile && { profile }),
      ...(campaign && { promoter_campaigns: [{ ...campaign, campaign }] }),
    },
  };
}
