import type { Host, Vendor } from "@reinstate/batch-core";
import type { Altcraft } from "./create.ts";
import type { SubscriptionIdentity } from "./schemas/identity.ts";

const token = "demo-altcraft-token";
const place = { db_id: 1, resource_id: 26, profile_id: "507f1f77bcf86cd799439011" };
const phone = "+79000000000";

/** One deleted subscription for each channel, with the addresses of the vendor's examples. */
export const demoSubscriptions: readonly SubscriptionIdentity[] = [
  { ...place, channel: "email", email: "john@example.com" },
  { ...place, channel: "push", provider: "Firefox", subscription_id: "abcdefghijklmnqrstuvwxyz" },
  { ...place, channel: "sms", phone },
  { ...place, channel: "telegram_bot", cc_data: { id: 1 } },
  { ...place, channel: "whatsapp", cc_data: { phone } },
  { ...place, channel: "viber", cc_data: { phone } },
  { ...place, channel: "notify", cc_data: { phone } },
];

/** The subscription of the vendor's printed example, with its order of fields. */
export const documentedSubscription: SubscriptionIdentity = {
  db_id: 1,
  resource_id: 26,
  channel: "push",
  subscription_id: "abcdefghijklmnqrstuvwxyz",
  profile_id: "abcdefghijklmnqrstuvwxyz",
  provider: "Firefox",
};

export const demo: Vendor<unknown, Altcraft>["demo"] = {
  keys: [{ vendor: "altcraft", name: "demo", secret: token }],
  async load(_host: Host, altcraft: Altcraft) {
    const deleted = [...demoSubscriptions, documentedSubscription];
    await altcraft.load(deleted.map((identity) => ({ ...identity, is_delete: true })));
  },
  curl(baseUrl) {
    const body = JSON.stringify({ token, ...documentedSubscription });
    return `curl -X POST ${baseUrl}/api/v1.1/subscriptions/undelete -H 'Content-Type: application/json' -d '${body}'`;
  },
};
