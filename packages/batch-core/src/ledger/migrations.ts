import { type RawBuilder, sql } from "kysely";
import type { Database, LedgerTransaction } from "../database/database.ts";

/**
 * The migrations of the ledger, in the order of their names. A database runs each one once, so a released migration never
 * changes; a new table is a new migration.
 *
 * A new table also has its type in `tables.ts`, its methods in `ledger.ts` and `sql-ledger.ts`, and its place in `prune.ts` if its
 * rows belong to a batch.
 */
export const ledgerMigrations: Record<string, (db: LedgerTransaction, database: Database) => Promise<void>> = {
  async "0001_ledger"(db, { dialect, types }) {
    // Performance: on SQLite, rows that are found by their key alone need no second tree, which halves the pages to write.
    const byKey = dialect === "sqlite" ? sql`without rowid` : sql``;
    // Performance: on PostgreSQL, free space in the page lets chunk rows be updated in place, without touching the indexes.
    const inPlace = dialect === "postgres" ? sql`with (fillfactor = 70)` : byKey;
    // The newest batch is never deleted, so SQLite reuses no id even without `autoincrement`, which would write one page more.
    const batchId = dialect === "sqlite" ? sql`integer primary key` : types.identity;
    for (const statement of [
      ...batchTables(batchId),
      ...historyTables(byKey),
      ...chunkTables(inPlace),
      ...(dialect === "postgres" ? chunkIndexesOnPostgres : []),
      ...itemTables(types.bytes, byKey),
      ...otherTables(types.bytes),
    ]) {
      await statement.execute(db);
    }
    // Otherwise PostgreSQL compresses the filler to almost nothing.
    if (dialect === "postgres") await sql`alter table reinstate_probe alter filler set storage plain`.execute(db);
  },
};

// Performance: the codes may be long, so they stand last, where SQLite reads the other columns without them.

const batchTables = (id: RawBuilder<unknown>) => [
  sql`create table reinstate_batches (
    id ${id},
    operation text not null,
    label text not null,
    target text not null,
    account text not null,
    params text not null,
    actor text,
    trace text,
    status text not null,
    total bigint not null,
    duplicates bigint not null,
    generation integer not null default 0,
    error text,
    dry_run integer not null default 0,
    from_batch bigint,
    undo_of bigint,
    content text,
    max_failure_rate double precision,
    failure_after bigint,
    next_allowed_at bigint,
    waiting_for text,
    created_at bigint not null,
    updated_at bigint not null,
    started_at bigint,
    finished_at bigint,
    done integer,
    skipped integer,
    failed integer,
    unknown integer,
    tally text,
    first_item bigint,
    last_item bigint,
    codes text
  )`,
  sql`create index reinstate_batches_open on reinstate_batches (id) where status in ('pending', 'in_progress')`,
  // Sums the items whose effect is unknown.
  sql`create index reinstate_batches_unknown on reinstate_batches (unknown) where unknown > 0`,
  sql`create index reinstate_batches_content on reinstate_batches (content, id) where content is not null`,
  // Lists the batches of an account, newest first.
  sql`create index reinstate_batches_account on reinstate_batches (account, id)`,
];

const historyTables = (byKey: RawBuilder<unknown>) => [
  sql`create table reinstate_idempotency (
    scope text not null,
    idempotency_key text not null,
    digest text not null,
    batch_id bigint not null,
    answer text,
    reply text,
    created_at bigint not null,
    primary key (scope, idempotency_key)
  ) ${byKey}`,
  sql`create index reinstate_idempotency_age on reinstate_idempotency (created_at)`,
  sql`create table reinstate_events (
    batch_id bigint not null,
    seq integer not null,
    at bigint not null,
    verb text not null,
    actor text,
    note text,
    generation integer not null,
    detail text,
    primary key (batch_id, seq)
  ) ${byKey}`,
  sql`create table reinstate_pruned (batch_id bigint primary key)`,
];

const chunkTables = (inPlace: RawBuilder<unknown>) => [
  sql`create table reinstate_chunks (
    batch_id bigint not null,
    generation integer not null,
    seq integer not null,
    state text not null,
    item_count integer not null,
    done integer not null default 0,
    skipped integer not null default 0,
    failed integer not null default 0,
    unknown integer not null default 0,
    retried integer not null default 0,
    resolved integer not null default 0,
    retries text,
    refused integer not null default 0,
    rest_outcome text,
    rest_code text,
    rest_message text,
    tally text,
    attempts integer not null default 0,
    not_before bigint not null default 0,
    worker text,
    lease_until bigint,
    finished_at bigint,
    origin_generation integer,
    origin_seq integer,
    first_item bigint,
    last_item bigint,
    codes text,
    primary key (batch_id, generation, seq)
  ) ${inPlace}`,
  sql`create index reinstate_chunks_open on reinstate_chunks (batch_id, generation, seq) where state <> 'finished'`,
];

/** Performance: SQLite reads chunks in the order of their keys and uses no such index; each would be written with every failure. */
const chunkIndexesOnPostgres = [
  // Chunks with failures are read most often, and there may be one in thousands.
  sql`create index reinstate_chunks_failed on reinstate_chunks (batch_id, generation, seq) where failed > 0`,
  // Codes are read by batch, and few chunks may have one.
  sql`create index reinstate_chunks_codes on reinstate_chunks (batch_id, generation, seq) where codes is not null`,
];

const itemTables = (bytes: RawBuilder<unknown>, byKey: RawBuilder<unknown>) => [
  // The packed items never change, so they have a table apart from the rows that do.
  sql`create table reinstate_items (
    batch_id bigint not null,
    generation integer not null,
    seq integer not null,
    codec text not null,
    packed ${bytes} not null,
    primary key (batch_id, generation, seq)
  ) ${byKey}`,
  sql`create table reinstate_outcomes (
    batch_id bigint not null,
    generation integer not null,
    seq integer not null,
    position integer not null,
    outcome text not null,
    code text,
    message text,
    primary key (batch_id, generation, seq, position)
  ) ${byKey}`,
  sql`create table reinstate_intents (
    batch_id bigint not null,
    generation integer not null,
    seq integer not null,
    keys text not null,
    done text not null,
    reference text,
    primary key (batch_id, generation, seq)
  )`,
];

const otherTables = (bytes: RawBuilder<unknown>) => [
  // One row for each operation with limits: its token bucket, and the row lock that serializes its claims.
  sql`create table reinstate_pace (
    name text primary key,
    tokens double precision not null,
    filled_at bigint not null
  )`,
  sql`create table reinstate_replies (
    scope text not null,
    idempotency_key text not null,
    digest text not null,
    reply text,
    claimed_at bigint not null,
    claim text,
    primary key (scope, idempotency_key)
  )`,
  sql`create index reinstate_replies_claimed on reinstate_replies (claimed_at)`,
  sql`create table reinstate_rate_windows (
    name text primary key,
    taken text not null
  )`,
  sql`create table reinstate_keys (
    id text primary key,
    lookup text not null,
    digest ${bytes} not null,
    vendor text not null,
    account text not null,
    name text not null,
    options text not null,
    created_at bigint not null,
    revoked_at bigint
  )`,
  sql`create index reinstate_keys_lookup on reinstate_keys (lookup)`,
  sql`create index reinstate_keys_account on reinstate_keys (vendor, account)`,
  // Always empty: a test write shows if anything can be stored.
  sql`create table reinstate_probe (filler ${bytes} not null)`,
];
