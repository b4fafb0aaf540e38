import * as z from "zod";
import { listSchema } from "./fields.ts";
import { status, statuses } from "./requests.ts";

// Replies are parsed leniently: an undocumented field is kept, and a reply is rejected only if the client cannot use it.

/** Schema of a subscription in replies. Empty fields are absent. */
export const subscription = z.looseObject({
  resource_id: z.int(),
  channel: z.string(),
  email: z.string().nullish(),
  phone: z.string().nullish(),
  provider: z.string().nullish(),
  subscription_id: z.string().nullish(),
  cc_data: z.looseObject({ id: z.union([z.int(), z.string()]).optional(), phone: z.string().optional() }).nullish(),
  priority: z.int().nullish(),
  status: z.enum(statuses),
  custom_fields: z.record(z.string(), z.unknown()).nullish(),
  cats: z.array(z.string()).nullish(),
});
/** A subscription in replies. */
export type Subscription = z.infer<typeof subscription>;

const result = { error: z.int(), error_text: z.preprocess((given) => given ?? "", z.string()) };

/** Schema of the fields that every reply has. `error` is 0 if the call succeeded. */
export const envelope = z.looseObject(result);
/** Fields that every reply has. */
export type Envelope = z.infer<typeof envelope>;

/** Schema of a reply without data. `data` is null in the vendor's documents, and absent in some replies. */
export const plainReply = z.looseObject({
  data: z.unknown().optional(),
  ...result,
  /** Extension: true if the call was a dry run and changed nothing. */
  dry_run: z.boolean().optional(),
});
/** A reply without data. */
export type PlainReply = z.infer<typeof plainReply>;

/** Schema of the reply to `subscriptions/get`. */
export const getReply = z.looseObject({ data: subscription, ...result });
/** Reply to `subscriptions/get`. */
export type GetReply = z.infer<typeof getReply>;

/** Schema of the reply to `subscriptions/list`. */
export const listReply = z.looseObject({ data: listSchema(subscription), ...result });
/** Reply to `subscriptions/list`. */
export type ListReply = z.infer<typeof listReply>;

/** Schema of a subscription with the ids of its database, profile and resource, as in `subscriptions/list_all`. */
export const placedSubscription = subscription.extend({
  db_id: z.int(),
  profile_id: z.string(),
  _xxh: z.string().nullish(),
  hash_id: z.string().nullish(),
});
/** A subscription with the ids of its database, profile and resource. */
export type PlacedSubscription = z.infer<typeof placedSubscription>;

/** Schema of a page of subscriptions. The last page has no `next_from_id`. Only an older sample of the vendor has `total_count`. */
export const pageReply = z.looseObject({
  data: listSchema(placedSubscription),
  ...result,
  next_from_id: z.string().nullish(),
  total_count: z.int().nullish(),
});
/** A page of subscriptions. */
export type PageReply = z.infer<typeof pageReply>;

/** Schema of a reply with the number of changed subscriptions. */
export const updatedReply = z.looseObject({ ...result, updated: z.int() });
/** A reply with the number of changed subscriptions. */
export type UpdatedReply = z.infer<typeof updatedReply>;

/**
 * Schema of a subscription in `profiles/get`, the only reply documented to have `is_delete`. The status may be a word or a number,
 * because the vendor does not document which.
 */
export const profileSubscription = subscription.omit({ email: true, phone: true }).extend({
  status,
  email_data: z
    .looseObject({ domain: z.string(), domain_group: z.string(), email: z.string(), md5: z.string() })
    .partial()
    .nullish(),
  phone_data: z.looseObject({ phone: z.string() }).partial().nullish(),
  hash_id: z.string().nullish(),
  is_delete: z.boolean().nullish(),
});
/** A subscription in `profiles/get`. */
export type ProfileSubscription = z.infer<typeof profileSubscription>;

/** Schema of the reply to `profiles/get`. */
export const profileReply = z.looseObject({
  data: z.looseObject({
    _id: z.string(),
    _xxh: z.string().nullish(),
    _xxm: z.int().nullish(),
    subscriptions: listSchema(profileSubscription),
  }),
  ...result,
});
/** Reply to `profiles/get`. */
export type ProfileReply = z.infer<typeof profileReply>;
