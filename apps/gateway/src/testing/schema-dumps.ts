import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import type { Database } from "@reinstate/batch-core";
import { sql } from "kysely";
import pg from "pg";

// Databases as released versions left them: a compressed file of SQLite, and the statements of a dump of PostgreSQL.

const folder = fileURLToPath(new URL("released/", import.meta.url));

const extensions = { sqlite: "db.gz", postgres: "sql" } as const;

/** A database of one version of a package, with a batch that is half done. */
export interface Dump {
  /** Folder name of the package. */
  name: string;
  version: string;
  dialect: "sqlite" | "postgres";
}

const toPath = ({ name, version, dialect }: Dump) => join(folder, `${name}-${version}.${extensions[dialect]}`);

const sqlitePath = (url: string) => url.slice("sqlite:".length);

/** Lists the stored dumps. */
export function listDumps(): Dump[] {
  return readdirSync(folder).map((file) => {
    const [, name = "", version = "", extension] = /^([a-z-]+)-(\d[\w.-]*?)\.(db\.gz|sql)$/.exec(file) ?? [];
    return { name, version, dialect: extension === "sql" ? "postgres" : "sqlite" };
  });
}

/** Stores a database as it is, while it is in use. */
export function writeDump(dump: Dump, url: string, temporary: string): void {
  if (dump.dialect === "postgres") {
    const options = ["--inserts", "--no-owner", "--no-privileges", "--no-comments"];
    const text = execFileSync("pg_dump", [...options, url], { encoding: "utf8" });
    // Comments name versions of programs, and commands of psql are no statements.
    const lines = text.split("\n").filter((line) => line !== "" && !/^(--|\\|SET )/.test(line));
    writeFileSync(toPath(dump), `${lines.join("\n")}\n`);
    return;
  }
  const copy = join(temporary, `${dump.name}.db`);
  const file = new DatabaseSync(sqlitePath(url));
  file.prepare("vacuum into ?").run(copy);
  file.close();
  writeFileSync(toPath(dump), gzipSync(readFileSync(copy), { level: 9 }));
}

/** Fills an empty database with a dump. */
export async function loadDump(dump: Dump, url: string): Promise<void> {
  const stored = readFileSync(toPath(dump));
  if (dump.dialect === "sqlite") return writeFileSync(sqlitePath(url), gunzipSync(stored));
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(stored.toString());
  } finally {
    await client.end();
  }
}

/** Returns what the tables of a database are made of, one line for each column and index, in order. */
export async function describeTables({ dialect, tables }: Database): Promise<string[]> {
  const query =
    dialect === "sqlite"
      ? sql<{ line: string }>`
        select concat_ws(' ', m.name, c.name, c.type, c."notnull", c.dflt_value, c.pk) as line
        from sqlite_schema as m, pragma_table_info(m.name) as c where m.type = 'table'
        union all select concat_ws(' ', type, name, sql) from sqlite_schema where type <> 'table' order by line`
      : sql<{ line: string }>`
        select concat_ws(' ', table_name, column_name, data_type, collation_name, is_nullable, column_default) as line
        from information_schema.columns where table_schema = 'public'
        union all select indexdef from pg_indexes where schemaname = 'public'
        union all select concat_ws(' ', event_object_table, trigger_name, event_manipulation) from information_schema.triggers
        order by line`;
  return (await query.execute(tables())).rows.map(({ line }) => line);
}
