import { type FlagStore, isMarked, type LedgerTransaction } from "@reinstate/batch-core";
import type { CampaignState, FindBy, ProfileInput } from "../schemas.ts";

/** A stored promoter. Times are milliseconds since 1970 UTC, money is in cents, addresses are in lower case. */
export interface PromoterRecord {
  id: number;
  account: string;
  email: string;
  cust_id: string | null;
  note: string | null;
  auth_token: string;
  profile: ProfileInput;
  custom_fields: Record<string, unknown> | null;
  clicks_count: number;
  referrals_count: number;
  sales_count: number;
  customers_count: number;
  active_customers_count: number;
  revenue_amount: number;
  joined_at: number;
  last_login_at: number | null;
  archived_at: number | null;
  fraud_suspicions: string[];
  /** `pending`, `approved` or `denied`. */
  invoice_details_status: string;
  subscribed_to_email: boolean;
  imported: ImportedFields | null;
  parent: { id: number; email: string; name: string } | null;
  campaigns: MembershipRecord[];
}

/** Imported fields that this server shows but never changes. */
export interface ImportedFields {
  is_customized?: boolean;
  is_confirmed?: boolean;
  track_ad_traffic?: boolean;
  auth_provider?: string;
  first_event_at?: number;
}

/** The membership of a promoter in one campaign. Archiving never changes `state`. */
export interface MembershipRecord {
  id: number;
  campaign_id: number;
  promoter_id: number;
  state: CampaignState;
  created_at: number;
  coupon: string | null;
  ref_token: string;
  campaign: CampaignRecord;
}

/** A stored campaign. */
export interface CampaignRecord {
  id: number;
  name: string;
  color: string;
}

/** A promoter to insert. `id` is for imported records; the default is the next id of all accounts. */
export interface NewPromoterRecord
  extends Partial<Omit<PromoterRecord, "account" | "email" | "auth_token" | "parent" | "campaigns" | CountName>> {
  email: string;
  stats?: Partial<Record<CountName, number>>;
  campaigns?: NewMembership[];
}

/** A membership to insert. `created_at` defaults to the promoter's `joined_at`. */
interface NewMembership
  extends Pick<MembershipRecord, "campaign_id" | "state">,
    Partial<Pick<MembershipRecord, "ref_token" | "coupon" | "created_at">> {}

type CountName = Exclude<Sorting["by"], "joined_at"> | "sales_count" | "active_customers_count";

/** The changes to a promoter. */
export interface PromoterUpdate {
  email?: string;
  cust_id?: string | null;
  note?: string | null;
  /** Merged into the stored profile. */
  profile?: ProfileInput;
  /** Replaces all custom fields. */
  custom_fields?: Record<string, unknown> | null;
  /** Merged into the stored custom fields. */
  custom_fields_changed?: Record<string, unknown> | null;
}

/** The unique values that find a promoter. */
export type LookUp = "id" | FindBy;

/** One column of the order of a list. */
export interface Sorting {
  by: "clicks_count" | "referrals_count" | "customers_count" | "revenue_amount" | "joined_at";
  direction: "asc" | "desc";
}

/** A range that includes both bounds. */
export interface Range {
  from?: number;
  to?: number;
}

/** The conditions of a list, joined by `and`. */
export interface PromoterFilter {
  /** A part of the address, the name, the website or a ref token, in any case. */
  q?: string;
  ids?: number[];
  archived?: boolean;
  /** The state in a campaign; with `campaignIds`, in one of these. */
  state?: string;
  /** The state that archived promoters show instead of the stored one. */
  archivedAs?: CampaignState;
  campaignIds?: number[];
  parentId?: number;
  ranges?: Partial<Record<Sorting["by"] | "last_login_at", Range>>;
  /** Whether the profile has a W-8 or W-9 form. */
  hasForm?: boolean;
  subscribed?: boolean;
  /** Any of these suspicions; null stands for promoters without one. */
  fraudSuspicions?: (string | null)[];
  invoiceStatus?: string;
  customFields?: { key: string; value: string; partial: boolean }[];
}

/** One page of a list. */
export interface PromoterQuery extends PromoterFilter {
  sorting: Sorting[];
  limit: number;
  offset: number;
}

/** The state of a promoter that the rules of campaign actions read. */
export interface PromoterState {
  id: number;
  archived: boolean;
  parent_id: number | null;
  /** The states by campaign id, for the requested campaigns. */
  states: Map<number, CampaignState>;
}

