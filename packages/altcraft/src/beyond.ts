import * as z from "zod";
import {
  channelName,
  describeIssue,
  emailAddress,
  id,
  phoneNumber,
  place,
  type SubscriptionIdentity,
  subscriptionIdentity,
  text,
} from "./identity.ts";
import { placedSubscription, result } from "./replies.ts";
import { fromId, type ProfileMatch, pageLimit, profileMatch } from "./requests.ts";

// What the vendor does not have. A server answers to it only with the option `extensions`.

/** Who asks, and why. Kept with the batch. */
const told = { reason: text(1000).optional(), requested_by: text(200).optional() };
export const toldParams = z.strictObject(told);

/** Who asks for a subscription back, why, and how carefully. Kept with the batch. */
export const asking = {
  /** Refuse what stands on the suppression list or is unsubscribed, complained or hardbounced. Needs a reason. */
  consent_guard: z.boolean().optional(),
  /** Bring back what the guard would refuse. Needs a reason too. */
  override_consent: z.boolean().optional(),
  ...told,
};
export const askingParams = z.strictObject(asking);
export type Asking = z.infer<typeof askingParams>;

/** `dry_run`: tell what would happen, and change nothing. */
export const undeleteAsking = z.object({ ...asking, dry_run: z.boolean().optional() });
export type UndeleteAsking = z.infer<typeof undeleteAsking>;

/** Deleted subscriptions that share an address: `hash_id` is that of the address, so narrow it down as far as it takes. */
const byHash = undeleteAsking.extend({
  db_id: id,
  hash_id: z
    .string()
    .regex(/^[0-9a-f]{8}$/i, "must be 8 hexadecimal digits")
    .toLowerCase(),
  profile_id: place.profile_id.optional(),
  resource_id: id.optional(),
  channel: channelName.optional(),
});
export type UndeleteByHash = z.input<typeof byHash>;

/** Deleted subscriptions of the one profile that is found so, of a resource or a channel where one is named. */
const byMatching = z.intersection(profileMatch, undeleteAsking.extend({ channel: channelName.optional() }));
export type UndeleteByMatching = ProfileMatch & { matching: string; channel?: string | undefined } & UndeleteAsking;

const exactly = z.intersection(subscriptionIdentity, undeleteAsking);

/** `subscriptions/undelete` with all that it takes beyond the vendor: dry run, guard, `hash_id` or `matching` instead of an identity. */
export const subscriptionUndelete = z.unknown().transform((given, context) => {
  const has = (name: string) => typeof given === "object" && given !== null && name in given;
  const schema = has("hash_id") ? byHash : has("matching") ? byMatching : exactly;
  const parsed = schema.safeParse(given, { reportInput: true });
  if (parsed.success) return parsed.data;
  context.issues.push({ code: "custom", message: describeIssue(parsed.error.issues[0]), input: given, path: [] });
  return z.NEVER;
}) as z.ZodType<z.infer<typeof exactly> | z.infer<typeof byHash> | UndeleteByMatching>;

/** The same as a plain union, from which types are read: of XML leaves, of the description. */
export const subscriptionUndeleteShape = z.union([exactly, byHash, byMatching]);
export type SubscriptionUndelete = (SubscriptionIdentity & UndeleteAsking) | UndeleteByHash | UndeleteByMatching;

/** `subscriptions/delete` with who asked, and why. */
export const subscriptionDelete = z.intersection(subscriptionIdentity, z.object(told));
export type SubscriptionDelete = z.infer<typeof subscriptionDelete>;

/** Subscriptions that one call of `subscriptions/undelete_batch` takes. */
export const batchLimit = 10_000;

/** `data` is checked item by item, so that one that is wrong has an error of its own. */
export const undeleteBatch = undeleteAsking.extend({
  data: z.array(z.unknown()).min(1, "must not be empty").max(batchLimit, `must not hold more than ${batchLimit}`),
});
export const undeleteBatchShape = undeleteAsking.extend({
  data: z.array(subscriptionIdentity).min(1).max(batchLimit),
});
export type UndeleteBatch = z.input<typeof undeleteBatchShape>;

/** The deleted subscriptions of a database, a page at a time. */
export const subscriptionListDeleted = z.object({
  db_id: id,
  resource_id: id.optional(),
  channel: channelName.optional(),
  profile_id: place.profile_id.optional(),
  from_id: fromId,
  limit: pageLimit,
});
export type SubscriptionListDeleted = z.infer<typeof subscriptionListDeleted>;

/** Forgets a subscription for good. */
export const subscriptionErase = z.intersection(
  subscriptionIdentity,
  z.object({ reason: text(1000), requested_by: text(200).optional() }),
);
export type SubscriptionErase = z.infer<typeof subscriptionErase>;

/** An e-mail address or a phone on the suppression list. */
export const suppression = z
  .object({ email: emailAddress.optional(), phone: phoneNumber.optional() })
  .refine(({ email, phone }) => (email === undefined) !== (phone === undefined), {
    path: ["email"],
    error: "is required, or phone, but not both",
  });
export type Suppression = z.infer<typeof suppression>;

const itemResult = z.object({ ...result, profile_id: z.string().optional() });

/** One result for each item, in the order of the items. */
export const batchReply = z.object({
  ...result,
  dry_run: z.boolean().optional(),
  result: z.array(itemResult).default([]),
  updated: z.int(),
});
export type BatchReply = z.infer<typeof batchReply>;

/** Of `subscriptions/undelete` by an identity `data`, of one by `hash_id` or `matching` the rest. */
export const undeleteReply = z.object({
  data: z.null().optional(),
  ...result,
  dry_run: z.boolean().optional(),
  result: z.array(itemResult).optional(),
  updated: z.int().optional(),
});
export type UndeleteReply = z.infer<typeof undeleteReply>;

export const deletedReply = z.object({
  /** `deleted_at`: RFC 3339. */
  data: z.array(placedSubscription.extend({ is_delete: z.boolean(), deleted_at: z.string() })).default([]),
  ...result,
  next_from_id: z.string().optional(),
});
export type DeletedReply = z.infer<typeof deletedReply>;
