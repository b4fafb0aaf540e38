import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import { type RawBuilder, sql } from "kysely";
import {
  type Condition,
  type CustomField,
  type Expressions,
  isArchived,
  isBetween,
  isPlain,
  nearbyRows,
  orderBy,
  type PromoterSearch,
  readConditions,
  readRanges,
  simplifyFilter,
  toJsonParts,
  toPattern,
} from "./search.ts";
import type { PromoterFilter, PromoterQuery } from "./store.ts";

type Ids = RawBuilder<{ id: number }>;
type NoTables = Record<string, never>;

/** The full-text indexes by the promoters' column that each indexes. */
const textIndexes = { search: "firstpromoter_search", custom_fields: "firstpromoter_custom_fields" } as const;

/** The most candidates worth reading by an index. With more, a scan in list order fills the page soon. */
const maxCandidates = ({ limit, offset }: PromoterQuery) => 5_000 + 10 * (limit + offset);
/** So few candidates that no further index is compared. */
const fewCandidates = 500;

/**
 * Creates the search in SQLite. It first scans some rows in the order of the list. If they do not fill the page, it uses the index
 * of the filter's rarest condition. SQLite has no statistics, so every query names its index.
 */
export function createSqliteSearch(database: Database): PromoterSearch {
  const db = database.tables<NoTables>();

  async function read(ids: Ids): Promise<number[]> {
    return (await ids.execute(db)).rows.map(({ id }) => id);
  }

  return {
    async findPage(account, query) {
      const filter = simplifyFilter(query);
      if (!filter) return [];
      const { archived, sorting, limit, offset } = filter;
      const conditions = readConditions(account, filter, database, expressions);
      const order = sql`order by ${orderBy(sorting, "p")}`;
      const page = sql`${order} limit ${limit} offset ${offset}`;
      const kept = sorting.length === 0 ? sql`and ${isArchived(archived === true)}` : sql``;
      const inOrder = sql`${promotersBy(sorting[0]?.by ?? (archived ? "archived" : "live"))}
        where p.account = ${account} ${kept}`;
      if (isPlain(filter)) return read(sql`select p.id from ${inOrder} ${page}`);
      const scan = (rows: number) =>
        read(
          sql`select p.id from (select p.* from ${inOrder} ${order} limit ${rows}) as p where ${conditions} ${page}`,
        );
      const nearby = filter.ids ? [] : await scan(nearbyRows(filter));
      if (nearby.length === limit) return nearby;
      const ids = await findCandidates(account, filter, database);
      if (!ids) return scan(-1);
      return read(sql`select p.id from (${ids}) as c cross join firstpromoter_promoters p on p.id = c.id
        where ${conditions} ${page}`);
    },
  };
}

/** Returns the query for the rarest condition; undefined if every condition matches many promoters. */
async function findCandidates(account: string, query: PromoterQuery, database: Database): Promise<Ids | undefined> {
  const db = database.tables<NoTables>();
  let best: Ids | undefined;
  let fewest = maxCandidates(query);
  for await (const ids of readCandidates(account, query, database)) {
    const { rows } = await sql<{ found: number }>`select count(*) as found from (${ids} limit ${fewest})`.execute(db);
    const found = rows[0]?.found ?? 0;
    if (found < fewest) [best, fewest] = [ids, found];
    if (fewest <= fewCandidates) break;
  }
  // A full-text index is sorted by id, as an unsorted list is.
  const trigrams = query.sorting.length > 0 ? [] : toTrigrams(query.q?.toLowerCase() ?? "");
  return best ?? (trigrams.length > 0 ? matchTrigrams("search", [trigrams]) : undefined);
}

async function* readCandidates(account: string, filter: PromoterFilter, database: Database): AsyncGenerator<Ids> {
  yield* indexedConditions(account, filter, database);
  for (const field of filter.customFields ?? []) {
    yield matchTrigrams(
      "custom_fields",
      toJsonParts(field).map((parts) => parts.flatMap(toTrigrams)),
    );
  }
  if (!filter.q) return;
  const text = filter.q.toLowerCase();
  const trigrams = toTrigrams(text);
  // The trigrams of the end are cheaper than all of them, and often as selective.
  const end = toTrigrams(toEnd(text));
  if (end.length > 0 && end.length < trigrams.length) yield matchTrigrams("search", [end]);
  yield matchTrigrams("search", trigrams.length > 0 ? [trigrams] : await findTrigrams(text, database));
}

/** Returns the indexed trigrams that start with the text, which has one or two characters. */
async function findTrigrams(text: string, database: Database): Promise<string[][]> {
  const { rows } = await sql<{ term: string }>`select term from firstpromoter_trigrams
    where term >= ${text} and term < ${`${text}\u{10ffff}`}`.execute(database.tables<NoTables>());
  return rows.map(({ term }) => [term]);
}

const promotersBy = (index: string) =>
  sql`firstpromoter_promoters p indexed by ${sql.table(`firstpromoter_promoters_${index}`)}`;

