import * as z from "zod";
import { auditParams, undeleteOptions } from "./consent.ts";
import { dryRunField, fromId, id, listSchema, pageLimit, place } from "./fields.ts";
import { channelName, describeIssue, type SubscriptionIdentity, subscriptionIdentity } from "./identity.ts";
import { envelope, placedSubscription } from "./replies.ts";
import { type ProfileMatch, profileMatch } from "./requests.ts";

// Extensions, which a server accepts with the option `extensions`. Those for consent are in consent.ts.

/** Schema of the options of an undelete in a request. */
export const undeleteRequestOptions = z.object({ ...undeleteOptions.shape, ...dryRunField });
/** Options of an undelete in a request. */
export type UndeleteRequestOptions = z.infer<typeof undeleteRequestOptions>;

/** Schema of an undelete of all deleted subscriptions with a `hash_id`. Other fields limit it to some of them. */
const byHash = undeleteRequestOptions.extend({
  db_id: id,
  hash_id: z
    .string()
    .regex(/^[0-9A-Fa-f]{8}$/, "must be 8 hexadecimal digits")
    .toLowerCase(),
  profile_id: place.profile_id.optional(),
  resource_id: id.optional(),
  channel: channelName.optional(),
});
/** Undelete of the deleted subscriptions with a `hash_id`. */
export type UndeleteByHash = z.input<typeof byHash>;

/** Schema of an undelete of the deleted subscriptions of the matching profile. A resource and a channel limit it. */
const byMatching = z.intersection(profileMatch, undeleteRequestOptions.extend({ channel: channelName.optional() }));
/** Undelete of the deleted subscriptions of the matching profile. */
export type UndeleteByMatching = ProfileMatch & {
  matching: string;
  channel?: string | undefined;
} & UndeleteRequestOptions;

/** Fields that the vendor's clients may send with any method, and that this server ignores. */
const ignored = { skip_triggers: z.boolean().optional() };

const exactly = z.intersection(subscriptionIdentity, undeleteRequestOptions.extend(ignored));

/** Schema of the body of `subscriptions/undelete`: an identity, `hash_id` or `matching`, and the options of an undelete. */
export const subscriptionUndelete = z.unknown().transform((given, context) => {
  const has = (name: string) => typeof given === "object" && given !== null && name in given;
  const schema = has("hash_id") ? byHash : has("matching") ? byMatching : exactly;
  const parsed = schema.safeParse(given, { reportInput: true });
  if (parsed.success) return parsed.data;
  context.issues.push({ code: "custom", message: describeIssue(parsed.error.issues[0]), input: given, path: [] });
  return z.NEVER;
}) as z.ZodType<z.infer<typeof exactly> | z.infer<typeof byHash> | UndeleteByMatching>;

/** Schema of the same body as a plain union, which exposes its fields to the XML reader and to OpenAPI. */
export const subscriptionUndeleteShape = z.union([
  exactly,
  byHash,
  z.intersection(byMatching, z.object({ matching: z.string() })),
]);
/** Body of `subscriptions/undelete`. */
export type SubscriptionUndelete =
  | (SubscriptionIdentity & UndeleteRequestOptions)
  | UndeleteByHash
  | UndeleteByMatching;

/** Schema of the body of `subscriptions/delete`, with audit fields. */
export const subscriptionDelete = z.intersection(
  subscriptionIdentity,
  z.object({ ...auditParams.shape, ...dryRunField, ...ignored }),
);
/** Body of `subscriptions/delete`. */
export type SubscriptionDelete = z.infer<typeof subscriptionDelete>;

/** Largest number of subscriptions in one call of `subscriptions/undelete_batch`. */
export const batchLimit = 10_000;

/** Schema of the body of `subscriptions/undelete_batch`. Items are validated one by one, so each has its own error. */
export const undeleteBatch = undeleteRequestOptions.extend({
  data: z.array(z.unknown()).min(1, "must not be empty").max(batchLimit, `must not hold more than ${batchLimit}`),
});
/** Schema of the same body with the fields of an item, for the XML reader and OpenAPI. */
export const undeleteBatchShape = undeleteRequestOptions.extend({
  data: z.array(subscriptionIdentity).min(1).max(batchLimit),
});
/** Body of `subscriptions/undelete_batch`. */
export type UndeleteBatch = UndeleteRequestOptions & { data: readonly SubscriptionIdentity[] };

/** Schema of the body of `subscriptions/list_deleted`. */
export const subscriptionListDeleted = z.object({
  db_id: id,
  resource_id: id.optional(),
  channel: channelName.optional(),
  profile_id: place.profile_id.optional(),
  from_id: fromId,
  limit: pageLimit,
});
/** Body of `subscriptions/list_deleted`. */
export type SubscriptionListDeleted = z.infer<typeof subscriptionListDeleted>;

const itemResult = z.looseObject({ ...envelope.shape, profile_id: z.string().optional() });

/** Schema of the reply to `subscriptions/undelete_batch`: a result for each item, in their order. */
export const batchReply = z.looseObject({
  ...envelope.shape,
  ...dryRunField,
  result: listSchema(itemResult),
  updated: z.int(),
});
/** Reply to `subscriptions/undelete_batch`. */
export type BatchReply = z.infer<typeof batchReply>;

/** Schema of the reply to `subscriptions/undelete`: `data` after an identity, otherwise `result` and `updated`. */
export const undeleteReply = z.looseObject({
  data: z.unknown().optional(),
  ...envelope.shape,
  ...dryRunField,
  result: z.array(itemResult).optional(),
  updated: z.int().optional(),
});
/** Reply to `subscriptions/undelete`. */
export type UndeleteReply = z.infer<typeof undeleteReply>;

/** Schema of a deleted subscription. `deleted_at` is in RFC 3339. */
export const deletedSubscription = placedSubscription.extend({ is_delete: z.boolean(), deleted_at: z.string() });

/** Schema of the reply to `subscriptions/list_deleted`. The last page has no `next_from_id`. */
export const deletedReply = z.looseObject({
  data: listSchema(deletedSubscription),
  ...envelope.shape,
  next_from_id: z.string().optional(),
});
/** Reply to `subscriptions/list_deleted`. */
export type DeletedReply = z.infer<typeof deletedReply>;
