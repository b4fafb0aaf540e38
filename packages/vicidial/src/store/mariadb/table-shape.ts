import type { Connection, RowDataPacket } from "mysql2/promise";
import { MoveRefused } from "../../leads/move-errors.ts";
import { archive, live } from "./names.ts";
import type { StatementResult } from "./query.ts";

export interface Column {
  name: string;
  /** `varchar`. */
  type: string;
  /** `varchar(50)`. */
  definition: string;
  nullable: boolean;
  generated: boolean;
  /** Of a text. */
  charset: string | null;
  /** Digits after the second, of a time. */
  precision: number;
  /** True if the server refuses a new row that names no value for it. */
  required: boolean;
}

export interface Table {
  name: string;
  engine: string;
  columns: Column[];
  /** The unique key on lead_id. */
  key: string;
}

/** Shows both tables as the server would create them: a quick way to see that neither was altered. */
export const showTables = [`SHOW CREATE TABLE ${live}`, `SHOW CREATE TABLE ${archive}`] as const;

/** What `showTables` gave, as one text. */
export function toFingerprint(shown: readonly StatementResult[]): string {
  // The next number is no part of the shape, and changes with every new lead.
  return shown.map(({ rows }) => String(rows[0]?.[1]).replace(/ AUTO_INCREMENT=\d+/, "")).join("\n");
}

type Keyless = Omit<Table, "key">;

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

/** An ENUM without a default takes its first word, and an AUTO_INCREMENT its next number. */
export const needsValue = ({ nullable, standard, type, extra }: Record<string, unknown>) =>
  nullable === "NO" &&
  standard === null &&
  !/^enum\b/i.test(String(type)) &&
  !/GENERATED|auto_increment/i.test(String(extra));

export function findTable(tables: Keyless[], name: string): Keyless {
  const table = tables.find((table) => table.name === name);
  if (!table) throw new MoveRefused(`The VICIdial database has no table ${name}`);
  if (!["innodb", "myisam", "aria"].includes(table.engine.toLowerCase())) {
    throw new MoveRefused(`${name} is ${table.engine}: leads are moved only between InnoDB, MyISAM and Aria tables`);
  }
  return table;
}

/** The unique keys on lead_id alone, the primary ones first. */
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

export function withKey(table: Keyless, keys: { table: string; key: string }[]): Table {
  const found = keys.find((one) => one.table === table.name);
  if (found) return { ...table, key: found.key };
  throw new MoveRefused(`${table.name} has no unique key on lead_id: a lead could lie in it twice`);
}

/** Names the triggers on both tables. Each is asked for by its own name: for a list the server opens every table there is. */
export const findTriggers = [live, archive]
  .map(
    (name) => `SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS
  WHERE EVENT_OBJECT_SCHEMA = DATABASE() AND EVENT_OBJECT_TABLE = '${name}'`,
  )
  .join(" UNION ALL ");

/** A trigger can be made at any time without the tables' shape being altered. */
export function refuseTriggers({ rows }: StatementResult): void {
  const [trigger] = rows;
  if (trigger) throw new MoveRefused(`${trigger[0]} has the trigger ${trigger[1]}, which could change what is moved`);
}
