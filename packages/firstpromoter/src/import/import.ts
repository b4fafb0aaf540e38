import { type Host, type ImportCounts, importRecords, type RefusedLine } from "@reinstate/batch-core";
import * as z from "zod";
import { parseTime } from "../promoters/times.ts";
import { campaignState, profileInput } from "../schemas.ts";
import { createSqlStore } from "../store/sql-store.ts";
import type { CampaignRecord, NewPromoterRecord, PromoterStore } from "../store/store.ts";
import { promoterTable } from "./import-rows.ts";

/** The options of an import. */
export interface ImportOptions {
  /** Called for every rejected line, in order. */
  onRefused?(refused: RefusedLine): void;
  /** Called after every stored set. */
  onProgress?(report: ImportCounts): void;
  signal?: AbortSignal;
}

/** Promoters per transaction. */
const setSize = 500;

const noZero = z.string().refine((text) => !text.includes("\0"), "must not hold the character zero");
const time = z.string().transform((text, context) => {
  const ms = parseTime(text);
  if (ms !== undefined) return ms;
  context.addIssue("must be a time such as 2026-01-31T12:00:00Z");
  return z.NEVER;
});
const flag = z.union([z.boolean(), z.stringbool()]);
/** Accepts a word in any case, and its synonyms on the vendor's pages. */
const word = <Word extends z.ZodType>(schema: Word, synonyms: Record<string, string> = {}) =>
  z.preprocess((text) => {
    const lowerCase = typeof text === "string" ? text.trim().toLowerCase() : undefined;
    return lowerCase === undefined ? text : (synonyms[lowerCase] ?? lowerCase);
  }, schema);
const count = z.int().min(0);
const id = z.int().min(1);

/** A promoter as `GET /promoters` returns it. Fields that this server does not store are ignored. */
const importedPromoter = z.object({
  id: id.optional(),
  email: noZero
    .trim()
    .max(254)
    .regex(/^[^@\s]+@[^@\s]+$/, "is invalid"),
  name: z.string().nullish(),
  cust_id: noZero.max(255).nullish(),
  note: noZero.nullish(),
  stats: z
    .object({
      clicks_count: count,
      referrals_count: count,
      sales_count: count,
      customers_count: count,
      revenue_amount: count,
      active_customers_count: count,
    })
    .partial()
    .optional(),
  profile: profileInput.nullish(),
  custom_fields: z.record(z.string(), z.unknown()).nullish(),
  fraud_suspicions: z.array(z.string()).nullish(),
  invoice_details_status: word(z.enum(["pending", "approved", "denied"]).nullish(), { rejected: "denied" }),
  subscribed_to_email: flag.nullish(),
  is_confirmed: flag.nullish(),
  is_customized: flag.nullish(),
  track_ad_traffic: flag.nullish(),
  auth_provider: noZero.max(255).nullish(),
  first_event_at: time.nullish(),
  joined_at: time.nullish(),
  last_login_at: time.nullish(),
  archived_at: time.nullish(),
  promoter_campaigns: z
    .array(
      z.object({
        campaign_id: id.optional(),
        state: word(campaignState.default("accepted"), { approved: "accepted", denied: "rejected" }),
        created_at: time.nullish(),
        coupon: noZero.max(255).nullish(),
        ref_token: noZero.max(255).nullish(),
        campaign: z.object({ name: noZero.nullish(), color: noZero.nullish() }).nullish(),
      }),
    )
    .nullish(),
});

/**
 * Imports promoters into an account from a stream of bytes: NDJSON with one item of `GET /promoters` a line, or CSV with a header.
 * Promoters keep their ids, campaigns, states and times. A promoter without a campaign joins the account's default one. Invalid
 * lines are reported and skipped.
 *
 * @throws `invalid_request` for a CSV without the column `email`, or with two columns for one field.
 * @throws The error of the stream if it fails. Promoters that are stored by then stay.
 * @example
 * await importPromoters(host, "acc_1", createReadStream("promoters.ndjson"), "ndjson", { onRefused: console.log });
 */
