import type { Connection, ResultSetHeader, RowDataPacket } from "mysql2/promise";
import { noRelatedRecords, type RelatedRecords } from "../../leads/related-records.ts";
import { live, quote } from "./names.ts";
import { runStatements, type Statement } from "./query.ts";
import { readColumns } from "./table-shape.ts";
import { copyTime } from "./times.ts";
import { copyValue } from "./values.ts";

/** Cache lifetime of the list of existing tables. */
const schemaCacheTtlMs = 60_000;

/** The tables of running calls, and of agents with a lead on their screen. */
const callTables = ["vicidial_auto_calls", "vicidial_live_agents"];

export interface RelatedRecordReader {
  /** Counts related records by lead id. `table` is the lead table that holds the leads. Leads without related records are omitted. */
  report(connection: Connection, table: string, ids: readonly number[]): Promise<Map<number, RelatedRecords>>;
  /** Returns the leads that a call or an agent works on. */
  onCall(connection: Connection, ids: readonly number[]): Promise<Set<number>>;
  /** Restores the callbacks of live leads from their archive. Returns how many. */
  restoreCallbacks(connection: Connection, ids: readonly number[]): Promise<number>;
}

interface CountQuery {
  name: keyof RelatedRecords;
  /** The query runs only if this table exists. */
  table: string;
  /** Returns rows of lead and number. Its one parameter is the list of leads. */
  sql: string;
}

const countRows = (other: string) => `SELECT lead_id, COUNT(*) FROM ${other} WHERE lead_id IN (?) GROUP BY lead_id`;

/** The queries that count the related records of leads in a lead table. Custom fields are counted apart. */
const countQueries = (table: string): CountQuery[] => [
  {
    name: "archived_callbacks",
    table: "vicidial_callbacks_archive",
    sql: countRows("vicidial_callbacks_archive"),
  },
  {
    name: "alt_phones",
    table: "vicidial_list_alt_phones",
    sql: countRows("vicidial_list_alt_phones"),
  },
  {
    name: "inactive_lists",
    table: "vicidial_lists",
    sql: `SELECT l.lead_id, 1 FROM ${table} l LEFT JOIN vicidial_lists i ON i.list_id = l.list_id
      WHERE l.lead_id IN (?) AND (i.list_id IS NULL OR i.active <> 'Y')`,
  },
  {
    name: "dnc_numbers",
    table: "vicidial_dnc",
    sql: `SELECT l.lead_id, 1 FROM ${table} l JOIN vicidial_dnc d ON d.phone_number = l.phone_number
      WHERE l.lead_id IN (?)`,
  },
];

/** The tables that the reader uses where they exist. */
const knownTables = [...countQueries("").map(({ table }) => table), "vicidial_callbacks", ...callTables];

export function createRelatedRecordReader(now: () => number): RelatedRecordReader {
  let tables = new Map<string, string[]>();
  let readAt = Number.NEGATIVE_INFINITY;

  /** Returns the columns of each existing table. */
  async function readExisting(connection: Connection): Promise<Map<string, string[]>> {
    if (now() < readAt + schemaCacheTtlMs) return tables;
    const [rows] = await connection.query<RowDataPacket[]>(
      `SELECT TABLE_NAME AS tableName, COLUMN_NAME AS name FROM information_schema.COLUMNS
        WHERE TABLE_SCHEMA = DATABASE() AND (TABLE_NAME LIKE 'custom\\_%' AND COLUMN_NAME = 'lead_id' OR TABLE_NAME IN (?))`,
      [knownTables],
    );
    tables = new Map();
    for (const { tableName, name } of rows) tables.set(tableName, [...(tables.get(tableName) ?? []), name]);
    readAt = now();
    return tables;
  }

  return {
    async report(connection, table, ids) {
      const found = new Map<number, RelatedRecords>();
      const known = await readExisting(connection);
      if (ids.length === 0 || known.size === 0) return found;
      const count = (name: keyof RelatedRecords, id: unknown, records = 1) => {
        const one = found.get(Number(id)) ?? noRelatedRecords();
        one[name] += records;
        found.set(Number(id), one);
      };
      const usable = countQueries(table).filter((query) => known.has(query.table));
      const [entered, ...results] = await runStatements(
        connection,
        [`SELECT lead_id, entry_list_id FROM ${table} WHERE lead_id IN (?) AND entry_list_id > 0`, ids],
        ...usable.map(({ sql }): Statement => [sql, ids]),
      );
      for (const [index, { name }] of usable.entries()) {
        for (const [id, records] of results[index]?.rows ?? []) count(name, id, Number(records));
      }
      const byList = Map.groupBy(entered?.rows ?? [], ([, list]) => `custom_${list}`);
      const existing = [...byList].filter(([list]) => known.has(list));
      const rows = await runStatements(
        connection,
        ...existing.map(
          ([list, leads]): Statement => [
            `SELECT lead_id FROM ${list} WHERE lead_id IN (?)`,
            leads.map(([id]) => Number(id)),
          ],
        ),
      );
      const withFields = new Set(rows.flatMap((one) => one.rows.map(([id]) => Number(id))));
      for (const [id] of entered?.rows ?? []) if (!withFields.has(Number(id))) count("lost_custom_fields", id);
      return found;
    },

    async onCall(connection, ids) {
      const known = await readExisting(connection);
      const results = await runStatements(
        connection,
        ...callTables
          .filter((table) => known.has(table))
          .map((table): Statement => [`SELECT lead_id FROM ${table} WHERE lead_id IN (?)`, ids]),
      );
      return new Set(results.flatMap(({ rows }) => rows.map(([id]) => Number(id))));
    },

    async restoreCallbacks(connection, ids) {
      if (ids.length === 0) return 0;
      const known = await readColumns(connection, ["vicidial_callbacks_archive", "vicidial_callbacks"]);
      const [from = [], to] = [known.get("vicidial_callbacks_archive"), known.get("vicidial_callbacks")];
      if (!to || !from.some(({ name }) => name === "callback_id")) return 0;
      const copied = from.map((column) => {
        const name = quote(column.name);
        const target = to.find((one) => one.name === column.name);
        return target && { name, ...(copyTime(name, column, target) ?? copyValue(name, column, target)) };
      });
      if (!copied.every((column) => column !== undefined)) return 0;
      const unkept = copied.flatMap(({ unkept }) => unkept ?? []);
      // As leads are moved: rows are copied by column name, and deleted by a statement that verifies the copy.
      await connection.query(
        `INSERT INTO vicidial_callbacks (${copied.map(({ name }) => name).join(", ")})
          SELECT ${copied.map(({ value }) => value).join(", ")} FROM vicidial_callbacks_archive AS s
            JOIN ${live} AS l ON l.lead_id = s.lead_id
           WHERE s.lead_id IN (?) AND NOT (${unkept.join(" OR ") || "FALSE"}) AND NOT EXISTS
             (SELECT 1 FROM vicidial_callbacks AS t WHERE t.callback_id = s.callback_id)`,
        [ids],
      );
      const [deleted] = await connection.query<ResultSetHeader>(
        `DELETE s FROM vicidial_callbacks_archive AS s JOIN vicidial_callbacks AS t ON t.callback_id = s.callback_id
          WHERE s.lead_id IN (?) AND ${copied.map(({ same }) => same).join(" AND ")}`,
        [ids],
      );
      return deleted.affectedRows;
    },
  };
}
