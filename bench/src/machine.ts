import { arch, availableParallelism, cpus, totalmem, type } from "node:os";
import { DatabaseSync } from "node:sqlite";
import mysql, { type RowDataPacket } from "mysql2/promise";
import pg from "pg";

/** Describes the machine and the versions of a run, without names of hosts. */
export async function describeMachine(postgresUrl: string, mariadbUrl: string): Promise<[string, string][]> {
  const postgres = new pg.Client({ connectionString: postgresUrl });
  await postgres.connect();
  const { rows } = await postgres.query<{ server_version: string }>("show server_version");
  await postgres.end();
  const mariadb = await mysql.createConnection({ uri: mariadbUrl });
  const [versions] = await mariadb.query<RowDataPacket[]>("SELECT VERSION() AS version");
  await mariadb.end();
  const sqlite = new DatabaseSync(":memory:").prepare("select sqlite_version() as version").get();
  return [
    ["machine", `${type()} ${arch()}, ${availableParallelism()} cores (${cpus()[0]?.model ?? "unknown"})`],
    ["memory", `${Math.round(totalmem() / 1024 ** 3)} GiB`],
    ["Node", process.version],
    ["SQLite", String(sqlite?.version)],
    ["PostgreSQL", rows[0]?.server_version ?? "unknown"],
    ["MariaDB", String(versions[0]?.version)],
  ];
}