export async function importPromoters(
  host: Host,
  account: string,
  source: AsyncIterable<Uint8Array>,
  format: "ndjson" | "csv",
  options: ImportOptions = {},
): Promise<ImportCounts> {
  const store = await createSqlStore(host.database);
  const defaultCampaign = await store.defaultCampaign(account);
  return importRecords<ImportedPromoter>(source, {
    ...options,
    format,
    table: promoterTable,
    data: ["custom_fields"],
    setSize,
    parse: (value) => readPromoter(value, defaultCampaign),
    store: (set) => storeSet(store, account, set, host.clock.now()),
  });
}

interface ImportedPromoter {
  promoter: NewPromoterRecord;
  campaigns: CampaignRecord[];
}

/** Stores promoters with their campaigns. Returns the fault of each, or undefined if it is stored. */
async function storeSet(
  store: PromoterStore,
  account: string,
  set: readonly ImportedPromoter[],
  now: number,
): Promise<(string | undefined)[]> {
  const campaigns = new Map(set.flatMap((entry) => entry.campaigns).map((campaign) => [campaign.id, campaign]));
  const results = await store.load(
    account,
    set.map(({ promoter }) => promoter),
    [...campaigns.values()],
    now,
  );
  return results.map((result) => ("fault" in result ? result.fault : undefined));
}

/** Returns the record in a row, or its fault. */
function readPromoter(value: unknown, defaultCampaign: CampaignRecord): { item: ImportedPromoter } | { fault: string } {
  const parsed = importedPromoter.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { fault: `${issue?.path.length ? issue.path.join(".") : "the line"}: ${issue?.message}` };
  }
  const { name, promoter_campaigns: places, profile, stats, ...given } = parsed.data;
  const { is_confirmed, is_customized, track_ad_traffic, auth_provider, first_event_at } = given;
  const imported = omitEmpty({ is_confirmed, is_customized, track_ad_traffic, auth_provider, first_event_at });
  const [first_name, ...rest] = (name ?? "").trim().split(/\s+/);
  const known = Object.entries(profile ?? {}).filter(([field]) => field in profileInput.shape);
  const campaigns: NonNullable<NewPromoterRecord["campaigns"]> = (
    places?.length ? places : [{ state: "accepted" as const }]
  ).map((place) => ({
    campaign_id: ("campaign_id" in place ? place.campaign_id : undefined) ?? defaultCampaign.id,
    state: place.state,
    ...("ref_token" in place && place.ref_token && { ref_token: place.ref_token }),
    ...("coupon" in place && place.coupon && { coupon: place.coupon }),
    ...("created_at" in place && place.created_at != null && { created_at: place.created_at }),
  }));
  const item: ImportedPromoter = {
    promoter: {
      ...(given.id !== undefined && { id: given.id }),
      email: given.email,
      cust_id: given.cust_id || null,
      note: given.note ?? null,
      profile: {
        ...(first_name && { first_name, last_name: rest.join(" ") }),
        ...Object.fromEntries(known),
      },
      custom_fields: given.custom_fields ?? null,
      ...(stats && { stats: omitEmpty(stats) }),
      ...(given.joined_at != null && { joined_at: given.joined_at }),
      last_login_at: given.last_login_at ?? null,
      archived_at: given.archived_at ?? null,
      fraud_suspicions: given.fraud_suspicions ?? [],
      invoice_details_status: given.invoice_details_status ?? "pending",
      ...(given.subscribed_to_email != null && { subscribed_to_email: given.subscribed_to_email }),
      imported: Object.keys(imported).length > 0 ? imported : null,
      campaigns,
    },
    campaigns: [
      defaultCampaign,
      ...(places ?? []).flatMap(({ campaign_id, campaign }) =>
        campaign_id === undefined || campaign_id === defaultCampaign.id
          ? []
          : [
              {
                id: campaign_id,
                name: campaign?.name ?? `Campaign ${campaign_id}`,
                color: campaign?.color ?? "#4F46E5",
              },
            ],
      ),
    ],
  };
  return { item };
}

function omitEmpty<Values extends object>(values: Values): { [Name in keyof Values]?: NonNullable<Values[Name]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value != null)) as never;
}
