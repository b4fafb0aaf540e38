import type { Connection, RowDataPacket } from "mysql2/promise";
import { type ColumnFacts, examine, type Finding, type TableFacts } from "../doctor.ts";
import { isCollision } from "../rules.ts";
import { observe } from "./mariadb-rows.ts";
import { archive, live, preflight } from "./mariadb-tables.ts";

export interface Diagnosis {
  findings: Finding[];
  /** Leads that lie in both tables; undefined where the tables cannot be compared. */
  twins?: { equal: number; differing: number; collisions: number };
}

/** Twins that are compared column by column at once. */
const page = 1000;

/** Examines both lead tables. Reads only; on big tables the twins take a while, a page at a time. */
export async function diagnose(connection: Connection): Promise<Diagnosis> {
  const findings = examine(await factsOf(connection, live), await factsOf(connection, archive));
  let plan: Awaited<ReturnType<typeof preflight>>;
  try {
    plan = await preflight(connection);
  } catch {
    return { findings };
  }
  const statements = plan.verbs.dearchive;
  const twins = { equal: 0, differing: 0, collisions: 0 };
  for (let after = -1; ; ) {
    const [rows] = await connection.query<RowDataPacket[]>(
      `SELECT a.lead_id FROM ${archive} AS a JOIN ${live} AS l ON l.lead_id = a.lead_id
        WHERE a.lead_id > ? ORDER BY a.lead_id LIMIT ?`,
      [after, page],
    );
    const ids = rows.map((row) => Number(row.lead_id));
    if (ids.length === 0) break;
    for (const { differs } of (await observe(connection, statements, ids)).values()) {
      if (differs.length === 0) twins.equal++;
      else if (isCollision({ differs })) twins.collisions++;
      else twins.differing++;
    }
    after = ids.at(-1) as number;
  }
  const told: [number, string][] = [
    [twins.equal, "leads lie in both tables and are equal: a dearchive or an archive finishes them"],
    [twins.differing, "leads lie in both tables and differ: both copies are kept until somebody decides"],
    [twins.collisions, "ids stand for another lead in each table: the id was given out again"],
  ];
  for (const [count, what] of told) if (count > 0) findings.push({ severity: "risk", what: `${count} ${what}` });
  return { findings, twins };
}

async function factsOf(connection: Connection, name: string): Promise<TableFacts | undefined> {
  const query = async (sql: string) => (await connection.query<RowDataPacket[]>(sql, [name]))[0];
  const [table] = await query(
    "SELECT ENGINE AS engine FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ?",
  );
  if (!table) return undefined;
  const columns = await query(
    `SELECT COLUMN_NAME AS name, COLUMN_TYPE AS type, IS_NULLABLE AS nullable, COLUMN_DEFAULT AS standard, EXTRA AS extra,
        CHARACTER_SET_NAME AS charset, COLLATION_NAME AS collation
       FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`,
  );
  const keys = await query(
    `SELECT 1 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND NON_UNIQUE = 0
      GROUP BY INDEX_NAME HAVING COUNT(*) = 1 AND LOWER(MAX(COLUMN_NAME)) = 'lead_id'`,
  );
  const triggers = await query(
    `SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS
      WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = ?`,
  );
  const doubled =
    keys.length > 0
      ? []
      : (
          await connection.query<RowDataPacket[]>(
            `SELECT COUNT(*) AS count FROM (SELECT lead_id FROM \`${name}\` GROUP BY lead_id HAVING COUNT(*) > 1) AS d`,
          )
        )[0];
  return {
    name,
    engine: String(table.engine),
    columns: columns.map((column) => ({
      name: String(column.name),
      type: String(column.type),
      nullable: column.nullable === "YES",
      // MariaDB tells a default as an expression, and NULL as the word.
      default: column.standard === null || column.standard === "NULL" ? null : String(column.standard),
      extra: String(column.extra),
      charset: column.charset === null ? null : String(column.charset),
      collation: column.collation === null ? null : String(column.collation),
    })) satisfies ColumnFacts[],
    unique: keys.length > 0,
    doubled: Number(doubled[0]?.count ?? 0),
    triggers: triggers.map((trigger) => String(trigger.name)),
  };
}
