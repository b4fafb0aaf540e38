import type { LedgerTransaction } from "@reinstate/batch-core";
import type { ConsentAction } from "../schemas/consent.ts";
import type { Status } from "../schemas/requests.ts";
import type { Address, SubscriptionKey } from "../store/store.ts";

/** State of a subscription that the consent guard checks. */
export interface ConsentState {
  status: Status;
  /** The address is on the suppression list. */
  suppressed: boolean;
}

/** Audit fields of a consent action: time, actor and reason. */
export interface ConsentAuditFields {
  at: number;
  /** Id of the API key that made the call. */
  actor: string | null;
  reason: string | null;
  requested_by: string | null;
}

/** An entry of the consent log. */
export interface ConsentEntry extends ConsentAuditFields {
  /** Ascending: larger than the id of every earlier entry. */
  id: number;
  action: ConsentAction;
  /** Channel of the address in `subject`; null if `subject` is the digest of an erased subscription. */
  channel: string | null;
  subject: string;
}

/** Query for a page of the consent log. */
export interface ConsentLogQuery {
  action?: ConsentAction | undefined;
  address?: Address | undefined;
  /** Returns only entries with a smaller id. */
  before?: number | undefined;
  limit: number;
}

/**
 * Storage of what blocks an undelete: the suppression list, and the key digests of erased subscriptions. Every implementation
 * guarantees:
 *
 * - `erase` deletes the subscription and stores its digest in one transaction.
 * - `suppress`, `unsuppress` and `erase` add a log entry in the same transaction as their change.
 * - `readStates` locks the rows it reads until its transaction ends.
 */
export interface ConsentStore {
  /** Returns a state for each key, in the order of the keys; undefined if the subscription does not exist. */
  readStates(keys: readonly SubscriptionKey[], transaction?: LedgerTransaction): Promise<(ConsentState | undefined)[]>;
  /** Returns for each address, in their order, whether it is on the suppression list. */
  areSuppressed(addresses: readonly Address[]): Promise<boolean[]>;
  /** Suppresses one address on every channel that uses it. Only the first entry is logged. */
  suppress(addresses: readonly Address[], audit: ConsentAuditFields): Promise<void>;
  unsuppress(addresses: readonly Address[], audit: ConsentAuditFields): Promise<void>;
  /** Returns whether the subscription existed. If it did not, nothing is logged. */
  erase(key: SubscriptionKey, digest: string, audit: ConsentAuditFields & { reason: string }): Promise<boolean>;
  /** Returns entries of the log, newest first. */
  listEntries(query: ConsentLogQuery): Promise<ConsentEntry[]>;
  /** Returns those of the digests that belong to erased subscriptions. */
  findErased(digests: readonly string[], transaction?: LedgerTransaction): Promise<Set<string>>;
}
