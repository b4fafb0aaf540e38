import * as z from "zod";
import { ccChannels, isKnownChannel, knownChannels } from "./channels.ts";

/** Schema of a text that every database and every XML document can hold. `longest`: its maximum length in characters. */
export const text = (longest: number) =>
  z
    .string()
    .min(1, "must not be empty")
    // Ends the check, so that no pattern runs on a text of any length.
    .max(longest, { error: `must not be longer than ${longest} characters`, abort: true })
    .refine((value) => value.isWellFormed() && !value.includes("\0"), "must be Unicode text without NUL");

export const id = z.int().min(1, "must be at least 1");

/** A name that is also the name of an XML element, so that both formats can carry it. */
const fieldName = /^[A-Za-z_][\w.-]{0,127}$/;
const isFieldName = (name: string) => fieldName.test(name) && name !== "__proto__";

/** Limits of fields together: number of values, nesting depth, and characters as JSON. */
export const fieldLimits = { values: 1000, depth: 12, characters: 65_536 };

interface Fault {
  path: string[];
  message: string;
}

/** Returns the first fault of fields, at any depth; undefined if there is none. */
function findFault(fields: object): Fault | undefined {
  let values = 0;
  function walk(value: unknown, path: string[]): Fault | undefined {
    if (typeof value === "number" && !Number.isFinite(value)) return { path, message: "must be a finite number" };
    if (typeof value !== "object" || value === null) return undefined;
    if (path.length >= fieldLimits.depth) return { path: [], message: "is nested too deep" };
    for (const [name, inner] of Object.entries(value)) {
      if (++values > fieldLimits.values) {
        return { path: [], message: `must not hold more than ${fieldLimits.values} values` };
      }
      const at = [...path, name];
      if (!Array.isArray(value) && !isFieldName(name)) return { path: at, message: "is not a field name" };
      const fault = walk(inner, at);
      if (fault) return fault;
    }
    return undefined;
  }
  return walk(fields, []) ?? (areTooLong(fields) ? { path: [], message: tooLong } : undefined);
}

export const tooLong = `must not be longer than ${fieldLimits.characters} characters as JSON`;
export const areTooLong = (fields: object) => JSON.stringify(fields).length > fieldLimits.characters;

/** Schema of fields of any type by name. Checks them before zod copies them, because zod drops `__proto__` silently. */
export const fields = z.preprocess(
  (given, context) => {
    const fault = typeof given === "object" && given !== null ? findFault(given) : undefined;
    if (fault) context.issues.push({ code: "custom", input: given, ...fault });
    return given;
  },
  z.record(z.string().regex(fieldName), z.unknown()),
);

export const emailAddress = text(320).regex(/^\s*[^\s@]+@[^\s@]+\s*$/, "is not an e-mail address");
export const phoneNumber = text(64).regex(/^\s*\+?[\s()-]*\d[\d\s()-]*$/, "is not a phone number");

/** Fields that name a database, a resource and a profile. */
export const place = {
  db_id: id,
  resource_id: id,
  profile_id: text(64).regex(/^\S+$/, "must not hold white space"),
};

const chatId = z.int();

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

export const custom = z.object({
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
/** The fields that identify a subscription. */
export type SubscriptionIdentity = z.infer<typeof subscriptionIdentity>;
/** The identity of a subscription of a custom channel. */
export type CustomSubscription = z.infer<typeof custom>;

/** Returns whether a subscription belongs to a custom channel. */
export const isCustom = (identity: SubscriptionIdentity): identity is CustomSubscription =>
  !isKnownChannel(identity.channel);

/** Schemas of `channel` and `cc_data`, for channels whose address is in `cc_data`. */
export const ccAddress = {
  channel: z.union([z.enum(ccChannels), customChannelName], { error: "is not a channel with cc_data" }),
  cc_data: fields,
};

/** Returns the fault of the `cc_data` of a channel; undefined if there is none. */
export function ccFault(channel: string, cc_data: Record<string, unknown>): Fault | undefined {
  if (!isKnownChannel(channel))
    return Object.keys(cc_data).length > 0 ? undefined : { path: [], message: "must not be empty" };
  // XML carries the id as text.
  const [name, schema] =
    channel === "telegram_bot" ? ["id", z.union([chatId, z.string().regex(/^-?\d{1,16}$/)])] : ["phone", phoneNumber];
  const value = cc_data[name as string];
  const parsed = (schema as z.ZodType).safeParse(value, { reportInput: true });
  if (parsed.success) return undefined;
  return { path: [name as string], message: value === undefined ? "is required" : `is not that of ${channel}` };
}

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
