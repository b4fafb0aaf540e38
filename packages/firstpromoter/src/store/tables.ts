import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import { type Generated, type RawBuilder, sql } from "kysely";
import { listColumns } from "./search.ts";
import { createPostgresIndexes } from "./search-postgres.ts";
import { createSqliteIndexes } from "./search-sqlite.ts";
import type { MembershipRecord, PromoterRecord } from "./store.ts";

/** The tables of this package. */
export interface Tables {
  firstpromoter_campaigns: {
    id: Generated<number>;
    account: string;
    name: string;
    color: string;
    /** 1 for the campaign of promoters without one, otherwise null. A unique index allows one an account. */
    is_default: number | null;
  };
  firstpromoter_promoters: Omit<PromoterRecord, "id" | "parent" | "campaigns" | keyof StoredFields> & StoredFields;
  firstpromoter_memberships: Omit<MembershipRecord, "id" | "campaign"> & { id: Generated<number>; account: string };
  /** The webhook outbox: batches whose end must be reported. */
  firstpromoter_notices: {
    batch_id: number;
    generation: number;
    /** JSON; null until the batch is finished. */
    body: string | null;
    attempts: number;
    announced_at: number;
    /** The time of the next attempt; null if there is none. */
    due_at: number | null;
  };
}

/** The columns of a promoter that its record lacks, or that are stored in another form. */
interface StoredFields {
  id: Generated<number>;
  /** The text that `q` searches: address, names, website and ref tokens in lower case. */
  search: string;
  /** JSON */
  profile: string;
  /** JSON */
  custom_fields: string | null;
  /** The batch that archived the promoter; null for live ones, and if no batch did. */
  archived_batch: number | null;
  parent_promoter_id: number | null;
  /** The number of campaigns in which the promoter is pending. */
  waits: number;
  /** JSON; null if there are none. */
  fraud_suspicions: string | null;
  subscribed_to_email: number;
  /** 1 if a W-8 or W-9 form is in the profile. */
  has_form: number;
  /** JSON */
  imported: string | null;
  updated_at: number;
}

/** The migrations of these tables, by name. */
export const migrations: Record<string, (db: LedgerTransaction, database: Database) => Promise<void>> = {
  async "0001_promoters"(db, { dialect, types }) {
    for (const statement of listTables(types.identity)) await statement.execute(db);
    await (dialect === "sqlite" ? createSqliteIndexes : createPostgresIndexes)(db, listColumns);
  },
};

const listTables = (identity: RawBuilder<unknown>) => [
  ...listCampaignTables(identity),
  ...listPromoterTables(identity),
  ...listMembershipTables(identity),
  ...noticeTables,
];

const listCampaignTables = (identity: RawBuilder<unknown>) => [
  sql`create table firstpromoter_campaigns (
    id ${identity},
    account text not null,
    name text not null,
    color text not null,
    is_default integer
  )`,
  sql`create unique index firstpromoter_campaigns_default on firstpromoter_campaigns (account, is_default)`,
];

const listPromoterTables = (identity: RawBuilder<unknown>) => [
  sql`create table firstpromoter_promoters (
    id ${identity},
    account text not null,
    email text not null,
    cust_id text,
    note text,
    auth_token text not null,
    search text not null,
    profile text not null,
    custom_fields text,
    clicks_count bigint not null default 0,
    referrals_count bigint not null default 0,
    sales_count bigint not null default 0,
    customers_count bigint not null default 0,
    active_customers_count bigint not null default 0,
    revenue_amount bigint not null default 0,
    joined_at bigint not null,
    last_login_at bigint,
    archived_at bigint,
    archived_batch bigint,
    parent_promoter_id bigint,
    waits integer not null default 0,
    fraud_suspicions text,
    invoice_details_status text not null default 'pending',
    subscribed_to_email integer not null default 1,
    has_form integer not null default 0,
    imported text,
    updated_at bigint not null
  )`,
  sql`create unique index firstpromoter_promoters_email on firstpromoter_promoters (account, email)`,
  sql`create unique index firstpromoter_promoters_cust_id on firstpromoter_promoters (account, cust_id)
    where cust_id is not null`,
  sql`create index firstpromoter_promoters_auth_token on firstpromoter_promoters (account, auth_token)`,
  sql`create index firstpromoter_promoters_parent on firstpromoter_promoters (account, parent_promoter_id, id)
    where parent_promoter_id is not null`,
  // A list reads one of these from its end, so its cost does not grow with the number of promoters.
  sql`create index firstpromoter_promoters_live on firstpromoter_promoters (account, id) where archived_at is null`,
  sql`create index firstpromoter_promoters_archived on firstpromoter_promoters (account, id)
    where archived_at is not null`,
  // Serves `meta.pending_count`.
  sql`create index firstpromoter_promoters_pending on firstpromoter_promoters (account, waits)
    where archived_at is null and waits > 0`,
];

const listMembershipTables = (identity: RawBuilder<unknown>) => [
  sql`create table firstpromoter_memberships (
    id ${identity},
    account text not null,
    promoter_id bigint not null references firstpromoter_promoters (id),
    campaign_id bigint not null references firstpromoter_campaigns (id),
    state text not null,
    coupon text,
    ref_token text not null,
    created_at bigint not null
  )`,
  sql`create unique index firstpromoter_memberships_promoter on firstpromoter_memberships (promoter_id, campaign_id)`,
  sql`create index firstpromoter_memberships_campaign
    on firstpromoter_memberships (account, campaign_id, state, promoter_id)`,
  sql`create index firstpromoter_memberships_state on firstpromoter_memberships (account, state, promoter_id)`,
  sql`create unique index firstpromoter_memberships_ref_token on firstpromoter_memberships (account, ref_token)`,
  sql`create index firstpromoter_memberships_coupon on firstpromoter_memberships (account, coupon)
    where coupon is not null`,
];

const noticeTables = [
  sql`create table firstpromoter_notices (
    batch_id bigint not null,
    generation integer not null,
    body text,
    attempts integer not null,
    announced_at bigint not null,
    due_at bigint,
    primary key (batch_id, generation)
  )`,
  sql`create index firstpromoter_notices_due on firstpromoter_notices (due_at) where due_at is not null`,
];
