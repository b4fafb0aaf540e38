// Port of the consent features: the only file of this folder that other folders import.

import type { Host, LedgerTransaction } from "@reinstate/batch-core";
import type { ItemList } from "@reinstate/batch-core/upstream";
import type { AltcraftSettings } from "../options.ts";
import type {
  ConsentReply,
  SubscriptionErase,
  SubscriptionListConsent,
  Suppression,
  UndeleteOptions,
} from "../schemas/consent.ts";
import type { SubscriptionIdentity } from "../schemas/identity.ts";
import type { StoredSubscription, SubscriptionKey, SubscriptionStore } from "../store/store.ts";
import type { FlagVerb, ItemFailure } from "../subscriptions/rules.ts";
import { createGuard } from "./guard.ts";
import { createRecords } from "./records.ts";
import { createSqlConsentStore } from "./sql-consent-store.ts";
import { createUpstreamCheck, type UpstreamGuard } from "./upstream-guard.ts";

export type { ConsentStore } from "./consent-store.ts";

/**
 * The consent features: the guard that rejects an undelete, the suppression list, erased subscriptions, and the log. A call opts in
 * with `consent_guard`, an installation with the settings `extensions` and `consentGuard`. Failures are returned by key text.
 * Enforced in `operations/operations.ts`, at the real vendor in `operations/upstream.ts`, and for `set` in
 * `http/methods/vendor-handlers.ts`.
 */
export interface Consent {
  /** Returns the fault of the reason for an undelete that the guard checks, or that overrides the guard; undefined if there is none. */
  validateReason(options: UndeleteOptions): string | undefined;
  /** Returns why the guard rejects items of a chunk, if it checks the call. Locks their rows until the transaction ends. */
  findViolations(
    verb: FlagVerb,
    keys: readonly SubscriptionKey[],
    options: UndeleteOptions,
    transaction: LedgerTransaction,
  ): Promise<Map<string, ItemFailure>>;
  /** Returns the failures of those subscriptions that were erased here. */
  findErased(keys: readonly SubscriptionKey[], transaction?: LedgerTransaction): Promise<Map<string, ItemFailure>>;
  /**
   * Fails the items of an undelete at the real Altcraft that were erased here, whatever the guard allows. Returns the guard if it
   * checks the call.
   */
  checkUpstream(
    verb: FlagVerb,
    list: ItemList<SubscriptionIdentity, UndeleteOptions>,
  ): Promise<UpstreamGuard | undefined>;
  /** Returns whether `set` may edit a subscription: it can restore it and change its status, so it must not bypass the guard. */
  allowsSet(stored: StoredSubscription): boolean;

  /** Erases a subscription, or with `dry_run` looks for it. Returns whether it exists or was erased before: erasing is idempotent. */
  erase(parameters: SubscriptionErase, actor: string): Promise<boolean>;
  suppress(contact: Suppression, actor: string): Promise<void>;
  unsuppress(contact: Suppression, actor: string): Promise<void>;
  /** Returns a page of the log, newest first. `from_id` is the id of an entry. */
  listEntries(query: SubscriptionListConsent): Promise<Pick<ConsentReply, "data" | "next_from_id">>;
}

/** Creates the consent features over the host's database. `createSqlStore` migrates their tables, so call it first. */
export function createConsent(host: Host, subscriptions: SubscriptionStore, settings: AltcraftSettings): Consent {
  const store = createSqlConsentStore(host.database);
  const { isActive, ...guard } = createGuard(store, settings);
  return {
    ...guard,
    ...createRecords(host, subscriptions, store, settings),
    checkUpstream: createUpstreamCheck(store, { isActive, findErased: guard.findErased }, settings),
    allowsSet: ({ is_delete }) => !is_delete || settings.consentGuard !== "always",
  };
}
