import { type ProfileSubscription, type SubscriptionIdentity, subscriptionIdentity } from "../schemas.ts";
import { type Comparison, computeHashId, toKey } from "../subscriptions/rules.ts";

/** A subscription that was found in a profile; `missing` where the profile has none like it, `hidden` where that cannot be told. */
export type ProfileLookup = ProfileSubscription | "missing" | "hidden";

/**
 * Finds a subscription among those that `profiles/get` shows of its profile. The addresses of some channels are not documented
 * there; then the `hash_id` tells, and where that is another one, nothing does: how it is made is documented for e-mail alone.
 */
export function findInProfile(
  item: SubscriptionIdentity,
  shown: readonly ProfileSubscription[],
  comparison: Comparison,
): ProfileLookup {
  const { address } = toKey(item, comparison);
  const hashes = (["given", "compared"] as const).map((hashIdInput) =>
    computeHashId(item, { ...comparison, hashIdInput }),
  );
  let sighting: ProfileLookup = "missing";
  for (const one of shown) {
    if (one.channel !== item.channel || one.resource_id !== item.resource_id) continue;
    const identity = subscriptionIdentity.safeParse({ ...item, ...addressIn(one) });
    if (
      identity.success
        ? toKey(identity.data, comparison).address === address
        : hashes.some((hash) => hash === one.hash_id)
    )
      return one;
    if (!identity.success) sighting = "hidden";
  }
  return sighting;
}

/** The address fields as calls name them; undefined ones where they are not shown. */
function addressIn({ email_data, phone_data, cc_data, provider, subscription_id }: ProfileSubscription) {
  const phone = phone_data?.phone;
  return {
    email: email_data?.email,
    phone,
    provider,
    subscription_id,
    cc_data: cc_data ?? (phone === undefined ? undefined : { phone }),
  };
}