/** Returns a query for each condition that has an index. Each query returns a promoter once. */
function indexedConditions(account: string, filter: PromoterFilter, database: Database): Ids[] {
  const { archived, ids, parentId, state, archivedAs, campaignIds, fraudSuspicions } = filter;
  const queries: Ids[] = [];
  const add = (index: string, condition: Condition) =>
    queries.push(sql`select p.id from ${promotersBy(index)} where p.account = ${account} and ${condition}`);
  if (ids) queries.push(sql`select p.id from firstpromoter_promoters p where ${database.anyOf("p.id", ids)}`);
  if (parentId !== undefined) add("parent", sql`p.parent_promoter_id = ${parentId}`);
  // Archived promoters may show another state than the stored one.
  const stored = archivedAs ? undefined : state;
  if (campaignIds || stored !== undefined) {
    queries.push(sql`select distinct m.promoter_id as id from firstpromoter_memberships m where m.account = ${account}
      ${campaignIds ? sql`and ${database.anyOf("m.campaign_id", campaignIds)}` : sql``}
      ${stored === undefined ? sql`` : sql`and m.state = ${stored}`}`);
  }
  const { invoiceStatus, subscribed, hasForm } = filter;
  if (invoiceStatus !== undefined) add("invoice_details_status", sql`p.invoice_details_status = ${invoiceStatus}`);
  if (subscribed !== undefined) add("subscribed_to_email", sql`p.subscribed_to_email = ${Number(subscribed)}`);
  if (hasForm !== undefined) add("has_form", sql`p.has_form = ${Number(hasForm)}`);
  if (fraudSuspicions && !fraudSuspicions.includes(null)) add("suspected", sql`p.fraud_suspicions is not null`);
  for (const [column, range] of readRanges(filter)) add(column, isBetween(sql.ref(`p.${column}`), range));
  if (archived !== undefined) add(archived ? "archived" : "live", isArchived(archived));
  return queries;
}

/** Returns the query for promoters whose text has all trigrams of one of the lists. Not all of them need contain the text. */
function matchTrigrams(column: keyof typeof textIndexes, anyOf: string[][]): Ids {
  const index = sql.table(textIndexes[column]);
  const quote = (term: string) => `"${term.replaceAll('"', '""')}"`;
  const query = anyOf.map((trigrams) => `(${trigrams.map(quote).join(" AND ")})`).join(" OR ");
  return anyOf.length === 0
    ? sql`select 0 as id where 0`
    : sql`select rowid as id from ${index} where ${index} match ${query}`;
}

/** Returns the last nine characters; of an address those up to the @, because many addresses share a domain. */
function toEnd(text: string): string {
  const characters = [...text];
  const at = characters.lastIndexOf("@");
  return characters
    .slice(0, at < 3 ? undefined : at + 1)
    .slice(-9)
    .join("");
}

function toTrigrams(text: string): string[] {
  const characters = [...text];
  return [...new Set(characters.slice(2).map((last, at) => `${characters[at]}${characters[at + 1]}${last}`))];
}

const expressions: Expressions = {
  facts: "p",
  // The plus stops SQLite from choosing the account index, which would read all memberships of the account.
  owns: (column, account) => sql`+${sql.ref(column)} = ${account}`,
  contains: (column, text) => sql`instr(${sql.ref(`p.${column}`)}, ${text}) > 0`,
  hasField({ key, value, partial }: CustomField) {
    const text = sql`case f.type when 'true' then 'true' when 'false' then 'false' else cast(f.value as text) end`;
    return sql`exists (select 1 from json_each(p.custom_fields) f where f.key = ${key}
      and ${text} ${partial ? sql`like ${toPattern(value)} escape '\\'` : sql`= ${value}`})`;
  },
};

/** Page size of a full-text index, a third of SQLite's default: frequent trigrams are read by skipping from page to page. */
const pageBytes = 1_500;

/** Creates the indexes of lists on the promoters table. SQLite updates only the indexes of changed columns. */
export async function createSqliteIndexes(db: LedgerTransaction, columns: readonly string[]): Promise<void> {
  for (const column of columns) {
    await sql`create index ${sql.id(`firstpromoter_promoters_${column}`)} on firstpromoter_promoters
      (account, ${sql.id(column)}, id)`.execute(db);
  }
  await sql`create index firstpromoter_promoters_suspected on firstpromoter_promoters (account, id)
    where fraud_suspicions is not null`.execute(db);
  for (const [column, index] of Object.entries(textIndexes)) {
    const [name, table] = [sql.id(column), sql.table(index)];
    // `search` and `q` are in lower case. Custom fields are searched in any case.
    const tokenizer = sql.lit(column === "search" ? "trigram case_sensitive 1" : "trigram");
    await sql`create virtual table ${table} using fts5
      (${name}, content = '', contentless_delete = 1, tokenize = ${tokenizer}, detail = 'none')`.execute(db);
    await sql`insert into ${table} (${sql.id(index)}, rank) values ('pgsz', ${sql.lit(pageBytes)})`.execute(db);
    // Two more characters, so that every searched character starts a trigram.
    const end = column === "search" ? sql` || char(10, 10)` : sql``;
    const add = sql`insert into ${table} (rowid, ${name}) select new.id, new.${name}${end} where new.${name} is not null;`;
    const remove = sql`delete from ${table} where rowid = old.id;`;
    const trigger = (event: string) => sql`create trigger ${sql.id(`${index}_${event}`)} after ${sql.raw(event)}`;
    await sql`${trigger("insert")} on firstpromoter_promoters begin ${add} end`.execute(db);
    await sql`${trigger("delete")} on firstpromoter_promoters begin ${remove} end`.execute(db);
    await sql`${trigger("update")} of ${name} on firstpromoter_promoters begin ${remove} ${add} end`.execute(db);
  }
  await sql`create virtual table firstpromoter_trigrams using fts5vocab (firstpromoter_search, row)`.execute(db);
}
