import type { AnyOperation, Host, Outcome, Work } from "@reinstate/batch-core";
import { createCircuitBreaker, type RetryOptions } from "@reinstate/batch-core/client";
import { definePerItemOperation, type ItemList } from "@reinstate/batch-core/upstream";
import { createAltcraftClient } from "../client.ts";
import type { AltcraftSettings, Upstream } from "../options.ts";
import {
  type ProfileSubscription,
  type SubscriptionIdentity,
  subscriptionIdentity,
  type UndeleteOptions,
} from "../schemas.ts";
import type { ConsentStore } from "../store/store.ts";
import {
  digestKey,
  erased,
  type FlagVerb,
  findConsentViolation,
  missing,
  statusWord,
  toKey,
  toKeyText,
  toOutcome,
} from "../subscriptions/rules.ts";
import { findInProfile, type ProfileLookup } from "./find-in-profile.ts";
import { isConsentGuardActive, makeOpposite, makeParamsSchema, operationNames, roles } from "./operations.ts";

const hidden = { code: "hidden", message: "The profile does not show the address of this subscription" };

type UpstreamList = ItemList<SubscriptionIdentity, UndeleteOptions>;

export interface UpstreamParts {
  host: Pick<Host, "clock" | "database">;
  upstream: Upstream;
  /** Random UUID of this installation. */
  installation: string;
  consent: ConsentStore;
  settings: AltcraftSettings;
}

/**
 * Defines undelete and delete at the real Altcraft, with one call for each subscription. After a crash the same `Request-ID`s are
 * sent again, and the vendor's deduplication carries out only those that it had not yet. A dry run and the consent guard read
 * `profiles/get`, the only call that shows what is deleted. Subscriptions that were erased here are never sent, whatever the guard
 * allows.
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

  /** Returns the keys whose address is on this installation's suppression list. The vendor documents no way to read its own. */
  async function findSuppressed(list: UpstreamList): Promise<Set<string>> {
    const keys = list.open().map(({ item }) => toKey(item, settings));
    const listed = await consent.suppressed(keys);
    return new Set(keys.filter((_, index) => listed[index]).map(toKeyText));
  }

  /** Rejects items that were erased here, because they must not come back. */
  async function rejectErased(verb: FlagVerb, list: UpstreamList): Promise<void> {
    if (verb === "delete") return;
    const entries = list.open().map((entry) => ({ entry, digest: digestKey(toKey(entry.item, settings)) }));
    const gone = await consent.erased(entries.map(({ digest }) => digest));
    for (const { entry, digest } of entries) {
      if (gone.has(digest)) entry.outcome = { key: entry.key, outcome: "failed", ...erased };
    }
  }

  /** Rejects items without consent before the first one is sent. Returns the number of calls made. */
  async function rejectWithoutConsent(list: UpstreamList): Promise<number> {
    const suppressed = await findSuppressed(list);
    const cache = createProfileCache(list.work);
    await list.callEach(async ({ item }) => findGuardFailure(keyText(item), await cache.lookup(item), suppressed));
    return cache.countCalls();
  }

  /** Returns the outcome of an item that the guard rejects; undefined if it does not. */
  function findGuardFailure(key: string, found: ProfileLookup, suppressed: ReadonlySet<string>): Outcome | undefined {
    if (found === "missing") return { key, outcome: "failed", ...missing };
    // An unreadable consent status counts as no consent.
    if (found === "hidden") return { key, outcome: "failed", ...hidden };
    const violation = findConsentViolation({ status: statusWord(found.status), suppressed: suppressed.has(key) });
    return violation && { key, outcome: "failed", ...violation };
  }

  /** Returns the outcome that an item would have if it were sent. */
  function predictOutcome(verb: FlagVerb, key: string, found: ProfileLookup): Outcome {
    if (found === "hidden") return { key, outcome: "unknown", ...hidden };
    if (found === "missing") return toOutcome(verb, key, "missing");
    return toOutcome(verb, key, (found.is_delete === true) === (verb === "undelete") ? "changed" : "unchanged");
  }

  return (["undelete", "delete"] as const).map((verb) => {
    const isGuarded = (list: UpstreamList) => isConsentGuardActive(verb, list.work.params, settings);
    return definePerItemOperation<SubscriptionIdentity, UndeleteOptions>(host, {
      name: operationNames[verb],
      label: `subscriptions/${verb}`,
      role: roles[verb],
      item: subscriptionIdentity,
      params: makeParamsSchema(verb, settings),
      opposite: makeOpposite(verb),
      key: keyText,
      vendor: "Altcraft",
      installation,
      concurrency: settings.upstreamConcurrency,
      perSecond: settings.upstreamPerSecond,
      async screen(list) {
        await rejectErased(verb, list);
        return isGuarded(list) ? rejectWithoutConsent(list) : 0;
      },
      send: (item, call) => client.subscriptions[verb](item, call),
      async preview(list) {
        await rejectErased(verb, list);
        const suppressed = isGuarded(list) ? await findSuppressed(list) : undefined;
        const cache = createProfileCache(list.work);
        await list.callEach(async ({ item }) => {
          const key = keyText(item);
          const found = await cache.lookup(item);
          return (suppressed && findGuardFailure(key, found, suppressed)) ?? predictOutcome(verb, key, found);
        });
      },
    });
  });
}
