import * as z from "zod";
import { status, statuses } from "./requests.ts";

// What the vendor's documents do not tell of is let through: a reply is refused only where it cannot be used.

/** A list; nothing at all is an empty one, for in XML the two cannot be told apart. */
export const listSchema = <Item extends z.ZodType>(item: Item) => z.preprocess((given) => given ?? [], z.array(item));

/** A subscription as replies show it; what is empty is left out. */
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
/** A subscription as replies show it. */
export type Subscription = z.infer<typeof subscription>;

export const result = { error: z.int(), error_text: z.preprocess((given) => given ?? "", z.string()) };

/** Every reply has these two; `error` is 0 where the call succeeded. */
export const envelope = z.looseObject(result);
/** The fields that every reply has. */
export type Envelope = z.infer<typeof envelope>;

/** `data` is null where the documents show it; whether some methods answer with more is not known. */
export const plainReply = z.looseObject({
  data: z.unknown().optional(),
  ...result,
  /** Beyond the vendor: nothing was changed. */
  dry_run: z.boolean().optional(),
});
/** A reply without data. */
export type PlainReply = z.infer<typeof plainReply>;

/** The reply to `subscriptions/get`. */
export const getReply = z.looseObject({ data: subscription, ...result });
/** The reply to `subscriptions/get`. */
export type GetReply = z.infer<typeof getReply>;

/** The reply to `subscriptions/list`. */
export const listReply = z.looseObject({ data: listSchema(subscription), ...result });
/** The reply to `subscriptions/list`. */
export type ListReply = z.infer<typeof listReply>;

/** A subscription with its place in front, as pages over many profiles show it. */
export const placedSubscription = subscription.extend({
  db_id: z.int(),
  profile_id: z.string(),
  _xxh: z.string().nullish(),
  hash_id: z.string().nullish(),
});
/** A subscription with the ids of its database, profile and resource. */
export type PlacedSubscription = z.infer<typeof placedSubscription>;

/** Without `next_from_id` there is nothing more. `total_count` stands in an older sample alone. */
export const pageReply = z.looseObject({
  data: listSchema(placedSubscription),
  ...result,
  next_from_id: z.string().nullish(),
  total_count: z.int().nullish(),
});
/** A page of subscriptions. */
export type PageReply = z.infer<typeof pageReply>;

/** `updated`: how many subscriptions changed. */
export const updatedReply = z.looseObject({ ...result, updated: z.int() });
/** A reply with the number of changed subscriptions. */
export type UpdatedReply = z.infer<typeof updatedReply>;

/**
 * A subscription as `profiles/get` shows it: the one documented place where `is_delete` is seen. Whether the vendor writes the
 * status there as its word or as its number is not known.
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
/** A subscription as `profiles/get` shows it. */
export type ProfileSubscription = z.infer<typeof profileSubscription>;

/** The reply to `profiles/get`. */
export const profileReply = z.looseObject({
  data: z.looseObject({
    _id: z.string(),
    _xxh: z.string().nullish(),
    _xxm: z.int().nullish(),
    subscriptions: listSchema(profileSubscription),
  }),
  ...result,
});
/** The reply to `profiles/get`. */
export type ProfileReply = z.infer<typeof profileReply>;
