import * as z from "zod";
import { isKnownChannel, knownChannels } from "./channels.ts";
import { chatId, emailAddress, fields, phoneNumber, place, text } from "./fields.ts";

const phoneChannel = <Channel extends string>(channel: Channel) =>
  z.object({ ...place, channel: z.literal(channel), cc_data: z.object({ phone: phoneNumber }) });

const known = z.discriminatedUnion("channel", [
  z.object({ ...place, channel: z.literal("email"), email: emailAddress }),
  z.object({ ...place, channel: z.literal("sms"), phone: phoneNumber }),
  z.object({ ...place, channel: z.literal("push"), provider: text(128), subscription_id: text(4096) }),
  z.object({ ...place, channel: z.literal("telegram_bot"), cc_data: z.object({ id: chatId }) }),
  phoneChannel("whatsapp"),
  phoneChannel("viber"),
  phoneChannel("notify"),
]);

/** Schema of the name of a custom channel, which is none of `knownChannels`. */
export const customChannelName = z
  .string()
  // Ends the check; otherwise the union reports the issues of this branch.
  .regex(new RegExp(`^(?!(?:${knownChannels.join("|")})$)[A-Za-z][\\w-]{0,63}$`), {
    error: "is not a channel name",
    abort: true,
  })
  .brand<"custom channel">();

const custom = z.object({
  ...place,
  channel: customChannelName,
  cc_data: fields.refine((value) => Object.keys(value).length > 0, "must not be empty").meta({ minProperties: 1 }),
});

/**
 * Schema of the fields that identify a subscription in requests: `db_id`, `resource_id`, `profile_id`, `channel`, and the channel's
 * address. Page: profiles/subscriptions/2195531.
 */
export const subscriptionIdentity = z.union([known, custom], {
  error: (issue) => {
    if (issue.code !== "invalid_union" || !("errors" in issue)) return undefined;
    const channel = (issue.input as { channel?: unknown } | null | undefined)?.channel;
    const [ofKnown = [], ofCustom = []] = issue.errors as z.core.$ZodIssue[][];
    if (typeof channel !== "string") return 'field "channel": is required';
    return describeIssue((isKnownChannel(channel) ? ofKnown : ofCustom)[0]);
  },
});
/** Fields that identify a subscription. */
export type SubscriptionIdentity = z.infer<typeof subscriptionIdentity>;
/** Fields that identify a subscription of a custom channel. */
export type CustomSubscription = z.infer<typeof custom>;

/** Returns whether a subscription belongs to a custom channel. */
export const isCustom = (identity: SubscriptionIdentity): identity is CustomSubscription =>
  !isKnownChannel(identity.channel);

/** Schema of the name of a documented or custom channel. */
export const channelName = z.union([z.enum(knownChannels), customChannelName], { error: "is not a channel name" });

/** Returns one sentence that names the field and says what is wrong. */
export function describeIssue(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return "is not valid";
  // The sentence of a union already names its field.
  if (issue.code === "invalid_union" && issue.path.length === 0) return issue.message;
  const missing =
    issue.code === "invalid_type" && issue.input === undefined && /received undefined/.test(issue.message);
  const message = missing ? "is required" : issue.message.replace(/^Invalid input: /, "");
  return issue.path.length === 0 ? message : `field "${issue.path.join(".")}": ${message}`;
}
