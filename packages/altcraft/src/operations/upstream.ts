import type { AnyOperation, Host, Outcome, Work } from "@reinstate/batch-core";
import { createCircuitBreaker, type RetryOptions } from "@reinstate/batch-core/client";
import { definePerItemOperation } from "@reinstate/batch-core/upstream";
import { createAltcraftClient } from "../client.ts";
import type { Consent } from "../consent/port.ts";
import type { AltcraftSettings, Upstream } from "../options.ts";
import type { UndeleteOptions } from "../schemas/consent.ts";
import { type SubscriptionIdentity, subscriptionIdentity } from "../schemas/identity.ts";
import type { ProfileSubscription } from "../schemas/replies.ts";
import { type FlagVerb, hidden, toKey, toKeyText, toOutcome } from "../subscriptions/rules.ts";
import { findInProfile, type ProfileLookup } from "./find-in-profile.ts";
import { makeOpposite, makeParamsSchema, operationNames, roles } from "./operations.ts";

export interface UpstreamParts {
  host: Pick<Host, "clock" | "database">;
  upstream: Upstream;
  /** Random UUID of this installation. */
  installation: string;
  consent: Consent;
  settings: AltcraftSettings;
}

/**
 * Defines undelete and delete at the real Altcraft, with one call for each subscription.
 *
 * Protocol: the core stores the keys of a chunk as `intents` before it sends the first one. The operation has no `reconcile`,
 * because a worker that takes the chunk over sends the same `Request-ID`s again, and the vendor's deduplication carries out only
 * those that it has not executed. `toRequestId` of the core derives the ids from what is stored. After the vendor's deduplication time of 24 hours, a repeated call is executed again. It sets the
 * flag to the same value, so it has an effect only if another client has changed the subscription since then.
 *
 * A dry run and the consent guard read `profiles/get`, the only reply documented to have `is_delete`.
 */
export function createUpstream({ host, upstream, installation, consent, settings }: UpstreamParts): AnyOperation[] {
  const { clock } = host;
  const breaker = createCircuitBreaker("Altcraft", () => clock.now());
  // The client retries calls that may succeed at once. The core retries chunks, with longer pauses.
  const retry: RetryOptions = { attempts: 3, sleep: (ms, signal) => clock.sleep(ms, signal) };
  const client = createAltcraftClient({ retry, breaker, ...upstream });
  const keyText = (item: SubscriptionIdentity) => toKeyText(toKey(item, settings));

  /** Creates a look-up of items in their profiles that reads each profile once. */
  function createProfileCache({ signal }: Work<SubscriptionIdentity, UndeleteOptions>) {
    const profiles = new Map<string, Promise<ProfileSubscription[]>>();
    async function readSubscriptions({ db_id, profile_id }: SubscriptionIdentity): Promise<ProfileSubscription[]> {
      const match = { db_id, matching: "profile_id", profile_id } as const;
      return (await client.profiles.get(match, { signal })).data.subscriptions;
    }
    return {
      countCalls: () => profiles.size,
      async lookup(item: SubscriptionIdentity): Promise<ProfileLookup> {
        const name = `${item.db_id} ${item.profile_id}`;
        const subscriptions = profiles.get(name) ?? readSubscriptions(item);
        profiles.set(name, subscriptions);
        return findInProfile(item, await subscriptions, settings);
      },
    };
  }

  /** Returns the outcome that an item would have if it were sent. */
  function predictOutcome(verb: FlagVerb, key: string, found: ProfileLookup): Outcome {
    if (found === "hidden") return { key, outcome: "unknown", ...hidden };
    if (found === "missing") return toOutcome(verb, key, "missing");
    return toOutcome(verb, key, (found.is_delete === true) === (verb === "undelete") ? "changed" : "unchanged");
  }

  return (["undelete", "delete"] as const).map((verb) =>
    definePerItemOperation<SubscriptionIdentity, UndeleteOptions>(host, {
      name: operationNames[verb],
      label: `subscriptions/${verb}`,
      role: roles[verb],
      item: subscriptionIdentity,
      params: makeParamsSchema(verb, consent),
      opposite: makeOpposite(verb),
      key: keyText,
      vendor: "Altcraft",
      installation,
      concurrency: settings.upstreamConcurrency,
      perSecond: settings.upstreamPerSecond,
      async screen(list) {
        const guard = await consent.checkUpstream(verb, list);
        if (!guard) return 0;
        const cache = createProfileCache(list.work);
        await list.callEach(async ({ item }) => guard(item, await cache.lookup(item)));
        return cache.countCalls();
      },
      send: (item, call) => client.subscriptions[verb](item, call),
      async preview(list) {
        const guard = await consent.checkUpstream(verb, list);
        const cache = createProfileCache(list.work);
        await list.callEach(async ({ item }) => {
          const found = await cache.lookup(item);
          return guard?.(item, found) ?? predictOutcome(verb, keyText(item), found);
        });
      },
    }),
  );
}
