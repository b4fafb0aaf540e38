import { setImmediate } from "node:timers/promises";
import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import { sql } from "kysely";

/** Columns that no archive and no restore changes, by which lists are filtered. */
const filtered = ["subscribed_to_email", "invoice_details_status", "has_form", "last_login_at"] as const;

/** Columns by which lists are sorted, and no restore changes them either. */
const sorted = ["clicks_count", "referrals_count", "customers_count", "revenue_amount", "joined_at"] as const;

const searched = ["search", "custom_fields", ...filtered, "fraud_suspicions"] as const;

/**
 * What lists are searched and filtered by, apart from what a restore changes. On SQLite a restore writes only the indexes that
 * hold a changed column, so these lie on the promoters themselves and `firstpromoter_search` is a full-text index of trigrams.
 * PostgreSQL writes every index of a changed row, so there it is a table of its own. Triggers keep either in step.
 */
export async function makeSearch(db: LedgerTransaction, { dialect }: Database): Promise<void> {
  await sql`alter table firstpromoter_promoters add column has_form integer not null default 0`.execute(db);
  const written = (form: string) =>
    dialect === "sqlite"
      ? sql`coalesce(json_extract(profile, ${`$.${form}`}), '') <> ''`
      : sql`coalesce(case when position('\\u0000' in profile) = 0 then profile::json ->> ${form}::text else '' end, '') <> ''`;
  await sql`update firstpromoter_promoters set has_form = 1
    where ${written("w8_form_url")} or ${written("w9_form_url")}`.execute(db);
  await sql`drop index if exists firstpromoter_promoters_search`.execute(db);
  await sql`drop index firstpromoter_promoters_parent`.execute(db);
  await sql`create index firstpromoter_promoters_parent on firstpromoter_promoters (account, parent_promoter_id, id)
    where parent_promoter_id is not null`.execute(db);
  await sql`create index firstpromoter_memberships_campaign_state on firstpromoter_memberships (campaign_id, state, promoter_id)`.execute(
    db,
  );
  await (dialect === "sqlite" ? makeSqliteSearch(db) : makePostgresSearch(db));
}

async function makeSqliteSearch(db: LedgerTransaction): Promise<void> {
  for (const column of filtered) await indexFiltered(db, "firstpromoter_promoters", "id", column);
  await sql`create index firstpromoter_promoters_suspected on firstpromoter_promoters (account, id)
    where fraud_suspicions is not null`.execute(db);
  // Whoever restores a large set asks for these among them: see `createArchival`.
  await sql`create index firstpromoter_promoters_waiting on firstpromoter_promoters (account, id) where waits > 0`.execute(
    db,
  );
  // Without positions it has half the size; what it finds is looked at once more in any case.
  await sql`create virtual table firstpromoter_search using fts5
    (search, custom_fields, content = '', contentless_delete = 1, tokenize = 'trigram', detail = 'column')`.execute(db);
  // Two characters more, so that every character begins a trigram.
  const [search, added] = [sql`search || char(10, 10)`, sql`new.search || char(10, 10)`];
  const add = sql`insert into firstpromoter_search (rowid, search, custom_fields) values (new.id, ${added}, new.custom_fields);`;
  const remove = sql`delete from firstpromoter_search where rowid = old.id;`;
  await sql`create trigger firstpromoter_search_insert after insert on firstpromoter_promoters begin ${add} end`.execute(
    db,
  );
  await sql`create trigger firstpromoter_search_delete after delete on firstpromoter_promoters begin ${remove} end`.execute(
    db,
  );
  await sql`create trigger firstpromoter_search_update after update of search, custom_fields on firstpromoter_promoters
    begin ${remove} ${add} end`.execute(db);
  await sql`insert into firstpromoter_search (rowid, search, custom_fields)
    select id, ${search}, custom_fields from firstpromoter_promoters`.execute(db);
  await sql`create virtual table firstpromoter_search_terms using fts5vocab (firstpromoter_search, row)`.execute(db);
}

async function makePostgresSearch(db: LedgerTransaction): Promise<void> {
  await sql`create table firstpromoter_search (
    id bigint primary key references firstpromoter_promoters (id) on delete cascade,
    account text not null,
    search text not null,
    custom_fields text,
    subscribed_to_email integer not null,
    invoice_details_status text not null,
    has_form integer not null,
    last_login_at bigint,
    fraud_suspicions text
  )`.execute(db);
  const names = sql.join(["id", "account", ...searched].map((name) => sql.ref(name)));
  await sql`insert into firstpromoter_search (${names}) select ${names} from firstpromoter_promoters`.execute(db);
  for (const column of filtered) await indexFiltered(db, "firstpromoter_search", "id", column);
  await sql`create index firstpromoter_search_suspected on firstpromoter_search (account, id)
    where fraud_suspicions is not null`.execute(db);
  await keepInStep(db, searched);
  await sql`create trigger firstpromoter_search_insert after insert on firstpromoter_promoters
    referencing new table as added for each statement execute function firstpromoter_search_insert()`.execute(db);
}

