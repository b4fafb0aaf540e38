import type { LedgerTransaction } from "@reinstate/batch-core";
import type { ConsentAction, Status } from "../schemas.ts";

/** What makes two subscriptions the same one. */
export interface SubscriptionKey {
  db_id: number;
  profile_id: string;
  resource_id: number;
  channel: string;
  /** The channel's address, brought to the form in which it is compared. */
  address: string;
}

/** The address fields of a channel, as they were given: `{ email }`, `{ provider, subscription_id }` … */
export type AddressFields = Record<string, unknown>;

/** A subscription as it is kept. Times are milliseconds since 1970 UTC. */
export interface StoredSubscription extends SubscriptionKey {
  fields: AddressFields;
  /** 8 hexadecimal digits: XXH32 of the address text. */
  hash_id: string;
  status: Status;
  priority: number | null;
  custom_fields: Record<string, unknown>;
  cats: string[];
  date: string | null;
  ip: string | null;
  url: string | null;
  is_delete: boolean;
  /** When it was last deleted; null while it is live. */
  deleted_at: number | null;
  created_at: number;
  updated_at: number;
}

export interface Profile {
  db_id: number;
  profile_id: string;
}

export interface Resource {
  resource_id: number;
  /** The categories that subscriptions of this resource may have; null: any. */
  cats: string[] | null;
}

/** Which subscriptions of a database are meant: all, or those of a channel, of a resource, of both. */
export interface Scope {
  db_id: number;
  channel?: string | undefined;
  resource_id?: number | undefined;
}

/** A page of the subscriptions of a resource. */
export interface PageQuery {
  resource_id: number;
  db_id?: number | undefined;
  channel?: string | undefined;
  status?: Status | undefined;
  /** Only profiles whose id comes after this one. */
  after?: string | undefined;
  /** Subscriptions on the page, more where the last profile would be cut. */
  limit: number;
  deleted: boolean;
}

/** A page of the deleted subscriptions of a database. */
export interface DeletedQuery extends Scope {
  profile_id?: string | undefined;
  hash_id?: string | undefined;
  /** Only those that were deleted no earlier. */
  deletedSince?: number | undefined;
  /** Only those whose key comes after this one. */
  after?: Omit<SubscriptionKey, "db_id"> | undefined;
  limit: number;
}

/** An address on a channel, in the form in which it is compared. */
export type Address = Pick<SubscriptionKey, "channel" | "address">;

/** What `flag` did with one subscription. */
export type Flagged = "changed" | "unchanged" | "missing";

/**
 * The subscriptions with their profiles and resources. Promises of every implementation:
 *
 * - A subscription is found by its key alone, and there is never more than one of a key.
 * - `flag` changes `is_delete` (with its time) and nothing else, in a number of statements that does not grow with the number of keys.
 * - `add…` keeps what is there already: a key that is known is left as it is.
 * - What is written through a transaction is there only if the transaction commits.
 */
export interface SubscriptionStore {
  /**
   * Deletes or brings back, and tells of each key what happened, in the order of the keys, which must be distinct. `missing` is
   * only what is not there, whoever sets the flag the other way at the same moment. `deletedSince`: what was deleted earlier
   * counts as missing.
   */
  flag(
    keys: readonly SubscriptionKey[],
    change: { is_delete: boolean; at: number; deletedSince?: number },
    transaction?: LedgerTransaction,
  ): Promise<Flagged[]>;

  find(key: SubscriptionKey): Promise<StoredSubscription | undefined>;
  /** All subscriptions of a profile, by resource, channel and address. */
  ofProfile(profile: Profile, options: { deleted: boolean }): Promise<StoredSubscription[]>;
  /** By profile id, database, channel and address; a profile is never cut in two. */
  page(query: PageQuery): Promise<StoredSubscription[]>;
  /** What is deleted, by profile, resource, channel and address. */
  deleted(query: DeletedQuery): Promise<StoredSubscription[]>;
  /** The profiles of a database that have a subscription to one of these addresses, deleted or not, by id. */
  profilesWith(
    dbId: number,
    addresses: readonly Address[],
    options: { resource_id?: number | undefined; limit: number },
  ): Promise<string[]>;
  /** Changes one status into another, and tells of how many subscriptions. */
  changeStatus(scope: Scope, change: { from: Status; to: Status; at: number; deleted: boolean }): Promise<number>;
  /**
   * Writes `fresh` where its key is free, otherwise what `edit` makes of the one that is there; one at a time per key. Where
   * `edit` throws, nothing is written. `withProfile`: its profile too, where that is not known.
   */
  put(
    fresh: StoredSubscription,
    edit: (stored: StoredSubscription) => StoredSubscription,
    options?: { withProfile?: boolean },
  ): Promise<StoredSubscription>;

  hasDatabase(dbId: number): Promise<boolean>;
  hasProfile(profile: Profile): Promise<boolean>;
  resource(resourceId: number): Promise<Resource | undefined>;

  addProfiles(profiles: readonly Profile[]): Promise<void>;
  addResources(resources: readonly Resource[]): Promise<void>;
  /** Answers how many were not there. */
  addSubscriptions(subscriptions: readonly StoredSubscription[]): Promise<number>;
}

/** What the consent guard looks at. */
export interface ConsentStatus {
  status: Status;
  /** Its address is on the suppression list. */
  suppressed: boolean;
}

/** Who did something about consent, when, and why. */
export interface ConsentAuditFields {
  at: number;
  /** The id of the key that asked. */
  actor: string | null;
  reason: string | null;
  requested_by: string | null;
}

/** An entry of the consent log. */
export interface ConsentEntry extends ConsentAuditFields {
  /** Larger than that of every entry before. */
  id: number;
  action: ConsentAction;
  /** On which channel `subject` is an address; null where it is the digest of what was erased. */
  channel: string | null;
  subject: string;
}

/** A page of the consent log. */
export interface ConsentLogQuery {
  action?: ConsentAction | undefined;
  address?: Address | undefined;
  /** Only entries before this one. */
  before?: number | undefined;
  limit: number;
}

/**
 * What stands in the way of an undelete: the suppression list, and what was erased, of which only the digest of its key is
 * known. Promises of every implementation:
 *
 * - `erase` takes the subscription away and leaves its digest in one transaction.
 * - `suppress`, `unsuppress` and `erase` leave an entry in the log, in the transaction of what they do.
 * - `standing` keeps what it has read from changing until its transaction ends.
 */
export interface ConsentStore {
  /** In the order of the keys; undefined where there is no such subscription. */
  standing(keys: readonly SubscriptionKey[], transaction?: LedgerTransaction): Promise<(ConsentStatus | undefined)[]>;
  /** Of each address whether it is on the suppression list, in their order. */
  suppressed(addresses: readonly Address[]): Promise<boolean[]>;
  /** The addresses are one address on each channel that it has; the first stands in the log. */
  suppress(addresses: readonly Address[], deed: ConsentAuditFields): Promise<void>;
  unsuppress(addresses: readonly Address[], deed: ConsentAuditFields): Promise<void>;
  /** Answers whether there was something to erase; where there was not, nothing is logged. */
  erase(key: SubscriptionKey, digest: string, deed: ConsentAuditFields & { reason: string }): Promise<boolean>;
  /** Newest first. */
  log(query: ConsentLogQuery): Promise<ConsentEntry[]>;
  /** Which of these digests are those of what was erased. */
  erased(digests: readonly string[], transaction?: LedgerTransaction): Promise<Set<string>>;
  /** A random word that tells this installation from every other. */
  installation(): Promise<string>;
}
