import { createHash } from "node:crypto";
import type { Subscription } from "../../schemas.ts";
import type { ConsentEntry, Profile, StoredSubscription } from "../../store/store.ts";
import { xxh64 } from "../../subscriptions/xxhash.ts";

/** A subscription in the vendor's words and order; what is empty is left out. */
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

/** The same with its place in front, as `list_all` shows it. */
export function presentWithIds(stored: StoredSubscription) {
  const { db_id, profile_id, hash_id } = stored;
  return { db_id, profile_id, _xxh: hashProfileId(profile_id), hash_id, ...presentSubscription(stored) };
}

/** The same of a deleted one, with the time of its delete. */
export function presentDeleted(stored: StoredSubscription) {
  const deleted_at = new Date(stored.deleted_at ?? stored.updated_at).toISOString();
  return { ...presentWithIds(stored), is_delete: true, deleted_at };
}

/** An entry of the consent log. */
export function presentConsentEntry({ action, at, channel, subject, actor, reason, requested_by }: ConsentEntry) {
  const name = channel === null ? "digest" : channel === "email" ? "email" : "phone";
  return {
    ...{ action, at: new Date(at).toISOString(), [name]: subject },
    ...(actor !== null && { token_id: actor }),
    ...(reason !== null && { reason }),
    ...(requested_by !== null && { requested_by }),
  };
}

/** A profile with all its subscriptions, as `profiles/get` shows it: the only place where `is_delete` is seen. */
export function presentProfile({ profile_id }: Profile, subscriptions: readonly StoredSubscription[]) {
  return {
    _id: profile_id,
    _xxh: hashProfileId(profile_id),
    _xxm: Number(xxh64(profile_id) % 10_000n),
    subscriptions: subscriptions.map((stored) => {
      const { email: _email, phone: _phone, ...rest } = presentSubscription(stored);
      return { ...rest, ...channelData(stored), hash_id: stored.hash_id, is_delete: stored.is_delete };
    }),
  };
}

function channelData({ channel, fields, address }: StoredSubscription) {
  if (typeof fields.email === "string") {
    const email = fields.email.trim();
    const domain = email.slice(email.lastIndexOf("@") + 1).toLowerCase();
    const md5 = createHash("md5").update(email.toLowerCase()).digest("hex");
    return { email_data: { domain, domain_group: domain, email, md5 } };
  }
  // The page names phone_data for Viber and WhatsApp too, whose address the same page has in cc_data: both are shown.
  return ["sms", "viber", "whatsapp"].includes(channel) ? { phone_data: { phone: address } } : {};
}

const hashProfileId = (profileId: string) => xxh64(profileId).toString(16).padStart(16, "0");