/** The triggers of PostgreSQL that write these columns of a promoter to `firstpromoter_search` too. */
async function keepInStep(db: LedgerTransaction, columns: readonly string[]): Promise<void> {
  const names = sql.join(["id", "account", ...columns].map((name) => sql.ref(name)));
  await sql`create or replace function firstpromoter_search_insert() returns trigger language plpgsql as $$ begin
    insert into firstpromoter_search (${names}) select ${names} from added;
    return null;
  end $$`.execute(db);
  const values = sql.join(columns.map((name) => sql`${sql.ref(name)} = new.${sql.ref(name)}`));
  await sql`create or replace function firstpromoter_search_update() returns trigger language plpgsql as $$ begin
    update firstpromoter_search set ${values} where id = new.id;
    return null;
  end $$`.execute(db);
  await sql`drop trigger if exists firstpromoter_search_update on firstpromoter_promoters`.execute(db);
  // It names its columns, so a restore, which sets none of them, does not even call it.
  await sql`create trigger firstpromoter_search_update after update of ${sql.join(columns.map((name) => sql.ref(name)))}
    on firstpromoter_promoters for each row execute function firstpromoter_search_update()`.execute(db);
}

/** On PostgreSQL moves the indexes of the orders of a list to where a restore need not write them: they were half of its work. */
export async function sortApart(db: LedgerTransaction, { dialect }: Database): Promise<void> {
  if (dialect === "sqlite") return;
  for (const column of sorted) {
    await sql`alter table firstpromoter_search add column ${sql.id(column)} bigint not null default 0`.execute(db);
  }
  const values = sql.join(sorted.map((name) => sql`${sql.ref(name)} = p.${sql.ref(name)}`));
  await sql`update firstpromoter_search s set ${values} from firstpromoter_promoters p where p.id = s.id`.execute(db);
  for (const column of sorted) {
    await indexFiltered(db, "firstpromoter_search", "id", column);
    await sql`drop index ${sql.id(`firstpromoter_promoters_${column}`)}`.execute(db);
  }
  await keepInStep(db, [...searched, ...sorted]);
}

/** On PostgreSQL an index of every one and two characters that stand in a text, for which there is no trigram. */
export async function indexPieces(db: LedgerTransaction, { dialect }: Database): Promise<void> {
  if (dialect === "sqlite") return;
  await sql`create function firstpromoter_pieces(text) returns text[] language sql immutable strict parallel safe as $$
    select array(select distinct substr($1, i, n) from generate_series(1, length($1)) i, generate_series(1, 2) n)
  $$`.execute(db);
  await sql`create index firstpromoter_search_pieces on firstpromoter_search
    using gin (firstpromoter_pieces(search))`.execute(db);
}

/** The same pieces in one walk over the text: to count up to every place in it takes the longer the longer it is. */
export async function cutInOneWalk(db: LedgerTransaction, { dialect }: Database): Promise<void> {
  if (dialect === "sqlite") return;
  // A piece that comes twice is in the index once.
  await sql`create or replace function firstpromoter_pieces(text) returns text[] language sql immutable strict parallel safe as $$
    select string_to_array($1, null) || array(select one || next
      from unnest(string_to_array($1, null), string_to_array(substr($1, 2), null)) as pairs (one, next) where next is not null)
  $$`.execute(db);
}

/** The full-text indexes of SQLite, each of the promoters' column of the same name. */
const indexed = {
  search: "firstpromoter_search",
  custom_fields: "firstpromoter_custom_fields",
} as const;

/** A column that is searched for parts of its text. */
export type SearchedColumn = keyof typeof indexed;

/** The full-text index of a column, on SQLite. */
export const indexOf = (column: SearchedColumn) => sql.table(indexed[column]);

/**
 * Bytes of a page of a full-text index, some third of SQLite's own measure. What two trigrams have in common is found by leaps from
 * page to page and by steps within one; before the trigrams that begin with two characters lie the pages of a common one.
 */
const pageBytes = 1500;

/**
 * On SQLite a full-text index for each of the two columns, which need not say for every promoter in which of them a trigram
 * stands: a third of the size, written in half the time, and what has to be stepped over in it is a third too.
 */
