import { type FlagStore, isMarked, type LedgerTransaction } from "@reinstate/batch-core";
import type { CampaignState, FindBy, ProfileInput } from "../schemas.ts";

/** A promoter as it is kept. Times are milliseconds since 1970 UTC, money is in cents, addresses are in lower case. */
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

/** What a promoter brought along from elsewhere, and nothing here changes. */
export interface ImportedFields {
  is_customized?: boolean;
  is_confirmed?: boolean;
  track_ad_traffic?: boolean;
  auth_provider?: string;
  first_event_at?: number;
}

/** A promoter's place in one campaign. `state` is what it is, or was when the promoter was archived: archiving never touches it. */
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

export interface CampaignRecord {
  id: number;
  name: string;
  color: string;
}

/** `id` is for records that bring theirs along; otherwise it is the next one of all accounts. */
export interface NewPromoterRecord
  extends Partial<Omit<PromoterRecord, "account" | "email" | "auth_token" | "parent" | "campaigns" | CountName>> {
  email: string;
  stats?: Partial<Record<CountName, number>>;
  campaigns?: NewMembership[];
}

/** Without `created_at` the promoter is in the campaign since joining. */
interface NewMembership
  extends Pick<MembershipRecord, "campaign_id" | "state">,
    Partial<Pick<MembershipRecord, "ref_token" | "coupon" | "created_at">> {}

type CountName = Exclude<Sorting["by"], "joined_at"> | "sales_count" | "active_customers_count";

export interface PromoterUpdate {
  email?: string;
  cust_id?: string | null;
  note?: string | null;
  /** Laid over the profile that is there. */
  profile?: ProfileInput;
  /** In place of all that are there. */
  custom_fields?: Record<string, unknown> | null;
  /** Laid over those that are there. */
  custom_fields_changed?: Record<string, unknown> | null;
}

export type LookUp = "id" | FindBy;

export interface Sorting {
  by: "clicks_count" | "referrals_count" | "customers_count" | "revenue_amount" | "joined_at";
  direction: "asc" | "desc";
}

export interface Range {
  from?: number;
  to?: number;
}

/** What is looked for; all conditions hold at once. */
export interface PromoterFilter {
  /** Part of the address, the name, the website or a ref token, in any case. */
  q?: string;
  ids?: number[];
  archived?: boolean;
  /** Together with `campaignIds`: the state in one of these campaigns. */
  state?: string;
  /** The state that archived promoters count as having, where they do not show their own. */
  archivedAs?: CampaignState;
  campaignIds?: number[];
  parentId?: number;
  ranges?: Partial<Record<Sorting["by"] | "last_login_at", Range>>;
  /** A W-8 or W-9 form is there. */
  hasForm?: boolean;
  subscribed?: boolean;
  /** Any of these; null: none at all. */
  fraudSuspicions?: (string | null)[];
  invoiceStatus?: string;
  customFields?: { key: string; value: string; partial: boolean }[];
}

export interface PromoterQuery extends PromoterFilter {
  sorting: Sorting[];
  limit: number;
  offset: number;
}

/** What the rules must know of a promoter to judge an action in campaigns. */
export interface Standing {
  id: number;
  archived: boolean;
  parent_id: number | null;
  /** By campaign id, for the campaigns that were asked about. */
  states: Map<number, CampaignState>;
}

/**
 * Where promoters and campaigns are kept. Promises of every implementation:
 *
 * - Accounts are walls: no call reads or changes a record of another account, and nothing tells that it exists. Ids are one
 *   sequence over all accounts.
 * - Everything in sets: the number of statements does not grow with the number of ids.
 * - What is written with a transaction commits or vanishes with it. Rows read by `standings` stay as they are until its end.
 * - `archive`, `restore` and `undoArchive` leave the campaign states alone, so a restored promoter has those from before; each
 *   answers which promoters changed and which were so already.
 * - E-mail addresses and `cust_id`s are unique in an account, archived promoters included; `create` and `update` throw
 *   `Taken` for one that is in use.
 */
export interface PromoterStore {
  archive: FlagStore<number>["set"];
  restore: FlagStore<number>["clear"];
  /** Restores the promoters whom this batch archived last; others are unchanged. */
  undoArchive: FlagStore<number>["undo"];

  standings(
    account: string,
    ids: readonly number[],
    campaignIds: readonly number[],
    transaction: LedgerTransaction,
  ): Promise<Standing[]>;
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
  addMemberships(
    account: string,
    ids: readonly number[],
    campaignId: number,
    state: CampaignState,
    now: number,
    transaction: LedgerTransaction,
  ): Promise<void>;
  setParent(
    account: string,
    ids: readonly number[],
    parentId: number,
    now: number,
    transaction: LedgerTransaction,
  ): Promise<void>;
  /** Nobody else gives promoters of the account parents until the end of the transaction. */
  lockParents(account: string, transaction: LedgerTransaction): Promise<void>;
  /** The promoter with his parent, his parent's parent and so on; empty where there is no such promoter. */
  lineage(account: string, id: number, transaction: LedgerTransaction): Promise<number[]>;
  /** Those of the campaigns that the account has. */
  campaigns(account: string, ids: readonly number[], transaction?: LedgerTransaction): Promise<CampaignRecord[]>;
  /** The campaign for promoters who come without one; made when the account has none. */
  defaultCampaign(account: string): Promise<CampaignRecord>;

  /** Whether the account has promoters. */
  hasAccount(account: string): Promise<boolean>;
  find(account: string, by: LookUp, value: string): Promise<PromoterRecord | undefined>;
  /** Newest first, unless sorted. */
  list(account: string, query: PromoterQuery): Promise<PromoterRecord[]>;
  /** How many live promoters wait for acceptance in some campaign. */
  countPending(account: string): Promise<number>;
  create(account: string, promoters: readonly NewPromoterRecord[], now: number): Promise<number[]>;
  /**
   * Brings a set of promoters in from elsewhere, with their ids where they have some, and the campaigns they are in. Answers for
   * each one, in order, his id, or why he cannot come in: what he has is in use, or a campaign is another account's.
   */
  load(
    account: string,
    promoters: readonly NewPromoterRecord[],
    campaigns: readonly CampaignRecord[],
    now: number,
  ): Promise<({ id: number } | { fault: string })[]>;
  /** Answers false where there is no such promoter. */
  update(account: string, id: number, update: PromoterUpdate, now: number): Promise<boolean>;
}

const marker = Symbol.for("reinstate.firstpromoter.taken");

/** A value that must be unique in its account is in use. */
export class Taken extends Error {
  readonly [marker] = true;
  readonly fields: ("email" | "cust_id")[];

  constructor(fields: ("email" | "cust_id")[]) {
    super(`${fields.join(" and ")} already in use`);
    this.fields = fields;
  }

  static is(value: unknown): value is Taken {
    return isMarked(value, marker);
  }
}

/** First and last name; the part of the address before the @ where there is none. */
export function formatName(promoter: { email: string; profile: ProfileInput }): string {
  const { first_name, last_name } = promoter.profile;
  const name = [first_name, last_name].filter(Boolean).join(" ").trim();
  return name === "" ? (promoter.email.split("@", 1)[0] as string) : name;
}
