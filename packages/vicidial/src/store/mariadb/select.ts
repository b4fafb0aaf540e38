import type { Clock } from "@reinstate/batch-core";
import type { Connection } from "mysql2/promise";
import { toConditions } from "../../leads/filter.ts";
import type { LeadFilter } from "../../schemas.ts";

/** Leads per page of an index search. */
const pageSize = 5000;
/** Maximum milliseconds of one search, because a reader of a MyISAM table blocks its writers. */
const maxSearchMs = 50;
/** The error number of an exceeded `max_statement_time`; the driver has no name for it. */
const statementTimeoutErrno = 1969;
/** Rows per piece of the primary-key scan that is used when no index fits. The size adapts to the time that a piece takes. */
const walk = { first: 2000, least: 100, most: 50_000 };

/**
 * Yields the ids of the leads that match a filter, ascending, a page at a time. Uses an index search while it is fast enough. If
 * it takes too long, scans the table by id in pieces, and after each piece pauses for as long as the piece took.
 */
export async function* selectLeads(
  ask: <Result>(work: (connection: Connection) => Promise<Result>) => Promise<Result>,
  clock: Clock,
  table: string,
  filter: LeadFilter,
  searchMs = maxSearchMs,
): AsyncGenerator<number[], void, undefined> {
  const { condition, values } = toCondition(filter);
  const query = (sql: string, parameters: unknown[]) =>
    ask(async (connection) => {
      const [rows] = await connection.query({ sql, values: parameters, rowsAsArray: true });
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
      if ((error as { errno?: unknown }).errno !== statementTimeoutErrno) throw error;
    });
    if (!found) break;
    // Invariant: a short page is the last one only if its search cannot have reached the time limit. If MariaDB reaches the limit
    // while it plans the statement, it returns no rows and no error.
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
    const tookMs = clock.now() - from;
    if (piece.length === 0) return;
    const ids = piece.filter(([, matches]) => Number(matches) === 1).map(([id]) => Number(id));
    if (ids.length > 0) yield ids;
    after = Number(piece.at(-1)?.[0]);
    if (tookMs > maxSearchMs / 2) rows = Math.max(walk.least, rows >> 1);
    else if (tookMs < maxSearchMs / 4) rows = Math.min(walk.most, rows * 2);
    await clock.sleep(tookMs);
  }
}

/** Returns the filter as an SQL condition and its values. */
function toCondition(filter: LeadFilter): { condition: string; values: unknown[] } {
  const { equal, campaigns, from, before } = toConditions(filter);
  const conditions: string[] = [];
  const values: unknown[] = [];
  const add = (condition: string, ...added: unknown[]) => {
    conditions.push(condition);
    values.push(...added);
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

/** Compares byte by byte, because collations ignore case, accents and trailing spaces. The first half can use an index. */
const equalsAny = (column: string) => `(${column} IN (?) AND BINARY CONVERT(${column} USING utf8mb4) IN (?))`;
