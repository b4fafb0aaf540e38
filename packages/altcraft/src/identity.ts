import * as z from "zod";

/** What no database and no XML document can hold is refused at the door. */
export const text = (longest: number) =>
  z
    .string()
    .min(1, "must not be empty")
    // Ends the check, so that no pattern is tried on a text of any length.
    .max(longest, { error: `must not be longer than ${longest} characters`, abort: true })
    .refine((value) => value.isWellFormed() && !value.includes("\0"), "must be Unicode text without NUL");

export const id = z.int().min(1, "must be at least 1");

/** A name that is also the name of an XML element, so that both formats can carry it. */
const fieldName = z.string().regex(/^[A-Za-z_][\w.-]{0,127}$/, "is not a field name");

const deepest = 12;

const isShallow = (value: unknown, room = deepest): boolean =>
  typeof value !== "object" ||
  value === null ||
  (room > 0 && Object.values(value).every((inner) => isShallow(inner, room - 1)));

/** Fields of any kind by name. */
export const fields = z.record(fieldName, z.unknown()).refine((value) => isShallow(value), "is nested too deep");

export const emailAddress = text(320).regex(/^\s*[^\s@]+@[^\s@]+\s*$/, "is not an e-mail address");
export const phoneNumber = text(64).regex(/^\s*\+?[\s()-]*\d[\d\s()-]*$/, "is not a phone number");

/** Which profile of which database, and which resource. */
export const place = {
  db_id: id,
  resource_id: id,
  profile_id: text(64).regex(/^\S+$/, "must not hold white space"),
};

const phoneChannel = <Channel extends string>(channel: Channel) =>
  z.object({ ...place, channel: z.literal(channel), cc_data: z.object({ phone: phoneNumber }) });

const known = z.discriminatedUnion("channel", [
  z.object({ ...place, channel: z.literal("email"), email: emailAddress }),
  z.object({ ...place, channel: z.literal("sms"), phone: phoneNumber }),
  z.object({ ...place, channel: z.literal("push"), provider: text(128), subscription_id: text(4096) }),
  z.object({ ...place, channel: z.literal("telegram_bot"), cc_data: z.object({ id: z.int() }) }),
  phoneChannel("whatsapp"),
  phoneChannel("viber"),
  phoneChannel("notify"),
]);

/** The channels whose address the vendor documents. */
export const knownChannels = ["email", "sms", "push", "telegram_bot", "whatsapp", "viber", "notify"] as const;
export type KnownChannel = (typeof knownChannels)[number];

const isKnown = (channel: unknown) => knownChannels.some((name) => name === channel);

/** The name of a channel of one's own, which is not one of `knownChannels`. */
export const customChannelName = z
  .string()
  .regex(/^[A-Za-z][\w-]{0,63}$/, "is not a channel name")
  // Ends the check, or the union would take this branch for the likely one.
  .refine((name) => !isKnown(name), { error: "is not a channel of one's own", abort: true })
  .brand<"custom channel">();

export const custom = z.object({
  ...place,
  channel: customChannelName,
  cc_data: fields.refine((value) => Object.keys(value).length > 0, "must not be empty"),
});

/**
 * One subscription, named as `subscriptions/undelete`, `delete` and `get` name it: `db_id`, `resource_id`, `profile_id`,
 * `channel` and the channel's own address. Page: profiles/subscriptions/2195531.
 */
export const subscriptionIdentity = z.union([known, custom], {
  error: (issue) => {
    if (issue.code !== "invalid_union" || !("errors" in issue)) return undefined;
    const channel = (issue.input as { channel?: unknown } | null | undefined)?.channel;
    const [ofKnown = [], ofCustom = []] = issue.errors as z.core.$ZodIssue[][];
    if (typeof channel !== "string") return 'field "channel": is required';
    return describeIssue((isKnown(channel) ? ofKnown : ofCustom)[0]);
  },
});
export type SubscriptionIdentity = z.infer<typeof subscriptionIdentity>;
export type CustomSubscription = z.infer<typeof custom>;

/** Is it of a channel of one's own? */
export const isCustom = (identity: SubscriptionIdentity): identity is CustomSubscription => !isKnown(identity.channel);

/** The name of any channel. */
export const channelName = z.union([z.enum(knownChannels), customChannelName], { error: "is not a channel name" });

/** What is wrong, in one sentence that names the field. */
export function describeIssue(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return "is not valid";
  // The sentence of a union already names its field.
  if (issue.code === "invalid_union" && issue.path.length === 0) return issue.message;
  const missing =
    issue.code === "invalid_type" && issue.input === undefined && /received undefined/.test(issue.message);
  const message = missing ? "is required" : issue.message.replace(/^Invalid input: /, "");
  return issue.path.length === 0 ? message : `field "${issue.path.join(".")}": ${message}`;
}
