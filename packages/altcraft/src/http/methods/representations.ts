import { createHash } from "node:crypto";
import { isInPhoneData } from "../../schemas/channels.ts";
import type { Subscription } from "../../schemas/replies.ts";
import type { Profile, StoredSubscription } from "../../store/store.ts";
import { xxh64 } from "../../subscriptions/xxhash.ts";

/** Returns a subscription with the vendor's names and order, without empty members. */
export function presentSubscription(stored: StoredSubscription): Subscription {
  return {
    resource_id: stored.resource_id,
    channel: stored.channel,
    ...stored.fields,
    ...(stored.priority !== null && { priority: stored.priority }),
    status: stored.status,
    ...(Object.keys(stored.custom_fields).length > 0 && { custom_fields: stored.custom_fields }),
    ...(stored.cats.length > 0 && { cats: stored.cats }),
  };
}

/** Returns a subscription with the ids of its database and profile, as in `list_all`. */
export function presentWithIds(stored: StoredSubscription) {
  const { db_id, profile_id, hash_id } = stored;
  return { db_id, profile_id, _xxh: hashProfileId(profile_id), hash_id, ...presentSubscription(stored) };
}

/** Returns a deleted subscription with its ids and the time of its delete. */
export function presentDeleted(stored: StoredSubscription) {
  const deleted_at = new Date(stored.deleted_at ?? stored.updated_at).toISOString();
  return { ...presentWithIds(stored), is_delete: true, deleted_at };
}

/** Returns a profile with its subscriptions, as in `profiles/get`, the only reply that shows `is_delete`. */
export function presentProfile({ profile_id }: Profile, subscriptions: readonly StoredSubscription[]) {
  return {
    _id: profile_id,
    _xxh: hashProfileId(profile_id),
    _xxm: Number(xxh64(profile_id) % 10_000n),
    subscriptions: subscriptions.map((stored) => {
      const { email: _email, phone: _phone, ...rest } = presentSubscription(stored);
      return { ...rest, ...presentAddress(stored), hash_id: stored.hash_id, is_delete: stored.is_delete };
    }),
  };
}

function presentAddress({ channel, fields, address }: StoredSubscription) {
  if (typeof fields.email === "string") {
    const email = fields.email.trim();
    const domain = email.slice(email.lastIndexOf("@") + 1).toLowerCase();
    const md5 = createHash("md5").update(email.toLowerCase()).digest("hex");
    return { email_data: { domain, domain_group: domain, email, md5 } };
  }
  // Vendor quirk: the page documents both phone_data and cc_data for Viber and WhatsApp, so the reply has both.
  return isInPhoneData(channel) ? { phone_data: { phone: address } } : {};
}

const hashProfileId = (profileId: string) => xxh64(profileId).toString(16).padStart(16, "0");
