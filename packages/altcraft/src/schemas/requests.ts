import * as z from "zod";
import {
  ccAddress,
  ccFault,
  channelName,
  emailAddress,
  fields,
  id,
  phoneNumber,
  place,
  subscriptionIdentity,
  text,
} from "./identity.ts";

/** The status words; the place of each is its number. Page: objects/Subscription-status_2195807. */
export const statuses = [
  "subscribed",
  "unsubscribed",
  "complained",
  "hardbounced",
  "unconfirmed",
  "suspended",
  "invalid",
] as const;
/** The status of a subscription. */
export type Status = (typeof statuses)[number];

/** Word or number. */
export const status = z.union(
  [
    z.enum(statuses),
    z
      .int()
      .min(0)
      .max(statuses.length - 1),
  ],
  {
    error: `must be one of ${statuses.join(", ")}, or its number`,
  },
);

/** What the function `incr` can add to, or add. */
export const isNumeric = (value: unknown) =>
  (typeof value === "number" || (typeof value === "string" && value.trim() !== "")) && Number.isFinite(Number(value));

/** The vendor's words, from its push API. */
export const unfitField = "failed convert custom field";

/** The functions that a field's value may be: `{ "action": "incr", "value": 1 }`. Page: profiles/3113721. */
export const fieldActions = ["set", "unset", "incr", "add", "delete", "upsert"] as const;
export type FieldAction = (typeof fieldActions)[number];

/** The function that a field's value is; undefined where it is a plain value. Its action may be none of the known ones. */
export function readFieldCall(value: unknown): { action: unknown; value: unknown } | undefined {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, "action")) return undefined;
  const { action, value: operand } = value as { action: unknown; value?: unknown };
  return { action, value: operand ?? undefined };
}

const isFieldAction = (action: unknown) => fieldActions.some((known) => known === action);

const customFields = fields.superRefine((given, context) => {
  for (const [name, value] of Object.entries(given)) {
    const call = readFieldCall(value);
    if (!call) continue;
    const fits =
      isFieldAction(call.action) && (call.action !== "incr" || call.value === undefined || isNumeric(call.value));
    if (!fits) context.addIssue({ code: "custom", path: [name], message: unfitField });
  }
});

/** What `subscriptions/set` may change; what is left out stays as it is. Page: profiles/subscriptions/2195519. */
export const subscriptionChanges = z.object({
  status: status.optional(),
  /** 0 is the highest. */
  priority: z.int().min(0).max(2_147_483_647).optional(),
  /** A value, null to remove the field, or a function: `{ "action": "incr", "value": 1 }`. */
  custom_fields: customFields.optional(),
  cats: z.array(text(128)).max(1000).optional(),
  /** RFC 3339: when the subscription was made. */
  date: z.iso.datetime({ offset: true, error: "is not an RFC 3339 time" }).optional(),
  ip: text(64).optional(),
  url: text(2048).optional(),
  /** There are no triggers here; accepted so that requests need no change. */
  skip_triggers: z.boolean().optional(),
});
/** The fields of a subscription that a call may set. */
export type SubscriptionChanges = z.infer<typeof subscriptionChanges>;

/** The body of `subscriptions/set`. */
export const subscriptionSet = z.intersection(subscriptionIdentity, subscriptionChanges);
/** The body of `subscriptions/set`. */
export type SubscriptionSet = z.infer<typeof subscriptionSet>;

/** A subscription as it is brought in from elsewhere: as `set` takes it, and whether it is deleted. */
export const subscriptionImport = z.intersection(subscriptionSet, z.object({ is_delete: z.boolean().default(false) }));
/** An imported subscription after validation. */
export type SubscriptionRead = z.output<typeof subscriptionImport>;
/** A subscription as an import accepts it. */
export type SubscriptionImport = z.input<typeof subscriptionSet> & { is_delete?: boolean };

/** Page: profiles/subscriptions/2195522. */
export const subscriptionList = z.object({ db_id: place.db_id, profile_id: place.profile_id });
/** The body of `subscriptions/list`. */
export type SubscriptionList = z.infer<typeof subscriptionList>;

/** A cursor: `next_from_id` of the page before; left out or empty for the first page. */
export const fromId = z.string().max(2048).optional();

export const pageLimit = z.int().min(1, "must be at least 1").max(10_000, "must not be more than 10000").default(1000);

/** Many profiles, a page at a time. Page: profiles/subscriptions/2195524. */
export const subscriptionListAll = z.object({
  resource_id: id,
  db_id: id.optional(),
  channel: channelName.optional(),
  status: status.optional(),
  from_id: fromId,
  limit: pageLimit,
});
/** The body of `subscriptions/list_all`. */
export type SubscriptionListAll = z.infer<typeof subscriptionListAll>;

/** Which subscriptions of a database to suspend or to unsuspend. Pages: profiles/subscriptions/2195533 and 2195539. */
export const subscriptionScope = z.object({
  db_id: id,
  channel: channelName.optional(),
  resource_id: id.optional(),
});
/** The subscriptions that a suspension covers. */
export type SubscriptionScope = z.infer<typeof subscriptionScope>;

const onResource = { db_id: id, resource_id: id.optional() };
const matchEmail = { ...onResource, email: emailAddress };
const matchPhone = { ...onResource, phone: phoneNumber };
const matchBoth = { ...onResource, email: emailAddress.optional(), phone: phoneNumber.optional() };

/**
 * How a profile is found: by its id, or by the address of one of its subscriptions, deleted ones too. `email` where
 * nothing is said. Page: profiles/2195482.
 */
export const profileMatch = z.discriminatedUnion(
  "matching",
  [
    z.object({ ...matchEmail, matching: z.literal("email").optional() }),
    z.object({ ...matchEmail, matching: z.literal("email_sub") }),
    z.object({ ...matchPhone, matching: z.literal(["phone", "phone_sub"]) }),
    z
      .object({ ...matchBoth, matching: z.literal(["email_phone", "email_phone_sub"]) })
      .refine(({ email, phone }) => email !== undefined || phone !== undefined, {
        path: ["email"],
        error: "is required, or phone",
      }),
    z.object({ ...onResource, matching: z.literal("profile_id"), profile_id: place.profile_id }),
    z.object({
      ...onResource,
      matching: z.literal("push_sub"),
      subscription_id: text(4096),
      provider: text(128),
    }),
    z
      .object({ ...onResource, matching: z.literal("custom_sub"), ...ccAddress })
      .superRefine(({ channel, cc_data }, context) => {
        const fault = ccFault(channel, cc_data);
        if (fault) context.addIssue({ code: "custom", ...fault, path: ["cc_data", ...fault.path] });
      }),
  ],
  {
    error:
      "must be one of email, email_sub, phone, phone_sub, email_phone, email_phone_sub, push_sub, custom_sub, profile_id; profiles have no fields of their own here",
  },
);
/** The fields by which a profile is found. */
export type ProfileMatch = z.infer<typeof profileMatch>;

/** A profile with all its subscriptions, deleted ones too. */
export const profileGet = profileMatch;
/** The body of `profiles/get`. */
export type ProfileGet = ProfileMatch;
