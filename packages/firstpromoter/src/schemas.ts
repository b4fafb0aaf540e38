/**
 * Strict zod schemas of FirstPromoter's requests and of this server's responses, in the vendor's words. The looser replies that a
 * client accepts are in `replies.ts`. Source: docs.firstpromoter.com, API v2.
 */
import * as z from "zod";

const count = z.int().min(0);
const milliseconds = z.iso.datetime({ precision: 3 });
const seconds = z.iso.datetime({ precision: 0 });

/** The statuses of a batch. */
export const batchStatus = z.enum(["pending", "in_progress", "completed", "failed", "stopped"]);

/**
 * The batch object that every batch action and batch read returns, with its 12 fields in the documented order. Times are
 * ISO 8601 in UTC with milliseconds. `progress` is a whole percent.
 */
export const batchProcess = z.object({
  id: z.int().min(1),
  status: batchStatus,
  total: count,
  selected_total: count,
  processed_count: count,
  failed_count: count,
  action_label: z.string(),
  created_at: milliseconds,
  updated_at: milliseconds,
  meta: z.record(z.string(), z.unknown()),
  progress: z.int().min(0).max(100),
  processing_errors: z.array(z.string()),
});

/** The outcome of one id of a batch. */
export const itemOutcome = z.enum(["done", "skipped", "failed", "unknown"]);

/**
 * One id of a batch, as it was sent, with its outcome: `skipped` if nothing had to change, null while it is pending. An
 * extension: only servers of this package return it.
 */
export const batchItem = z.object({
  id: z.unknown(),
  outcome: itemOutcome.nullable(),
  code: z.string().nullable(),
  message: z.string().nullable(),
});

/** `GET /batch_processes/{id}/items`: a page of outcomes. `next_cursor` is null on the last page. */
export const batchItems = z.object({
  data: z.array(batchItem),
  meta: z.object({ next_cursor: z.string().nullable() }),
});

/** `GET /batch_processes/progress`: batch id to whole percent. */
export const batchProgress = z.record(z.string(), z.int().min(0).max(100));

/** `{ "ids": [1, 2] }`, the body of restore and archive. More than 5 ids make the action asynchronous. */
export const idsRequest = z.object({ ids: z.array(z.int().min(1)).min(1) });

/** The state of a promoter in one campaign. */
export const campaignState = z.enum(["pending", "accepted", "rejected", "blocked", "inactive", "not_set"]);

/** The unique values that find a promoter, besides its id. */
export const findBy = z.enum(["email", "cust_id", "auth_token", "ref_token", "promo_code"]);

const text = z.string().nullable().optional();
const upTo = (characters: number) => z.string().max(characters).nullable().optional();
const [line, url, page] = [upTo(255), upTo(2_048), upTo(10_000)];

/** The writable fields of a profile. The limits of their length are not documented; these are ours. */
export const profileInput = z.object({
  first_name: line,
  last_name: line,
  website: url,
  company_name: line,
  company_number: line,
  phone_number: line,
  vat_id: line,
  country: line,
  address: page,
  avatar: url,
  w8_form_url: url,
  w9_form_url: url,
  description: page,
  instagram_url: url,
  youtube_url: url,
  linkedin_url: url,
  facebook_url: url,
  twitter_url: url,
  twitch_url: url,
  tiktok_url: url,
});

/** The body of `POST /promoters`. `initial_campaign_id` defaults to the default campaign; `always_approve: false` leaves the state `pending`. */
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

/** The body of `PUT /promoters/{id}`. With `find_by` the path holds the value to find the promoter by. */
export const promoterChanges = newPromoter
  .pick({ email: true, cust_id: true, note: true, profile: true, custom_fields: true })
  .partial()
  .extend({
    profile: profileInput
      .extend({
        _destroy_w8form: z.boolean().optional().describe("true removes the form"),
        _destroy_w9form: z.boolean().optional().describe("true removes the form"),
      })
      .optional(),
    find_by: findBy.optional(),
  });

