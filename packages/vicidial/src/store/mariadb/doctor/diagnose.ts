import type { Connection, RowDataPacket } from "mysql2/promise";
import { MoveRefused } from "../../../leads/move-errors.ts";
import { isCollision } from "../../../leads/rules.ts";
import { readDuplicates } from "../lead-rows.ts";
import { archive, live, quote } from "../names.ts";
import { isRefused, preflight, statementsFor } from "../plan.ts";
import { runStatements } from "../query.ts";
import type { ColumnFacts, Diagnosis, TableFacts } from "./diagnosis.ts";
import { examine } from "./examine.ts";

/** Duplicates per page of the comparison. */
const pageSize = 1000;

/**
 * Examines both lead tables and reads only. Unless it is `full`, it counts and compares no rows, which takes a while on big tables.
 */
export async function diagnose(connection: Connection, { full = true } = {}): Promise<Diagnosis> {
  const [ours, theirs] = [await readFacts(connection, live, full), await readFacts(connection, archive, full)];
  // Performance: this scans the whole archive, so it runs only if the finding needs the number.
  if (full && theirs && canBeUnstamped(theirs) && ours && !canBeUnstamped(ours)) {
    theirs.unstamped = await count(connection, `${quote(archive)} WHERE modify_date IS NULL`);
  }
  const findings = examine(ours, theirs);
  let plan: Awaited<ReturnType<typeof preflight>>;
  try {
    plan = await preflight(connection);
  } catch (error) {
    if (!MoveRefused.is(error)) throw error;
    // A move reports one cause at a time; add it if the examination has not found it.
    if (!findings.some(({ what }) => readSubject(what) === readSubject(error.message))) {
      findings.unshift({ severity: "refused", what: error.message });
    }
    return { findings };
  }
  if (!full) return { findings };
  // The comparison is the same in both directions, so use one that is not refused.
  if (isRefused(plan, "dearchive") && isRefused(plan, "archive")) return { findings };
  const statements = statementsFor(plan, isRefused(plan, "dearchive") ? "archive" : "dearchive");
  const duplicates = { equal: 0, differing: 0, collisions: 0 };
  for (let after = -1; ; ) {
    const [rows] = await connection.query<RowDataPacket[]>(
      `SELECT a.lead_id FROM ${archive} AS a JOIN ${live} AS l ON l.lead_id = a.lead_id
        WHERE a.lead_id > ? ORDER BY a.lead_id LIMIT ?`,
      [after, pageSize],
    );
    const ids = rows.map((row) => Number(row.lead_id));
    if (ids.length === 0) break;
    const [pairs] = await runStatements(connection, [statements.duplicates, ids]);
    for (const differs of readDuplicates(pairs).values()) {
      if (differs.length === 0) duplicates.equal++;
      else if (isCollision({ differs })) duplicates.collisions++;
      else duplicates.differing++;
    }
    after = ids.at(-1) as number;
  }
  const counted: [number, string][] = [
    [duplicates.equal, "leads are in both tables and equal: a dearchive or an archive removes the duplicate"],
    [duplicates.differing, "leads are in both tables and differ: both copies are kept until you decide"],
    [duplicates.collisions, "ids refer to different leads in the two tables: the id was reused"],
  ];
  for (const [count, what] of counted) if (count > 0) findings.push({ severity: "risk", what: `${count} ${what}` });
  return { findings, duplicates };
}

const canBeUnstamped = ({ columns }: TableFacts) =>
  columns.some(({ name, nullable }) => name.toLowerCase() === "modify_date" && nullable);

async function count(connection: Connection, from: string): Promise<number> {
  const [rows] = await connection.query<RowDataPacket[]>(`SELECT COUNT(*) AS count FROM ${from}`);
  return Number(rows[0]?.count);
}

/** Returns the part of a message before its explanation. */
const readSubject = (what: string) => what.split(/[:;,]/)[0];

async function readFacts(connection: Connection, name: string, full: boolean): Promise<TableFacts | undefined> {
  const query = async (sql: string) => (await connection.query<RowDataPacket[]>(sql, [name]))[0];
  const [table] = await query(
    "SELECT ENGINE AS engine FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
  );
  if (!table) return undefined;
  const columns = await query(
    `SELECT COLUMN_NAME AS name, COLUMN_TYPE AS type, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS standard, EXTRA AS extra,
        CHARACTER_SET_NAME AS charset, COLLATION_NAME AS collation, COLUMN_COMMENT AS comment
       FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`,
  );
  const keys = await query(
    `SELECT MAX(NON_UNIQUE) AS loose, GROUP_CONCAT(COLUMN_NAME SEPARATOR '\0') AS columns
       FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? GROUP BY INDEX_NAME`,
  );
  const indexed = new Set(keys.flatMap(({ columns }) => String(columns).split("\0")));
  const unique = keys.some(({ loose, columns }) => Number(loose) === 0 && String(columns).toLowerCase() === "lead_id");
  const triggers = await query(
    `SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS
      WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = ?`,
  );
  const doubled = `(SELECT 1 FROM ${quote(name)} GROUP BY lead_id HAVING COUNT(*) > 1 OR MAX(lead_id) IS NULL) AS d`;
  return {
    name,
    engine: String(table.engine),
    columns: columns.map((column) => ({
      name: String(column.name),
      type: String(column.type),
      nullable: column.nullable === "YES",
      // MariaDB reports a default as an expression, and NULL as the word.
      default: column.standard === null || column.standard === "NULL" ? null : String(column.standard),
      extra: String(column.extra),
      charset: column.charset === null ? null : String(column.charset),
      collation: column.collation === null ? null : String(column.collation),
      comment: String(column.comment),
      indexed: indexed.has(column.name),
    })) satisfies ColumnFacts[],
    unique,
    ...(unique ? { doubled: 0 } : full && { doubled: await count(connection, doubled) }),
    triggers: triggers.map((trigger) => String(trigger.name)),
  };
}
