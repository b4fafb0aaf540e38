import { type SubscriptionIdentity, subscriptionIdentity } from "../schemas/identity.ts";
import type { ProfileSubscription } from "../schemas/replies.ts";
import { type Comparison, computeHashId, toKey } from "../subscriptions/rules.ts";

/** Result of a look-up in a profile: the subscription, `missing`, or `hidden` if the reply does not show enough to decide. */
export type ProfileLookup = ProfileSubscription | "missing" | "hidden";

/**
 * Finds a subscription among those that `profiles/get` returns.
 *
 * Vendor quirk: the reply is not documented to contain the address of every channel. Then `hash_id` is compared. A different
 * `hash_id` proves nothing, because its computation is documented for e-mail only.
 */
export function findInProfile(
  item: SubscriptionIdentity,
  subscriptions: readonly ProfileSubscription[],
  comparison: Comparison,
): ProfileLookup {
  const { address } = toKey(item, comparison);
  const hashes = (["given", "compared"] as const).map((hashIdInput) =>
    computeHashId(item, { ...comparison, hashIdInput }),
  );
  let result: ProfileLookup = "missing";
  for (const candidate of subscriptions) {
    if (candidate.channel !== item.channel || candidate.resource_id !== item.resource_id) continue;
    const identity = subscriptionIdentity.safeParse({ ...item, ...pickAddress(candidate) });
    if (
      identity.success
        ? toKey(identity.data, comparison).address === address
        : hashes.some((hash) => hash === candidate.hash_id)
    )
      return candidate;
    if (!identity.success) result = "hidden";
  }
  return result;
}

/** Returns the address fields under their names in requests; undefined for fields that the reply does not show. */
function pickAddress({ email_data, phone_data, cc_data, provider, subscription_id }: ProfileSubscription) {
  const phone = phone_data?.phone;
  return {
    email: email_data?.email,
    phone,
    provider,
    subscription_id,
    cc_data: cc_data ?? (phone === undefined ? undefined : { phone }),
  };
}
