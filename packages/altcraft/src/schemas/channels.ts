interface ChannelRow {
  /** The address is a phone. */
  isPhone?: true;
  /** Requests have the address in `cc_data`. */
  isInCcData?: true;
  /** `profiles/get` returns the address in `phone_data`. */
  isInPhoneData?: true;
}

/**
 * The channels whose address the vendor documents. A new one also has a member in `schemas/identity.ts`, and its cases in
 * `normalizeAddress` and `pickAddressFields` of `subscriptions/rules.ts`. Any other name is a custom channel, whose `cc_data` may
 * hold any fields.
 */
const channels = {
  email: {},
  sms: { isPhone: true, isInPhoneData: true },
  push: {},
  telegram_bot: { isInCcData: true },
  whatsapp: { isPhone: true, isInCcData: true, isInPhoneData: true },
  viber: { isPhone: true, isInCcData: true, isInPhoneData: true },
  notify: { isPhone: true, isInCcData: true },
} as const satisfies Record<string, ChannelRow>;

/** A channel that the vendor documents. */
export type KnownChannel = keyof typeof channels;

/** The channels whose address the vendor documents. */
export const knownChannels = Object.keys(channels) as KnownChannel[];

type ChannelWith<Property extends keyof ChannelRow> = {
  [Name in KnownChannel]: (typeof channels)[Name] extends Record<Property, true> ? Name : never;
}[KnownChannel];

const listChannels = <Property extends keyof ChannelRow>(property: Property) =>
  knownChannels.filter((name): name is ChannelWith<Property> => property in channels[name]);

export const phoneChannels = listChannels("isPhone");
export const ccChannels = listChannels("isInCcData");

const hasProperty = (channel: string, property: keyof ChannelRow) =>
  listChannels(property).some((name) => name === channel);

export const isKnownChannel = (channel: unknown) => knownChannels.some((name) => name === channel);
export const isPhoneInCcData = (channel: string) =>
  hasProperty(channel, "isPhone") && hasProperty(channel, "isInCcData");
export const isChatIdInCcData = (channel: string) =>
  hasProperty(channel, "isInCcData") && !hasProperty(channel, "isPhone");
export const isInPhoneData = (channel: string) => hasProperty(channel, "isInPhoneData");