/** The membership of a promoter in one campaign. */
export const promoterCampaign = z.object({
  id: z.int(),
  campaign_id: z.int(),
  promoter_id: z.int(),
  state: campaignState,
  created_at: seconds,
  campaign: z.object({ id: z.int(), name: z.string(), color: z.string() }),
  coupon: z.string(),
  ref_token: z.string(),
  ref_link: z.string(),
});

const orNull = z.string().nullable();
const amount = z.number().nullable();

const profile = z.object({
  id: z.int(),
  first_name: z.string(),
  last_name: z.string(),
  website: orNull,
  company_name: orNull,
  company_number: orNull,
  phone_number: orNull,
  vat_id: orNull,
  country: orNull,
  address: orNull,
  avatar: z.string(),
  w8_form_url: orNull,
  w9_form_url: orNull,
  description: orNull,
  invoice_details_validation_errors: z.record(z.string(), z.unknown()).nullable(),
  should_validate_invoice_details: z.boolean(),
  instagram_url: orNull,
  youtube_url: orNull,
  linkedin_url: orNull,
  facebook_url: orNull,
  twitter_url: orNull,
  twitch_url: orNull,
  tiktok_url: orNull,
});

/** A promoter. Times are ISO 8601 in UTC with seconds, money is in cents, `archived_at` is null while live. */
export const promoter = z.object({
  id: z.int(),
  email: z.string(),
  name: z.string(),
  cust_id: orNull,
  note: orNull,
  stats: z.object({
    clicks_count: count,
    referrals_count: count,
    sales_count: count,
    customers_count: count,
    revenue_amount: z.int(),
    active_customers_count: count,
  }),
  is_customized: z.boolean(),
  fraud_suspicions: z.array(z.string()),
  is_confirmed: z.boolean(),
  invoice_details_status: z.enum(["pending", "approved", "denied"]),
  profile,
  joined_at: seconds,
  last_login_at: seconds.nullable(),
  archived_at: seconds.nullable(),
  custom_fields: z.record(z.string(), z.unknown()).nullable(),
  password_setup_url: z.null(),
  first_event_at: seconds,
  promoter_campaigns: z.array(promoterCampaign),
  balances: z.object({ cash: amount, credits: amount, points: amount, free_months: amount, discount: amount }),
  track_ad_traffic: z.boolean().nullable(),
  auth_provider: orNull,
  selected_payout_method: z
    .object({ id: z.int(), method: z.string(), date_added: seconds, is_disabled: z.boolean() })
    .nullable()
    .optional(),
  parent_promoter: z.object({ id: z.int(), email: z.string(), name: orNull }).nullable().optional(),
});

/** `GET /promoters`: the one list of the API with an envelope. */
export const promoterList = z.object({
  data: z.array(promoter),
  meta: z.object({ pending_count: count }),
});

/** The body of every error except 401, whose body is empty. Only `invalid_record` has `errors`; all but the oldest errors have `code`. */
export const errorBody = z.object({
  message: z.string(),
  errors: z.record(z.string(), z.array(z.string())).optional(),
  code: z.string().optional(),
});

/** The status of a batch. */
export type BatchStatus = z.infer<typeof batchStatus>;
/** A batch. */
export type BatchProcess = z.infer<typeof batchProcess>;
/** The outcome of one id of a batch. */
export type ItemOutcome = z.infer<typeof itemOutcome>;
/** One id of a batch with its outcome. */
export type BatchItem = z.infer<typeof batchItem>;
/** A page of outcomes. */
export type BatchItems = z.infer<typeof batchItems>;
/** The state of a promoter in one campaign. */
export type CampaignState = z.infer<typeof campaignState>;
/** A unique value that finds a promoter. */
export type FindBy = z.infer<typeof findBy>;
/** The writable fields of a profile. */
export type ProfileInput = z.infer<typeof profileInput>;
/** The body of `POST /promoters`. */
export type NewPromoter = z.infer<typeof newPromoter>;
/** The body of `PUT /promoters/{id}`. */
export type PromoterChanges = z.infer<typeof promoterChanges>;
/** A promoter. */
export type Promoter = z.infer<typeof promoter>;
/** A page of promoters. */
export type PromoterList = z.infer<typeof promoterList>;
/** The body of an error. */
export type ErrorBody = z.infer<typeof errorBody>;