export async function indexEachColumn(db: LedgerTransaction, { dialect }: Database): Promise<void> {
  if (dialect === "postgres") return;
  for (const event of ["insert", "delete", "update"]) {
    await sql`drop trigger ${sql.id(`firstpromoter_search_${event}`)}`.execute(db);
  }
  await sql`drop table firstpromoter_search_terms`.execute(db);
  await sql`drop table firstpromoter_search`.execute(db);
  for (const [column, index] of Object.entries(indexed)) {
    const [name, table] = [sql.id(column), sql.table(index)];
    await sql`create virtual table ${table} using fts5
      (${name}, content = '', contentless_delete = 1, tokenize = 'trigram', detail = 'none')`.execute(db);
    await sql`insert into ${table} (${sql.id(index)}, rank) values ('pgsz', ${sql.lit(pageBytes)})`.execute(db);
    // Two characters more, so that every character of what is searched begins a trigram.
    const end = column === "search" ? sql` || char(10, 10)` : sql``;
    const add = sql`insert into ${table} (rowid, ${name}) select new.id, new.${name}${end} where new.${name} is not null;`;
    const remove = sql`delete from ${table} where rowid = old.id;`;
    const trigger = (event: string) => sql`create trigger ${sql.id(`${index}_${event}`)} after ${sql.raw(event)}`;
    await sql`${trigger("insert")} on firstpromoter_promoters begin ${add} end`.execute(db);
    await sql`${trigger("delete")} on firstpromoter_promoters begin ${remove} end`.execute(db);
    await sql`${trigger("update")} of ${name} on firstpromoter_promoters begin ${remove} ${add} end`.execute(db);
    await sql`insert into ${table} (rowid, ${name})
      select id, ${name}${end} from firstpromoter_promoters where ${name} is not null`.execute(db);
  }
  await sql`create virtual table firstpromoter_search_terms using fts5vocab (firstpromoter_search, row)`.execute(db);
}

async function indexFiltered(db: LedgerTransaction, table: string, id: string, column: string): Promise<void> {
  const there = column === "last_login_at" ? sql`where last_login_at is not null` : sql``;
  await sql`create index ${sql.id(`${table}_${column}`)} on ${sql.table(table)}
    (account, ${sql.id(column)}, ${sql.id(id)}) ${there}`.execute(db);
}

/**
 * Lets trigrams serve `q` and custom fields on PostgreSQL, with the extension pg_trgm, which is made where this database's user
 * may do that. Answers false where there is none: both then read the promoters of the account until the page is full.
 */
export async function indexSearch(database: Database): Promise<boolean> {
  if (database.dialect === "sqlite") return true;
  const db = database.tables<Record<string, never>>();
  const extension = async () => {
    const { rows } = await sql<{ schema: string }>`select n.nspname as schema from pg_extension e
      join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm'`.execute(db);
    return rows[0];
  };
  // Whoever may not make it is told so by an error, and so is who makes it at the same moment as somebody else.
  if (!(await extension())) await sql`create extension if not exists pg_trgm`.execute(db).catch(() => {});
  const found = await extension();
  if (!found) return false;
  const trigrams = sql.id(found.schema, "gin_trgm_ops");
  for (const column of ["search", "custom_fields"]) {
    const there = column === "custom_fields" ? sql`where custom_fields is not null` : sql``;
    const index = sql`create index if not exists ${sql.id(`firstpromoter_search_${column}_trigrams`)} on firstpromoter_search
      using gin (${sql.id(column)} ${trigrams}) ${there}`;
    // Another process may be making the same one.
    await index.execute(db).catch(() => {});
  }
  return true;
}

/** Pages of the index that are written at once while its parts are merged. */
const pagesAtOnce = 1000;

/**
 * Merges the parts that SQLite's full-text indexes grow in: every search looks into each of them. Takes some ten seconds after a
 * million promoters; others have their turn in between.
 */
export async function mergeSearch(database: Database): Promise<void> {
  if (database.dialect !== "sqlite") return;
  const db = database.tables<Record<string, never>>();
  const merge = async (index: string, pages: number) => {
    const changes = async () =>
      (await sql<{ n: number }>`select total_changes() as n`.execute(db)).rows[0]?.n as number;
    const before = await changes();
    await sql`insert into ${sql.table(index)} (${sql.id(index)}, rank) values ('merge', ${pages})`.execute(db);
    return (await changes()) - before;
  };
  // A negative number begins a merge of all parts, and where nothing is left to be merged only the command itself is counted.
  for (const index of Object.values(indexed)) {
    for (let changed = await merge(index, -pagesAtOnce); changed >= 2; changed = await merge(index, pagesAtOnce)) {
      await setImmediate();
    }
  }
}
