import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import { type RawBuilder, sql } from "kysely";
import {
  type CustomField,
  type Expressions,
  isArchived,
  isPlain,
  nearbyRows,
  orderBy,
  type PromoterSearch,
  readConditions,
  simplifyFilter,
  toJsonParts,
  toPattern,
} from "./search.ts";
import type { PromoterQuery } from "./store.ts";

type Ids = RawBuilder<{ id: number }>;

/**
 * Creates the search in PostgreSQL. It first scans some rows in the order of the list. If they do not fill the page, it reads all
 * promoters that pass the filter by the indexes that PostgreSQL chooses, and sorts them.
 */
export function createPostgresSearch(database: Database): PromoterSearch {
  const db = database.tables<Record<string, never>>();

  async function read(ids: Ids): Promise<number[]> {
    return (await ids.execute(db)).rows.map(({ id }) => id);
  }

  return {
    async findPage(account, query) {
      const filter = simplifyFilter(query);
      if (!filter) return [];
      if (isPlain(filter))
        return read(sql`select p.id from ${readInOrder(account, filter)} ${orderedPage(filter, "p")}`);
      const nearby = filter.ids ? [] : await read(selectNearby(account, filter, database));
      return nearby.length === filter.limit ? nearby : read(selectAll(account, filter, database));
    },
  };
}

/** Selects the table whose index has the order of the list. */
const readInOrder = (account: string, { archived, sorting }: PromoterQuery) =>
  sorting.length > 0
    ? sql`firstpromoter_search s where s.account = ${account}`
    : sql`firstpromoter_promoters p where p.account = ${account} and ${isArchived(archived === true)}`;

const orderedPage = ({ sorting, limit, offset }: PromoterQuery, table: string) =>
  sql`order by ${orderBy(sorting, table)} limit ${limit} offset ${offset}`;

/** Selects the page among the first rows of the list. Sorted rows are cheaper, because their index covers the columns. */
function selectNearby(account: string, query: PromoterQuery, database: Database): Ids {
  const isSorted = query.sorting.length > 0;
  const table = isSorted ? "s" : "p";
  const rows = sql`(select * from ${readInOrder(account, query)}
    order by ${orderBy(query.sorting, table)} limit ${nearbyRows(query, isSorted ? 10 : 2)}) as ${sql.id(table)}`;
  const other = isSorted
    ? sql`join firstpromoter_promoters p on p.id = s.id`
    : // `offset 0` makes PostgreSQL read row by row until the page is full.
      sql`cross join lateral (select * from firstpromoter_search f where f.id = p.id offset 0) as s`;
  return sql`select p.id from ${rows} ${other}
    where ${readConditions(account, query, database, expressions)} ${orderedPage(query, table)}`;
}

/** Selects the page among all that pass the filter. Materialized, because in list order these rows may be far apart. */
export function selectAll(account: string, query: PromoterQuery, database: Database): Ids {
  const columns = [...new Set(["id", ...query.sorting.map(({ by }) => by)])].map((column) => sql.ref(`s.${column}`));
  const q = query.q?.toLowerCase() ?? "";
  // pg_trgm builds trigrams from letters and digits only; other texts use the index of one and two characters.
  const pieces = /^$|[\p{L}\p{N}]{3}/u.test(q)
    ? sql``
    : sql`and firstpromoter_pieces(s.search) @> firstpromoter_pieces(${q})`;
  return sql`with found as materialized (
      select ${sql.join(columns)} from firstpromoter_promoters p join firstpromoter_search s on s.id = p.id
      where s.account = ${account} and ${readConditions(account, query, database, expressions)} ${pieces}
    ) select id from found ${orderedPage(query, "found")}`;
}

const expressions: Expressions = {
  facts: "s",
  owns: (column, account) => sql`${sql.ref(column)} = ${account}`,
  contains: (column, text) => sql`${sql.ref(`s.${column}`)} like ${toPattern(text)}`,
  hasField(field: CustomField) {
    const { key, value, partial } = field;
    // The trigram index finds candidates, and the field decides. PostgreSQL cannot parse JSON with the character zero.
    const any = toJsonParts(field).map(
      (parts) =>
        sql`(${sql.join(
          parts.map((part) => sql`s.custom_fields ilike ${toPattern(part)}`),
          sql` and `,
        )})`,
    );
    const text = sql`(case when position('\\u0000' in s.custom_fields) > 0 then null else s.custom_fields::jsonb ->> ${key}::text end)`;
    return sql`(${sql.join(any, sql` or `)}) and ${text} ${partial ? sql`ilike ${toPattern(value)}` : sql`= ${value}`}`;
  },
};

