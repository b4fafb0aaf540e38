import type { Connection, RowDataPacket } from "mysql2/promise";
import { MoveRefused } from "../../leads/move-errors.ts";
import { archive, live } from "./names.ts";
import type { StatementResult } from "./query.ts";

export interface Column {
  name: string;
  /** The base type, as `varchar`. */
  type: string;
  /** The full type, as `varchar(50)`. */
  definition: string;
  nullable: boolean;
  generated: boolean;
  /** The character set of a text column. */
  charset: string | null;
  /** The fractional digits of a time column. */
  precision: number;
  /** True if an insert must name a value for it. */
  required: boolean;
}

export interface Table {
  name: string;
  engine: string;
  columns: Column[];
  /** The name of the unique key on lead_id. */
  key: string;
}

/** Selects the definitions of both tables. Comparing them is a cheap way to detect an ALTER. */
export const showTables = [`SHOW CREATE TABLE ${live}`, `SHOW CREATE TABLE ${archive}`] as const;

/** Joins the results of `showTables` into one text. */
export function toFingerprint(shown: readonly StatementResult[]): string {
  // AUTO_INCREMENT is not part of the shape, and changes with every new lead.
  return shown.map(({ rows }) => String(rows[0]?.[1]).replace(/ AUTO_INCREMENT=\d+/, "")).join("\n");
}

type Keyless = Omit<Table, "key">;

/** Returns the lead tables that exist, without their keys. */
export async function readTables(connection: Connection): Promise<Keyless[]> {
  const [tables] = await connection.query<RowDataPacket[]>(
    `SELECT TABLE_NAME AS name, ENGINE AS engine, TABLE_TYPE AS type FROM information_schema.TABLES
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?, ?)`,
    [live, archive],
  );
  const columns = await readColumns(connection, [live, archive]);
  return tables.map(({ name, engine, type }) => ({
    name,
    engine: String(engine ?? type),
    columns: columns.get(name) ?? [],
  }));
}

/** Returns the columns of each of the tables that exists. */
export async function readColumns(connection: Connection, tables: readonly string[]): Promise<Map<string, Column[]>> {
  const [columns] = await connection.query<RowDataPacket[]>(
    `SELECT TABLE_NAME AS tableName, COLUMN_NAME AS name, DATA_TYPE AS type, COLUMN_TYPE AS definition, IS_NULLABLE AS nullable, EXTRA AS extra,
        CHARACTER_SET_NAME AS charset, DATETIME_PRECISION AS digits, COLUMN_DEFAULT AS standard
       FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?)
      ORDER BY ORDINAL_POSITION`,
    [tables],
  );
  const found = new Map<string, Column[]>();
  for (const column of columns) {
    const known = found.get(column.tableName) ?? [];
    found.set(column.tableName, known);
    known.push({
      name: column.name,
      type: String(column.type).toLowerCase(),
      definition: String(column.definition),
      nullable: column.nullable === "YES",
      generated: /GENERATED/i.test(column.extra),
      charset: column.charset,
      precision: Number(column.digits ?? 0),
      required: needsValue(column),
    });
  }
  return found;
}

/** True if an insert must name a value. An ENUM without a default takes its first word, an AUTO_INCREMENT its next number. */
export const needsValue = ({ nullable, standard, type, extra }: Record<string, unknown>) =>
  nullable === "NO" &&
  standard === null &&
  !/^enum\b/i.test(String(type)) &&
  !/GENERATED|auto_increment/i.test(String(extra));

/**
 * Returns the table of this name.
 *
 * @throws MoveRefused if the table does not exist or has another engine than InnoDB, MyISAM or Aria.
 */
export function findTable(tables: Keyless[], name: string): Keyless {
  const table = tables.find((table) => table.name === name);
  if (!table) throw new MoveRefused(`The VICIdial database has no table ${name}`);
  if (!["innodb", "myisam", "aria"].includes(table.engine.toLowerCase())) {
    throw new MoveRefused(
      `${name} uses the engine ${table.engine}; leads are moved only between InnoDB, MyISAM and Aria tables`,
    );
  }
  return table;
}

/** Returns the unique keys on lead_id alone, primary keys first. */
export async function readKeys(connection: Connection): Promise<{ table: string; key: string }[]> {
  const [keys] = await connection.query<RowDataPacket[]>(
    `SELECT TABLE_NAME AS tableName, INDEX_NAME AS indexName FROM information_schema.STATISTICS
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN (?, ?) AND NON_UNIQUE = 0
      GROUP BY TABLE_NAME, INDEX_NAME HAVING COUNT(*) = 1 AND LOWER(MAX(COLUMN_NAME)) = 'lead_id'
      ORDER BY INDEX_NAME <> 'PRIMARY'`,
    [live, archive],
  );
  return keys.map(({ tableName, indexName }) => ({ table: tableName, key: indexName }));
}

/**
 * Adds the unique key on lead_id to a table.
 *
 * @throws MoveRefused if there is none.
 */
export function withKey(table: Keyless, keys: { table: string; key: string }[]): Table {
  const found = keys.find((one) => one.table === table.name);
  if (found) return { ...table, key: found.key };
  throw new MoveRefused(`${table.name} has no unique key on lead_id; without one it could hold a lead twice`);
}

/** Selects the triggers on both tables. One query per table name: with IN, the server opens every table of the schema. */
export const findTriggers = [live, archive]
  .map(
    (name) => `SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS
  WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = '${name}'`,
  )
  .join(" UNION ALL ");

/**
 * Refuses tables with a trigger. A new trigger does not change the fingerprint, so every move checks for one.
 *
 * @throws MoveRefused
 */
export function refuseTriggers({ rows }: StatementResult): void {
  const [trigger] = rows;
  if (trigger) throw new MoveRefused(`${trigger[0]} has the trigger ${trigger[1]}, which could change moved leads`);
}
