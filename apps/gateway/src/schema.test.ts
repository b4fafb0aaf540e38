import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openDatabase } from "@reinstate/batch-core";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { openDemoGateway } from "./testing/demo-gateway.ts";

const page = readFileSync(
  fileURLToPath(new URL("../../../docs/reference/database-schema.md", import.meta.url)),
  "utf8",
);
const [tablesPart = "", internalPart = ""] = page.split("## Internal tables");

/** Returns the names in the first cell of each row of a table. */
const readFirstCells = (text: string) =>
  [...text.matchAll(/^\| (`.+?`) \|/gm)].flatMap(([, cell = ""]) => cell.replaceAll("`", "").split(", "));

const documented = Object.fromEntries(
  tablesPart
    .split(/^### /m)
    .slice(1)
    .map((section) => [/^`(\w+)`/.exec(section)?.[1] ?? "", readFirstCells(section).sort()]),
);
const internal = readFirstCells(internalPart).map((name) => new RegExp(`^${name.replace("*", ".*")}$`));

const columnsQueries = {
  sqlite: sql<{ table: string; name: string }>`
    select m.name as "table", c.name from sqlite_schema as m, pragma_table_info(m.name) as c where m.type = 'table'`,
  postgres: sql<{ table: string; name: string }>`
    select table_name as "table", column_name as name from information_schema.columns where table_schema = 'public'`,
};

/** Returns the columns of each table after the migrations of all vendors, with demo tables and with a real VICIdial database. */
async function readMigrated(url: string): Promise<Record<string, string[]>> {
  const runs: Record<string, string>[] = [
    {},
    { REINSTATE_DEMO: "false", REINSTATE_VICIDIAL_URL: "mysql://cron@127.0.0.1:1/asterisk" },
  ];
  for (const settings of runs) {
    await using _ = await openDemoGateway(url, { REINSTATE_ENGINE: "in-process", ...settings });
  }
  const database = openDatabase(url);
  const { rows } = await columnsQueries[database.dialect].execute(database.tables());
  await database.close();
  const columns = Map.groupBy(rows, ({ table }) => table);
  return Object.fromEntries([...columns].map(([table, rows]) => [table, rows.map(({ name }) => name).sort()]));
}

describe.each(ledgerDatabases)("the page of database tables on $name", ({ open }) => {
  test("has every table with its columns", async () => {
    await using server = await open();
    const migrated = await readMigrated(server.url);
    const own = Object.entries(migrated).filter(([name]) => !internal.some((pattern) => pattern.test(name)));
    expect(Object.fromEntries(own)).toEqual(documented);
  });
});