/**
 * Creates the table that lists are searched, filtered and sorted by. PostgreSQL updates every index of a changed row. So the
 * columns that a restore does not change have a table of their own. Triggers keep it equal to the promoters.
 */
export async function createPostgresIndexes(db: LedgerTransaction, columns: readonly string[]): Promise<void> {
  await sql`create table firstpromoter_search (
    id bigint primary key references firstpromoter_promoters (id) on delete cascade,
    account text not null,
    search text not null,
    custom_fields text,
    fraud_suspicions text,
    clicks_count bigint not null,
    referrals_count bigint not null,
    customers_count bigint not null,
    revenue_amount bigint not null,
    joined_at bigint not null,
    last_login_at bigint,
    subscribed_to_email integer not null,
    invoice_details_status text not null,
    has_form integer not null
  )`.execute(db);
  for (const column of columns) {
    await sql`create index ${sql.id(`firstpromoter_search_${column}`)} on firstpromoter_search
      (account, ${sql.id(column)}, id)`.execute(db);
  }
  await sql`create index firstpromoter_search_suspected on firstpromoter_search (account, id)
    where fraud_suspicions is not null`.execute(db);
  // The one- and two-character pieces of a text, which have no trigram.
  await sql`create function firstpromoter_pieces(text) returns text[] language sql immutable strict parallel safe as $$
    select string_to_array($1, null) || array(select one || next
      from unnest(string_to_array($1, null), string_to_array(substr($1, 2), null)) as pairs (one, next) where next is not null)
  $$`.execute(db);
  await sql`create index firstpromoter_search_pieces on firstpromoter_search
    using gin (firstpromoter_pieces(search))`.execute(db);
  const copied = ["search", "custom_fields", "fraud_suspicions", ...columns];
  const names = sql.join(["id", "account", ...copied].map((name) => sql.ref(name)));
  await sql`create function firstpromoter_search_insert() returns trigger language plpgsql as $$ begin
    insert into firstpromoter_search (${names}) select ${names} from added;
    return null;
  end $$`.execute(db);
  await sql`create trigger firstpromoter_search_insert after insert on firstpromoter_promoters
    referencing new table as added for each statement execute function firstpromoter_search_insert()`.execute(db);
  const values = sql.join(copied.map((name) => sql`${sql.ref(name)} = new.${sql.ref(name)}`));
  await sql`create function firstpromoter_search_update() returns trigger language plpgsql as $$ begin
    update firstpromoter_search set ${values} where id = new.id;
    return null;
  end $$`.execute(db);
  // The trigger names its columns, so a restore does not fire it.
  await sql`create trigger firstpromoter_search_update after update of ${sql.join(copied.map((name) => sql.ref(name)))}
    on firstpromoter_promoters for each row execute function firstpromoter_search_update()`.execute(db);
}

/**
 * Creates the trigram indexes, and the extension pg_trgm if the database user may. Returns false without the extension. Then `q`
 * and custom fields scan `firstpromoter_search`.
 */
export async function createTrigramIndexes(database: Database): Promise<boolean> {
  const db = database.tables<Record<string, never>>();
  // Errors are ignored: another process may create the same, or the user may lack the right. The next query decides.
  await sql`create extension if not exists pg_trgm`.execute(db).catch(() => {});
  const { rows } = await sql<{ schema: string }>`select n.nspname as schema from pg_extension e
    join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_trgm'`.execute(db);
  if (!rows[0]) return false;
  const trigrams = sql.id(rows[0].schema, "gin_trgm_ops");
  for (const column of ["search", "custom_fields"]) {
    const index = sql.id(`firstpromoter_search_${column}_trigrams`);
    await sql`create index if not exists ${index} on firstpromoter_search using gin (${sql.id(column)} ${trigrams})`
      .execute(db)
      .catch(() => {});
  }
  return true;
}
