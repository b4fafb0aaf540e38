import { sql } from "kysely";
import type { Host } from "../../host.ts";

/** Reads every row of every table except the keys, as text; only those of `account` if it is set. */
export async function readContents({ database }: Host, account?: string): Promise<string> {
  const db = database.tables();
  const tables = await db.introspection.getTables();
  const parts: string[] = [];
  for (const { name } of tables.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (name === "reinstate_keys" || /^(kysely|sqlite)_/.test(name)) continue;
    const rows = (await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(db)).rows;
    const own = account === undefined ? rows : rows.filter((row) => row.account === account);
    parts.push(name, ...own.map((row) => JSON.stringify(row)).sort());
  }
  return parts.join("\n");
}
