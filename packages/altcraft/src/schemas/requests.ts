import * as z from "zod";
import { ccChannels, isKnownChannel, isPhoneInCcData } from "./channels.ts";
import { customFields } from "./field-functions.ts";
import { chatId, emailAddress, type Fault, fields, fromId, id, pageLimit, phoneNumber, place, text } from "./fields.ts";
import { channelName, customChannelName, subscriptionIdentity } from "./identity.ts";

/** Words of the status, each at the index that is its number. Page: objects/Subscription-status_2195807. */
export const statuses = [
  "subscribed",
  "unsubscribed",
  "complained",
  "hardbounced",
  "unconfirmed",
  "suspended",
  "invalid",
] as const;
/** Status of a subscription. */
export type Status = (typeof statuses)[number];

/** Schema of a status, as its word or its number. */
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

/** Schema of the fields that `subscriptions/set` may change. Absent fields keep their value. Page: profiles/subscriptions/2195519. */
export const subscriptionChanges = z.object({
  status: status.optional(),
  /** 0 is the highest. */
  priority: z.int().min(0).max(2_147_483_647).optional(),
  /** For each field a value, null to remove it, or a function: `{ "action": "incr", "value": 1 }`. */
  custom_fields: customFields.optional(),
  cats: z.array(text(128)).max(1000).optional(),
  /** Time at which the subscription was made, in RFC 3339. */
  date: z.iso.datetime({ offset: true, error: "is not an RFC 3339 time" }).optional(),
  ip: text(64).optional(),
  url: text(2048).optional(),
  /** Ignored: this server has no triggers. */
  skip_triggers: z.boolean().optional(),
});
/** Fields that `subscriptions/set` may change. */
export type SubscriptionChanges = z.infer<typeof subscriptionChanges>;

/** Schema of the body of `subscriptions/set`. */
export const subscriptionSet = z.intersection(subscriptionIdentity, subscriptionChanges);
/** Body of `subscriptions/set`. */
export type SubscriptionSet = z.infer<typeof subscriptionSet>;

/** Schema of a subscription to import: the fields of `subscriptions/set`, and `is_delete`. */
export const subscriptionImport = z.intersection(subscriptionSet, z.object({ is_delete: z.boolean().default(false) }));
/** A subscription to import, after validation. */
export type ParsedSubscription = z.output<typeof subscriptionImport>;
/** A subscription to import. */
export type SubscriptionImport = z.input<typeof subscriptionSet> & { is_delete?: boolean };

/** Schema of the body of `subscriptions/list`. Page: profiles/subscriptions/2195522. */
export const subscriptionList = z.object({ db_id: place.db_id, profile_id: place.profile_id });
/** Body of `subscriptions/list`. */
export type SubscriptionList = z.infer<typeof subscriptionList>;

/** Schema of the body of `subscriptions/list_all`. Page: profiles/subscriptions/2195524. */
export const subscriptionListAll = z.object({
  resource_id: id,
  db_id: id.optional(),
  channel: channelName.optional(),
  status: status.optional(),
  from_id: fromId,
  limit: pageLimit,
});
/** Body of `subscriptions/list_all`. */
export type SubscriptionListAll = z.infer<typeof subscriptionListAll>;

/** Schema of the body of `subscriptions/suspend_all` and `unsuspend_all`. Pages: profiles/subscriptions/2195533 and 2195539. */
export const subscriptionScope = z.object({
  db_id: id,
  channel: channelName.optional(),
  resource_id: id.optional(),
});
/** Body of `subscriptions/suspend_all` and `unsuspend_all`. */
export type SubscriptionScope = z.infer<typeof subscriptionScope>;

/** Schemas of `channel` and `cc_data`, for channels whose address is in `cc_data`. */
const ccAddress = {
  channel: z.union([z.enum(ccChannels), customChannelName], { error: "is not a channel with cc_data" }),
  cc_data: fields,
};

/** Returns the fault of the `cc_data` of a channel; undefined if there is none. */
function findCcFault(channel: string, cc_data: Record<string, unknown>): Fault | undefined {
  if (!isKnownChannel(channel))
    return Object.keys(cc_data).length > 0 ? undefined : { path: [], message: "must not be empty" };
  // XML carries the id as text.
  const [name, schema] = isPhoneInCcData(channel)
    ? ["phone", phoneNumber]
    : ["id", z.union([chatId, z.string().regex(/^-?\d{1,16}$/)])];
  const value = cc_data[name as string];
  const parsed = (schema as z.ZodType).safeParse(value, { reportInput: true });
  if (parsed.success) return undefined;
  return { path: [name as string], message: value === undefined ? "is required" : `is not that of ${channel}` };
}

const onResource = { db_id: id, resource_id: id.optional() };
const matchEmail = { ...onResource, email: emailAddress };
const matchPhone = { ...onResource, phone: phoneNumber };
const matchBoth = { ...onResource, email: emailAddress.optional(), phone: phoneNumber.optional() };

/** Schema of the fields that find a profile: its id, or the address of a live or deleted subscription. Page: profiles/2195482. */
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
        const fault = findCcFault(channel, cc_data);
        if (fault) context.addIssue({ code: "custom", ...fault, path: ["cc_data", ...fault.path] });
      }),
  ],
  {
    error:
      "must be one of email, email_sub, phone, phone_sub, email_phone, email_phone_sub, push_sub, custom_sub, profile_id; profiles have no fields of their own here",
  },
);
/** Fields that find a profile. */
export type ProfileMatch = z.infer<typeof profileMatch>;

/** Schema of the body of `profiles/get`. */
export const profileGet = profileMatch;
/** Body of `profiles/get`. */
export type ProfileGet = ProfileMatch;
