import type { LedgerTransaction } from "@reinstate/batch-core";
import type { Status } from "../schemas/requests.ts";

/** Identity of a subscription: two subscriptions with equal keys are the same one. */
export interface SubscriptionKey {
  db_id: number;
  profile_id: string;
  resource_id: number;
  channel: string;
  /** The channel's address in its normalized form, which is the form used in comparisons. */
  address: string;
}

/** Address fields of a channel, as the caller sent them: `{ email }`, `{ provider, subscription_id }` … */
export type AddressFields = Record<string, unknown>;

/** A stored subscription. Times are milliseconds since 1970 UTC. */
export interface StoredSubscription extends SubscriptionKey {
  fields: AddressFields;
  /** XXH32 of the address text, as 8 hexadecimal digits. */
  hash_id: string;
  status: Status;
  priority: number | null;
  custom_fields: Record<string, unknown>;
  cats: string[];
  date: string | null;
  ip: string | null;
  url: string | null;
  is_delete: boolean;
  /** Time of the last delete; null while the subscription is live. */
  deleted_at: number | null;
  created_at: number;
  updated_at: number;
}

/** A profile of a database, which subscriptions belong to. */
export interface Profile {
  db_id: number;
  profile_id: string;
}

/** A resource, which subscriptions belong to. */
export interface Resource {
  resource_id: number;
  /** Categories that subscriptions of this resource may have; null allows any. */
  cats: string[] | null;
}

/** Filter over the subscriptions of a database, optionally by channel, resource, or both. */
export interface Scope {
  db_id: number;
  channel?: string | undefined;
  resource_id?: number | undefined;
}

/** Query for a page of the subscriptions of a resource. */
export interface PageQuery {
  resource_id: number;
  db_id?: number | undefined;
  channel?: string | undefined;
  status?: Status | undefined;
  /** Returns only profiles whose id sorts after this one. */
  after?: string | undefined;
  /** Page size. A page is longer if its last profile would otherwise be split. */
  limit: number;
  deleted: boolean;
}

/** Query for a page of the deleted subscriptions of a database. */
export interface DeletedQuery extends Scope {
  profile_id?: string | undefined;
  hash_id?: string | undefined;
  /** Returns only subscriptions deleted at or after this time, in milliseconds. */
  deletedSince?: number | undefined;
  /** Returns only subscriptions whose key sorts after this one. */
  after?: Omit<SubscriptionKey, "db_id"> | undefined;
  limit: number;
}

/** A normalized address on a channel. */
export type Address = Pick<SubscriptionKey, "channel" | "address">;

/** Result of `flag` for one subscription. */
export type Flagged = "changed" | "unchanged" | "missing";

/**
 * Storage of subscriptions, profiles and resources. Every implementation guarantees:
 *
 * - A key identifies at most one subscription.
 * - `flag` changes only `is_delete`, `deleted_at` and `updated_at`. Its number of statements does not grow with the number of keys.
 * - `add…` never changes an existing record.
 * - Writes through a transaction become visible only if the transaction commits.
 */
export interface SubscriptionStore {
  /**
   * Deletes or restores subscriptions. Returns a result for each key, in the order of the keys, which must be distinct.
   * `missing` means that no such subscription exists, also if a concurrent call sets the flag the other way. Subscriptions
   * deleted before `deletedSince` count as missing.
   */
  flag(
    keys: readonly SubscriptionKey[],
    change: { is_delete: boolean; at: number; deletedSince?: number },
    transaction?: LedgerTransaction,
  ): Promise<Flagged[]>;

  find(key: SubscriptionKey): Promise<StoredSubscription | undefined>;
  /** Returns all subscriptions of a profile, ordered by resource, channel and address. */
  listProfile(profile: Profile, options: { deleted: boolean }): Promise<StoredSubscription[]>;
  /** Returns a page ordered by profile id, database, channel and address. A profile is never split between pages. */
  readPage(query: PageQuery): Promise<StoredSubscription[]>;
  /** Returns deleted subscriptions, ordered by profile, resource, channel and address. */
  listDeleted(query: DeletedQuery): Promise<StoredSubscription[]>;
  /** Returns the ids of profiles that have a live or deleted subscription with one of these addresses, in ascending order. */
  findProfiles(
    dbId: number,
    addresses: readonly Address[],
    options: { resource_id?: number | undefined; limit: number },
  ): Promise<string[]>;
  /** Replaces one status with another. Returns the number of subscriptions changed. */
  changeStatus(scope: Scope, change: { from: Status; to: Status; at: number; deleted: boolean }): Promise<number>;
  /**
   * Inserts `fresh` if its key is free, otherwise stores what `edit` returns for the existing subscription. Calls for one key
   * run one at a time. If `edit` throws, nothing is written. `withProfile` also adds the profile if it does not exist.
   */
  put(
    fresh: StoredSubscription,
    edit: (stored: StoredSubscription) => StoredSubscription,
    options?: { withProfile?: boolean },
  ): Promise<StoredSubscription>;

  hasDatabase(dbId: number): Promise<boolean>;
  hasProfile(profile: Profile): Promise<boolean>;
  findResource(resourceId: number): Promise<Resource | undefined>;

  addProfiles(profiles: readonly Profile[]): Promise<void>;
  addResources(resources: readonly Resource[]): Promise<void>;
  /** Returns the number of subscriptions added. */
  addSubscriptions(subscriptions: readonly StoredSubscription[]): Promise<number>;
}
