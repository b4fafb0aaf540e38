import * as z from "zod";
import { status, statuses } from "./requests.ts";

/** A subscription as replies show it; what is empty is left out. */
export const subscription = z.object({
  resource_id: z.int(),
  channel: z.string(),
  email: z.string().optional(),
  phone: z.string().optional(),
  provider: z.string().optional(),
  subscription_id: z.string().optional(),
  cc_data: z
    .object({ id: z.union([z.int(), z.string()]).optional(), phone: z.string().optional() })
    .loose()
    .optional(),
  priority: z.int().optional(),
  status: z.enum(statuses),
  custom_fields: z.record(z.string(), z.unknown()).optional(),
  cats: z.array(z.string()).optional(),
});
export type Subscription = z.infer<typeof subscription>;

export const result = { error: z.int(), error_text: z.string() };

/** Every reply has these two; `error` is 0 where the call succeeded. */
export const envelope = z.object(result);
export type Envelope = z.infer<typeof envelope>;

export const plainReply = z.object({ data: z.null().optional(), ...result });
export type PlainReply = z.infer<typeof plainReply>;

export const getReply = z.object({ data: subscription, ...result });
export type GetReply = z.infer<typeof getReply>;

/** An empty list cannot be told from a missing one in XML. */
export const listReply = z.object({ data: z.array(subscription).default([]), ...result });
export type ListReply = z.infer<typeof listReply>;

/** A subscription with its place in front, as pages over many profiles show it. */
export const placedSubscription = subscription.extend({
  db_id: z.int(),
  profile_id: z.string(),
  _xxh: z.string(),
  hash_id: z.string(),
});
export type PlacedSubscription = z.infer<typeof placedSubscription>;

/** Without `next_from_id` there is nothing more. */
export const pageReply = z.object({
  data: z.array(placedSubscription).default([]),
  ...result,
  next_from_id: z.string().optional(),
});
export type PageReply = z.infer<typeof pageReply>;

/** `updated`: how many subscriptions changed. */
export const updatedReply = z.object({ ...result, updated: z.int() });
export type UpdatedReply = z.infer<typeof updatedReply>;

/**
 * A subscription as `profiles/get` shows it: the one documented place where `is_delete` is seen. Whether the vendor writes the
 * status there as its word or as its number is not known.
 */
export const profileSubscription = subscription.omit({ email: true, phone: true }).extend({
  status,
  email_data: z
    .object({ domain: z.string(), domain_group: z.string(), email: z.string(), md5: z.string() })
    .partial()
    .optional(),
  phone_data: z.object({ phone: z.string() }).partial().optional(),
  hash_id: z.string(),
  is_delete: z.boolean(),
});
export type ProfileSubscription = z.infer<typeof profileSubscription>;

export const profileReply = z.object({
  data: z.object({
    _id: z.string(),
    _xxh: z.string().optional(),
    _xxm: z.int().optional(),
    subscriptions: z.array(profileSubscription).default([]),
  }),
  ...result,
});
export type ProfileReply = z.infer<typeof profileReply>;
