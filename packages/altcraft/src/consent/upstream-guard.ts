import type { Outcome } from "@reinstate/batch-core";
import type { ItemList } from "@reinstate/batch-core/upstream";
import type { AltcraftSettings } from "../options.ts";
import type { UndeleteOptions } from "../schemas/consent.ts";
import type { SubscriptionIdentity } from "../schemas/identity.ts";
import type { Status } from "../schemas/requests.ts";
import type { SubscriptionKey } from "../store/store.ts";
import {
  type FlagVerb,
  hidden,
  type ItemFailure,
  missing,
  statusWord,
  toKey,
  toKeyText,
} from "../subscriptions/rules.ts";
import type { ConsentStore } from "./consent-store.ts";
import { findViolation } from "./guard.ts";

type UpstreamList = ItemList<SubscriptionIdentity, UndeleteOptions>;

/** Result of a look-up of a subscription in its profile, as far as the guard reads it. */
type FoundStatus = { status: Status | number } | "missing" | "hidden";

/** Returns the outcome of an item that the guard rejects; undefined if it allows the item. */
export type UpstreamGuard = (item: SubscriptionIdentity, found: FoundStatus) => Outcome | undefined;

/** Parts of the local guard. */
interface LocalGuard {
  isActive(verb: FlagVerb, options: UndeleteOptions): boolean;
  findErased(keys: readonly SubscriptionKey[]): Promise<Map<string, ItemFailure>>;
}

/**
 * Creates the check of the items of a chunk for the real Altcraft. It fails the items that were erased here, because they must not
 * come back, and returns the guard if it is active for the call.
 */
export function createUpstreamCheck(store: ConsentStore, guard: LocalGuard, settings: AltcraftSettings) {
  const readKeys = (list: UpstreamList) =>
    list.undecided().map((entry) => ({ entry, key: toKey(entry.item, settings) }));

  async function failErased(list: UpstreamList): Promise<void> {
    const entries = readKeys(list);
    const erased = await guard.findErased(entries.map(({ key }) => key));
    for (const { entry, key } of entries) {
      const failure = erased.get(toKeyText(key));
      if (failure) entry.outcome = { key: entry.key, outcome: "failed", ...failure };
    }
  }

  /** Returns the keys whose address is on this installation's suppression list. The vendor documents no way to read its own. */
  async function findSuppressed(list: UpstreamList): Promise<Set<string>> {
    const keys = readKeys(list).map(({ key }) => key);
    const listed = await store.areSuppressed(keys);
    return new Set(keys.filter((_, index) => listed[index]).map(toKeyText));
  }

  return async (verb: FlagVerb, list: UpstreamList): Promise<UpstreamGuard | undefined> => {
    if (verb === "undelete") await failErased(list);
    if (!guard.isActive(verb, list.work.params)) return undefined;
    const suppressed = await findSuppressed(list);
    return (item, found) => {
      const key = toKeyText(toKey(item, settings));
      if (found === "missing") return { key, outcome: "failed", ...missing };
      // An unreadable consent status counts as no consent.
      if (found === "hidden") return { key, outcome: "failed", ...hidden };
      const violation = findViolation({ status: statusWord(found.status), suppressed: suppressed.has(key) });
      return violation && { key, outcome: "failed", ...violation };
    };
  };
}