/**
 * The store of promoters and campaigns. Every implementation guarantees:
 *
 * - Isolation: no call reads or changes a record of another account, or reveals that it exists. All accounts share one sequence of
 *   ids.
 * - Sets: the number of statements does not grow with the number of ids.
 * - Transactions: writes with a transaction commit or roll back with it. Rows that `readStates` reads do not change until its end.
 * - Campaign states: `archive`, `restore` and `undoArchive` never change them. Each returns the changed and the unchanged promoters.
 * - Uniqueness: e-mail addresses and `cust_id`s are unique in an account, archived promoters included. `create` and `update` throw
 *   `UniqueViolation` if one is in use.
 */
export interface PromoterStore {
  archive: FlagStore<number>["set"];
  restore: FlagStore<number>["clear"];
  /** Restores the promoters that this batch archived last. All others are unchanged. */
  undoArchive: FlagStore<number>["undo"];

  /** Reads the states of promoters and locks them until the end of the transaction. */
  readStates(
    account: string,
    ids: readonly number[],
    campaignIds: readonly number[],
    transaction: LedgerTransaction,
  ): Promise<PromoterState[]>;
  /** Sets the state in a campaign that all the promoters are in. */
  setStates(
    account: string,
    ids: readonly number[],
    campaignId: number,
    state: CampaignState,
    transaction: LedgerTransaction,
  ): Promise<void>;
  /** Moves memberships with their state, coupon and ref token. */
  moveMemberships(
    account: string,
    ids: readonly number[],
    from: number,
    to: number,
    transaction: LedgerTransaction,
  ): Promise<void>;
  /** Adds promoters to a campaign, each with a new ref token. */
  addMemberships(
    account: string,
    ids: readonly number[],
    campaignId: number,
    state: CampaignState,
    now: number,
    transaction: LedgerTransaction,
  ): Promise<void>;
  /** Sets the parent of promoters. */
  setParent(
    account: string,
    ids: readonly number[],
    parentId: number,
    now: number,
    transaction: LedgerTransaction,
  ): Promise<void>;
  /** Locks the parents of the account's promoters until the end of the transaction. */
  lockParents(account: string, transaction: LedgerTransaction): Promise<void>;
  /** Returns the promoter and its ancestors, nearest first; empty if the promoter does not exist. */
  lineage(account: string, id: number, transaction: LedgerTransaction): Promise<number[]>;
  /** Returns the campaigns that the account owns. */
  campaigns(account: string, ids: readonly number[], transaction?: LedgerTransaction): Promise<CampaignRecord[]>;
  /** Returns the campaign for promoters without one. Creates it if the account has none. */
  defaultCampaign(account: string): Promise<CampaignRecord>;

  /** Returns whether the account has promoters. */
  hasAccount(account: string): Promise<boolean>;
  /** Finds one promoter by a unique value. */
  find(account: string, by: LookUp, value: string): Promise<PromoterRecord | undefined>;
  /** Returns one page of promoters, newest first unless sorted. */
  list(account: string, query: PromoterQuery): Promise<PromoterRecord[]>;
  /** Counts the live promoters that are pending in some campaign. */
  countPending(account: string): Promise<number>;
  /** Inserts promoters and returns their ids in order. @throws `UniqueViolation` */
  create(account: string, promoters: readonly NewPromoterRecord[], now: number): Promise<number[]>;
  /**
   * Imports promoters with their own ids, if any, and their campaigns. Returns for each, in order, its id or its fault: a value is
   * in use, or a campaign belongs to another account.
   */
  load(
    account: string,
    promoters: readonly NewPromoterRecord[],
    campaigns: readonly CampaignRecord[],
    now: number,
  ): Promise<({ id: number } | { fault: string })[]>;
  /** Changes a promoter. Returns false if it does not exist. @throws `UniqueViolation` */
  update(account: string, id: number, update: PromoterUpdate, now: number): Promise<boolean>;
}

const marker = Symbol.for("reinstate.firstpromoter.taken");

/** Thrown if a value that must be unique in its account is in use. */
export class UniqueViolation extends Error {
  readonly [marker] = true;
  readonly fields: ("email" | "cust_id")[];

  constructor(fields: ("email" | "cust_id")[]) {
    super(`${fields.join(" and ")} already in use`);
    this.fields = fields;
  }

  static is(value: unknown): value is UniqueViolation {
    return isMarked(value, marker);
  }
}

/** Returns the first and last name. Without one it returns the address up to the @. */
export function formatName(promoter: { email: string; profile: ProfileInput }): string {
  const { first_name, last_name } = promoter.profile;
  const name = [first_name, last_name].filter(Boolean).join(" ").trim();
  return name === "" ? (promoter.email.split("@", 1)[0] as string) : name;
}
