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
import { listSchema, placedSubscription, result } from "./replies.ts";
import { fromId, type ProfileMatch, pageLimit, profileMatch } from "./requests.ts";

// Extensions. A server accepts them only with the option `extensions`.

/** Audit fields, stored with the batch. */
const auditFields = {
  reason: text(1000).describe("the reason, stored with the batch").optional(),
  requested_by: text(200).describe("who asked for it, stored with the batch").optional(),
};
/** The audit fields of a change to subscriptions. */
export type AuditFields = z.infer<typeof auditParams>;
/** The audit fields of a change to subscriptions, as params of a batch. */
export const auditParams = z.strictObject(auditFields);

/** Consent options and audit fields of an undelete, stored with the batch. */
export const undeleteOptionFields = {
  consent_guard: z
    .boolean()
    .describe("reject suppressed, unsubscribed, complained and hardbounced subscriptions; needs a reason")
    .optional(),
  override_consent: z.boolean().describe("restore what the guard would reject; needs a reason too").optional(),
  ...auditFields,
};
/** The consent options and audit fields of an undelete. */
export const undeleteOptions = z.strictObject(undeleteOptionFields);
/** The consent options and audit fields of an undelete. */
export type UndeleteOptions = z.infer<typeof undeleteOptions>;

/** Returns what would happen, and changes nothing. */
const dryRun = { dry_run: z.boolean().optional() };

/** The options of an undelete as a call accepts them, with `dry_run`. */
export const undeleteRequestOptions = z.object({ ...undeleteOptionFields, ...dryRun });
/** The options of an undelete as a call accepts them, with `dry_run`. */
export type UndeleteRequestOptions = z.infer<typeof undeleteRequestOptions>;

/** Deleted subscriptions that share an address: `hash_id` is that of the address, so narrow it down as far as it takes. */
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
/** An undelete of the deleted subscriptions with an address. */
export type UndeleteByHash = z.input<typeof byHash>;

/** Deleted subscriptions of the one profile that is found so, of a resource or a channel where one is named. */
const byMatching = z.intersection(profileMatch, undeleteRequestOptions.extend({ channel: channelName.optional() }));
/** An undelete of the deleted subscriptions of a profile. */
export type UndeleteByMatching = ProfileMatch & {
  matching: string;
  channel?: string | undefined;
} & UndeleteRequestOptions;

/** What the vendor's clients may send along with any method; there are no triggers here. */
const ignored = { skip_triggers: z.boolean().optional() };

const exactly = z.intersection(subscriptionIdentity, undeleteRequestOptions.extend(ignored));

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
export const subscriptionUndeleteShape = z.union([
  exactly,
  byHash,
  z.intersection(byMatching, z.object({ matching: z.string() })),
]);
/** The body of `subscriptions/undelete` in all of its forms. */
export type SubscriptionUndelete =
  | (SubscriptionIdentity & UndeleteRequestOptions)
  | UndeleteByHash
  | UndeleteByMatching;

/** `subscriptions/delete` with who asked, and why. */
export const subscriptionDelete = z.intersection(
  subscriptionIdentity,
  z.object({ ...auditFields, ...dryRun, ...ignored }),
);
/** The body of `subscriptions/delete`. */
export type SubscriptionDelete = z.infer<typeof subscriptionDelete>;

/** Subscriptions that one call of `subscriptions/undelete_batch` takes. */
export const batchLimit = 10_000;

/** `data` is checked item by item, so that one that is wrong has an error of its own. */
export const undeleteBatch = undeleteRequestOptions.extend({
  data: z.array(z.unknown()).min(1, "must not be empty").max(batchLimit, `must not hold more than ${batchLimit}`),
});
/** The body of `subscriptions/undelete_batch`. */
export const undeleteBatchShape = undeleteRequestOptions.extend({
  data: z.array(subscriptionIdentity).min(1).max(batchLimit),
});
/** The body of `subscriptions/undelete_batch`. */
export type UndeleteBatch = UndeleteRequestOptions & { data: readonly SubscriptionIdentity[] };

