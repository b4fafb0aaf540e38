/** FirstPromoter's requests, answers and records as zod schemas, in the vendor's words. Source: docs.firstpromoter.com, API v2. */
import * as z from "zod";

/** The status words of a batch. */
export const batchStatus = z.enum(["pending", "in_progress", "completed", "failed", "stopped"]);

/**
 * The batch object that every batch action and every batch read answers with, its 12 fields in the documented order. Times
 * are ISO 8601 in UTC with milliseconds, `progress` is a whole percent. `meta` may be null on the two reads.
 */
export const batchProcess = z.object({
  id: z.int(),
  status: batchStatus,
  total: z.int(),
  selected_total: z.int(),
  processed_count: z.int(),
  failed_count: z.int(),
  action_label: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  meta: z.record(z.string(), z.unknown()).nullable(),
  progress: z.number(),
  processing_errors: z.array(z.string()),
});

/** What became of one id of a batch. */
export const itemOutcome = z.enum(["done", "skipped", "failed", "unknown"]);

/**
 * One id of a batch, as it was sent, with its fate: `skipped` where nothing had to change, `outcome` null while it waits.
 * Not the vendor's: only servers of this package tell it.
 */
export const batchItem = z.object({
  id: z.unknown(),
  outcome: itemOutcome.nullable(),
  code: z.string().nullable(),
  message: z.string().nullable(),
});

/** `GET /batch_processes/{id}/items`: a page; `next_cursor` is null at the last one. */
export const batchItems = z.object({
  data: z.array(batchItem),
  meta: z.object({ next_cursor: z.string().nullable() }),
});

/** `GET /batch_processes/progress`: batch id to whole percent. */
export const batchProgress = z.record(z.string(), z.number());

/** `{ "ids": [1, 2] }`, the body of restore and archive. More than 5 ids make the action asynchronous. */
export const idsRequest = z.object({ ids: z.array(z.int().min(1)).min(1) });

/** The state of a promoter in one campaign. */
export const campaignState = z.enum(["pending", "accepted", "rejected", "blocked", "inactive", "not_set"]);

const text = z.string().nullable().optional();

/** What of a profile can be written by create and update. */
export const profileInput = z.object({
  first_name: text,
  last_name: text,
  website: text,
  company_name: text,
  company_number: text,
  phone_number: text,
  vat_id: text,
  country: text,
  address: text,
  avatar: text,
  w8_form_url: text,
  w9_form_url: text,
  description: text,
  instagram_url: text,
  youtube_url: text,
  linkedin_url: text,
  facebook_url: text,
  twitter_url: text,
  twitch_url: text,
  tiktok_url: text,
});

/** The body of `POST /promoters`. Without `initial_campaign_id` the default campaign is taken; `always_approve: false` leaves the state `pending`. */
export const newPromoter = z.object({
  email: z.string(),
  cust_id: text,
  note: text,
  profile: profileInput.optional(),
  initial_campaign_id: z.int().optional(),
  drip_emails: z.boolean().optional(),
  always_approve: z.boolean().optional(),
  custom_fields: z.record(z.string(), z.unknown()).nullable().optional(),
});

/** The body of `PUT /promoters/{id}`. With `find_by` the path holds the value that is looked for. */
export const promoterChanges = newPromoter
  .pick({ email: true, cust_id: true, note: true, profile: true, custom_fields: true })
  .partial()
  .extend({
    profile: profileInput
      .extend({
        _destroy_w8form: z.boolean().optional().describe("true takes the form away"),
        _destroy_w9form: z.boolean().optional().describe("true takes the form away"),
      })
      .optional(),
    find_by: z.enum(["email", "cust_id", "auth_token", "ref_token", "promo_code"]).optional(),
  });

export const promoterCampaign = z.looseObject({
  id: z.int(),
  campaign_id: z.int(),
  promoter_id: z.int(),
  state: campaignState,
  created_at: z.string().optional(),
  campaign: z.looseObject({ id: z.int(), name: text, color: text }).optional(),
  coupon: text,
  ref_token: text,
  ref_link: text,
});

const count = z.int().optional();
const amount = z.number().nullable().optional();

/** A promoter as the vendor shows it. Times are ISO 8601 in UTC with seconds, money is in cents, `archived_at` is null while live. */
export const promoter = z.looseObject({
  id: z.int(),
  email: z.string(),
  name: text,
  cust_id: text,
  note: text,
  stats: z
    .looseObject({
      clicks_count: count,
      referrals_count: count,
      sales_count: count,
      customers_count: count,
      revenue_amount: count,
      active_customers_count: count,
    })
    .optional(),
  is_customized: z.boolean().optional(),
  fraud_suspicions: z.array(z.string()).optional(),
  is_confirmed: z.boolean().optional(),
  invoice_details_status: text,
  profile: z.looseObject({ ...profileInput.shape, id: z.int().optional() }).optional(),
  joined_at: text,
  last_login_at: text,
  archived_at: text,
  custom_fields: z.record(z.string(), z.unknown()).nullable().optional(),
  password_setup_url: text,
  first_event_at: text,
  promoter_campaigns: z.array(promoterCampaign).optional(),
  balances: z
    .looseObject({ cash: amount, credits: amount, points: amount, free_months: amount, discount: amount })
    .optional(),
  track_ad_traffic: z.boolean().nullable().optional(),
  auth_provider: text,
  selected_payout_method: z
    .looseObject({ id: z.int(), method: z.string(), date_added: text, is_disabled: z.boolean().optional() })
    .nullable()
    .optional(),
  parent_promoter: z.looseObject({ id: z.int(), email: z.string(), name: text }).nullable().optional(),
});

/** `GET /promoters`: the one list of the API with an envelope. */
export const promoterList = z.object({
  data: z.array(promoter),
  meta: z.looseObject({ pending_count: z.int() }),
});

/** The body of every refusal but the 401, whose body is empty. `errors` comes with `invalid_record` only. */
export const errorBody = z.object({
  message: z.string(),
  errors: z.record(z.string(), z.array(z.string())).optional(),
  code: z.string(),
});

export type BatchStatus = z.infer<typeof batchStatus>;
export type BatchProcess = z.infer<typeof batchProcess>;
export type ItemOutcome = z.infer<typeof itemOutcome>;
export type BatchItem = z.infer<typeof batchItem>;
export type BatchItems = z.infer<typeof batchItems>;
export type CampaignState = z.infer<typeof campaignState>;
export type ProfileInput = z.infer<typeof profileInput>;
export type NewPromoter = z.infer<typeof newPromoter>;
export type PromoterChanges = z.infer<typeof promoterChanges>;
export type Promoter = z.infer<typeof promoter>;
export type PromoterList = z.infer<typeof promoterList>;
export type ErrorBody = z.infer<typeof errorBody>;
