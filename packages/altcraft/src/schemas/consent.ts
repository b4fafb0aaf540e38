import * as z from "zod";
import { dryRunField, emailAddress, fromId, listSchema, pageLimit, phoneNumber, text } from "./fields.ts";
import { subscriptionIdentity } from "./identity.ts";
import { envelope } from "./replies.ts";

/** Schema of the audit fields, which are stored with the batch. */
export const auditParams = z.strictObject({
  reason: text(1000).describe("the reason, stored with the batch").optional(),
  requested_by: text(200).describe("who asked for it, stored with the batch").optional(),
});
/** Audit fields of a change to subscriptions. */
export type AuditFields = z.infer<typeof auditParams>;

/** Schema of the consent options and audit fields of an undelete, which are stored with the batch. */
export const undeleteOptions = z.strictObject({
  consent_guard: z
    .boolean()
    .describe("reject suppressed, unsubscribed, complained and hardbounced subscriptions; needs a reason")
    .optional(),
  override_consent: z.boolean().describe("restore what the guard would reject; needs a reason too").optional(),
  ...auditParams.shape,
});
/** Consent options and audit fields of an undelete. */
export type UndeleteOptions = z.infer<typeof undeleteOptions>;

/** Schema of the body of `subscriptions/erase`. */
export const subscriptionErase = z.intersection(
  subscriptionIdentity,
  z.object({ ...auditParams.shape, ...dryRunField, reason: text(1000) }),
);
/** Body of `subscriptions/erase`. */
export type SubscriptionErase = z.infer<typeof subscriptionErase>;

const contact = { email: emailAddress.optional(), phone: phoneNumber.optional() };

/** Schema of the body of `subscriptions/suppress` and `unsuppress`: an e-mail address or a phone, and audit fields. */
export const suppression = z
  .object({ ...contact, ...auditParams.shape })
  .refine(({ email, phone }) => (email === undefined) !== (phone === undefined), {
    path: ["email"],
    error: "is required, or phone, but not both",
  });
/** Body of `subscriptions/suppress` and `unsuppress`. */
export type Suppression = z.infer<typeof suppression>;

/** Actions that the consent log records. */
export const consentActions = ["suppress", "unsuppress", "erase"] as const;
/** An action of the consent log. */
export type ConsentAction = (typeof consentActions)[number];

/** Schema of the body of `subscriptions/list_consent`. An address limits the entries to those of the address. */
export const subscriptionListConsent = z
  .object({ ...contact, action: z.enum(consentActions).optional(), from_id: fromId, limit: pageLimit })
  .refine(({ email, phone }) => email === undefined || phone === undefined, {
    path: ["email"],
    error: "must not be given with phone",
  });
/** Body of `subscriptions/list_consent`. */
export type SubscriptionListConsent = z.infer<typeof subscriptionListConsent>;

/** Schema of the reply to `subscriptions/list_consent`. The last page has no `next_from_id`. */
export const consentReply = z.looseObject({
  data: listSchema(
    z.looseObject({
      action: z.enum(consentActions),
      /** Time in RFC 3339. */
      at: z.string(),
      /** Normalized e-mail address. An entry has one of `email`, `phone` and `digest`. */
      email: z.string().optional(),
      /** Normalized phone. */
      phone: z.string().optional(),
      /** Digest of an erased subscription. */
      digest: z.string().optional(),
      /** Id of the token that made the call. */
      token_id: z.string().optional(),
      reason: z.string().optional(),
      requested_by: z.string().optional(),
    }),
  ),
  ...envelope.shape,
  next_from_id: z.string().optional(),
});
/** Reply to `subscriptions/list_consent`. */
export type ConsentReply = z.infer<typeof consentReply>;