/** The deleted subscriptions of a database, a page at a time. */
export const subscriptionListDeleted = z.object({
  db_id: id,
  resource_id: id.optional(),
  channel: channelName.optional(),
  profile_id: place.profile_id.optional(),
  from_id: fromId,
  limit: pageLimit,
});
/** The body of `subscriptions/list_deleted`. */
export type SubscriptionListDeleted = z.infer<typeof subscriptionListDeleted>;

/** Erases a subscription irreversibly. */
export const subscriptionErase = z.intersection(
  subscriptionIdentity,
  z.object({ ...auditFields, ...dryRun, reason: text(1000) }),
);
/** The body of `subscriptions/erase`. */
export type SubscriptionErase = z.infer<typeof subscriptionErase>;

const contact = { email: emailAddress.optional(), phone: phoneNumber.optional() };

/** An e-mail address or a phone to put on the suppression list or to take off it, with who asked, and why. */
export const suppression = z
  .object({ ...contact, ...auditFields })
  .refine(({ email, phone }) => (email === undefined) !== (phone === undefined), {
    path: ["email"],
    error: "is required, or phone, but not both",
  });
/** The body of `subscriptions/suppress` and `unsuppress`. */
export type Suppression = z.infer<typeof suppression>;

/** What was done about consent: by whom, and why. */
export const consentActions = ["suppress", "unsuppress", "erase"] as const;
/** An action of the consent log. */
export type ConsentAction = (typeof consentActions)[number];

/** The entries of the consent log, newest first, a page at a time; those of one address where one is named. */
export const subscriptionListConsent = z
  .object({ ...contact, action: z.enum(consentActions).optional(), from_id: fromId, limit: pageLimit })
  .refine(({ email, phone }) => email === undefined || phone === undefined, {
    path: ["email"],
    error: "must not be given with phone",
  });
/** The body of `subscriptions/list_consent`. */
export type SubscriptionListConsent = z.infer<typeof subscriptionListConsent>;

const itemResult = z.looseObject({ ...result, profile_id: z.string().optional() });
const toldDry = { dry_run: z.boolean().optional() };

/** One result for each item, in the order of the items. */
export const batchReply = z.looseObject({ ...result, ...toldDry, result: listSchema(itemResult), updated: z.int() });
/** The reply to `subscriptions/undelete_batch`. */
export type BatchReply = z.infer<typeof batchReply>;

/** Of `subscriptions/undelete` by an identity `data`, of one by `hash_id` or `matching` the rest. */
export const undeleteReply = z.looseObject({
  data: z.unknown().optional(),
  ...result,
  ...toldDry,
  result: z.array(itemResult).optional(),
  updated: z.int().optional(),
});
/** The reply to `subscriptions/undelete`. */
export type UndeleteReply = z.infer<typeof undeleteReply>;

/** `deleted_at`: RFC 3339. */
export const deletedSubscription = placedSubscription.extend({ is_delete: z.boolean(), deleted_at: z.string() });

/** The reply to `subscriptions/list_deleted`. Without `next_from_id` there are no more pages. */
export const deletedReply = z.looseObject({
  data: listSchema(deletedSubscription),
  ...result,
  next_from_id: z.string().optional(),
});
/** The reply to `subscriptions/list_deleted`. */
export type DeletedReply = z.infer<typeof deletedReply>;

/** The reply to `subscriptions/list_consent`. Without `next_from_id` there are no more pages. */
export const consentReply = z.looseObject({
  data: listSchema(
    z.looseObject({
      action: z.enum(consentActions),
      /** RFC 3339. */
      at: z.string(),
      /** The address as it is compared; of what was erased the digest alone. */
      email: z.string().optional(),
      phone: z.string().optional(),
      digest: z.string().optional(),
      /** The id of the token that asked. */
      token_id: z.string().optional(),
      reason: z.string().optional(),
      requested_by: z.string().optional(),
    }),
  ),
  ...result,
  next_from_id: z.string().optional(),
});
/** The reply to `subscriptions/list_consent`. */
export type ConsentReply = z.infer<typeof consentReply>;
