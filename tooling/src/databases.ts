import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mysql from "mysql2/promise";
import pg from "pg";

/** A database of one test's own, dropped at the end of its `await using` block. */
export interface TestDatabase extends AsyncDisposable {
  url: string;
}

// Set by the global set-up of the test run, which found or started the servers.
function serverUrl(variable: string): URL {
  const url = process.env[variable];
  if (!url) throw new Error(`${variable} is not set: run the tests through vitest, which finds the servers`);
  return new URL(url);
}

const newName = () => `reinstate_test_${process.pid}_${randomBytes(5).toString("hex")}`;

export async function postgresDatabase(): Promise<TestDatabase> {
  const server = serverUrl("TEST_POSTGRES_URL");
  const name = newName();
  await onPostgres(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    [Symbol.asyncDispose]: () => onPostgres(server, `drop database if exists ${name} with (force)`),
  };
}

/** An empty MariaDB database; `charset` as `create database` takes it. */
export async function mariadbDatabase(charset = "utf8mb3"): Promise<TestDatabase> {
  const server = serverUrl("TEST_MARIADB_URL");
  const name = newName();
  await onMariadb(server, `create database ${name} default character set ${charset}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, [Symbol.asyncDispose]: () => onMariadb(server, `drop database if exists ${name}`) };
}

/** A SQLite file in a folder of its own. */
export function sqliteDatabase(): TestDatabase & { folder: string } {
  const folder = mkdtempSync(join(tmpdir(), "reinstate-test-"));
  return {
    folder,
    url: `sqlite:${join(folder, "reinstate.db")}`,
    [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The two databases that the ledger and the vendors' records can lie in, for `describe.each`. */
export const ledgerDatabases: { name: string; open(): Promise<TestDatabase> }[] = [
  { name: "SQLite", open: async () => sqliteDatabase() },
  { name: "PostgreSQL", open: postgresDatabase },
];

async function onPostgres(server: URL, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server.href });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

async function onMariadb(server: URL, statement: string): Promise<void> {
  const connection = await mysql.createConnection({ uri: server.href });
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
}
