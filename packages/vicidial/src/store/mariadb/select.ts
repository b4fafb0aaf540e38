import type { Clock } from "@reinstate/batch-core";
import type { Connection } from "mysql2/promise";
import { toConditions } from "../../leads/filter.ts";
import type { LeadFilter } from "../../schemas.ts";

/** Leads that a filter finds at once. */
const pageSize = 5000;
/** Milliseconds for which a search may hold a table at once: while a MyISAM table is read, nobody writes to it. */
const longestMs = 50;
/** How MariaDB says that a statement took longer than it may: the driver has no name for it. */
const timedOut = 1969;
/** Rows that are looked through at once where no index leads to the leads: so many at first, and then by how long they took. */
const walk = { first: 2000, least: 100, most: 50_000 };

/**
 * The ids of a table's leads that a filter finds, ascending, a page at a time. Where an index leads to them they are found by
 * it; where that takes too long, the table is walked through by ids, a piece at a time, and after each piece others have as long
 * as it took.
 */
export async function* selectLeads(
  ask: <Result>(work: (connection: Connection) => Promise<Result>) => Promise<Result>,
  clock: Clock,
  table: string,
  filter: LeadFilter,
  searchMs = longestMs,
): AsyncGenerator<number[], void, undefined> {
  const { condition, values } = toCondition(filter);
  const query = (sql: string, given: unknown[]) =>
    ask(async (connection) => {
      const [rows] = await connection.query({ sql, values: given, rowsAsArray: true });
      return rows as unknown as (string | number)[][];
    });
  let after = -1;
  for (;;) {
    const from = performance.now();
    const found = await query(
      `SET STATEMENT max_statement_time = ${searchMs / 1000} FOR
        SELECT lead_id FROM ${table} WHERE lead_id > ? AND ${condition} ORDER BY lead_id LIMIT ?`,
      [after, ...values, pageSize],
    ).catch((error: unknown) => {
      if ((error as { errno?: unknown }).errno !== timedOut) throw error;
    });
    if (!found) break;
    // Invariant: a short page is the last one only if its search cannot have reached the limit. MariaDB answers with no rows and no
    // error if the limit is reached while it plans the statement.
    if (found.length < pageSize && performance.now() - from >= searchMs) break;
    if (found.length === 0) return;
    yield found.map(([id]) => Number(id));
    after = Number(found.at(-1)?.[0]);
  }
  for (let rows = walk.first; ; ) {
    const from = clock.now();
    const piece = await query(
      `SELECT lead_id, ${condition} FROM (SELECT lead_id, list_id, status, phone_number, entry_date FROM ${table}
        WHERE lead_id > ? ORDER BY lead_id LIMIT ?) AS piece`,
      [...values, after, rows],
    );
    const took = clock.now() - from;
    if (piece.length === 0) return;
    const ids = piece.filter(([, met]) => Number(met) === 1).map(([id]) => Number(id));
    if (ids.length > 0) yield ids;
    after = Number(piece.at(-1)?.[0]);
    if (took > longestMs / 2) rows = Math.max(walk.least, rows >> 1);
    else if (took < longestMs / 4) rows = Math.min(walk.most, rows * 2);
    await clock.sleep(took);
  }
}

/** Returns what a row must meet, as SQL, and the values in it. */
function toCondition(filter: LeadFilter): { condition: string; values: unknown[] } {
  const { equal, campaigns, from, before } = toConditions(filter);
  const conditions: string[] = [];
  const values: unknown[] = [];
  const add = (condition: string, ...given: unknown[]) => {
    conditions.push(condition);
    values.push(...given);
  };
  for (const { column, values: wanted } of equal) {
    if (column === "list_id") add("list_id IN (?)", wanted);
    else add(equalsAny(column), wanted, wanted);
  }
  if (campaigns) {
    add(`list_id IN (SELECT list_id FROM vicidial_lists WHERE ${equalsAny("campaign_id")})`, campaigns, campaigns);
  }
  if (from !== undefined) add("entry_date >= ?", from);
  if (before !== undefined) add("entry_date < ?", before);
  return { condition: `(${conditions.join(" AND ")})`, values };
}

/** Compares byte by byte, because collations ignore case, accents and trailing spaces. The first half finds rows by an index. */
const equalsAny = (column: string) => `(${column} IN (?) AND BINARY CONVERT(${column} USING utf8mb4) IN (?))`;
