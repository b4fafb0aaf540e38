import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import mysql from "mysql2/promise";
import pg from "pg";
import { isAlive } from "./launchers.ts";
import { makeFolder, runFolder, runName } from "./run-folder.ts";

/** A database of one test's own, empty at first and released at the end of its `await using` block. */
export interface TestDatabase extends AsyncDisposable {
  url: string;
}

// Set by the global set-up of the test run, which found or started the servers.
function serverUrl(variable: string): URL {
  const url = process.env[variable];
  if (!url) throw new Error(`${variable} is not set: run the tests through vitest, which finds the servers`);
  return new URL(url);
}

/** The start of the names of all databases that this machine's test runs make: another machine may use the same server. */
const machinePrefix = `reinstate_test_${createHash("sha256").update(hostname()).digest("hex").slice(0, 6)}_`;

/** The part of a database's name by which the end of a run finds what it made. The id of the run's process comes first. */
const runPrefix = () => `${machinePrefix}${runName().replace(/\W+/g, "_").toLowerCase()}_`;

const newName = () => `${runPrefix()}${process.pid}_${randomBytes(5).toString("hex")}`;

const withName = (server: URL, name: string) => Object.assign(new URL(server), { pathname: `/${name}` });

/** An empty PostgreSQL database. A test run empties and reuses databases, because dropping one waits for a checkpoint. */
export async function postgresDatabase(): Promise<TestDatabase> {
  const server = serverUrl("TEST_POSTGRES_URL");
  const name = claimFree() ?? (await createOnPostgres(server));
  return {
    url: withName(server, name).href,
    [Symbol.asyncDispose]: () => releaseOnPostgres(server, name),
  };
}

/** An empty MariaDB database; `charset` as `create database` takes it. */
export async function mariadbDatabase(charset = "utf8mb3"): Promise<TestDatabase> {
  const server = serverUrl("TEST_MARIADB_URL");
  const name = newName();
  await onMariadb(server, (connection) => connection.query(`create database ${name} default character set ${charset}`));
  return {
    url: withName(server, name).href,
    [Symbol.asyncDispose]: () => onMariadb(server, (connection) => connection.query(`drop database if exists ${name}`)),
  };
}

/** A SQLite file in a folder of its own. */
export function sqliteDatabase(): TestDatabase & { folder: string } {
  const folder = makeFolder("reinstate-test-");
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

/** Drops every database that the test run made. */
export const dropRunDatabases = (): Promise<void> => dropDatabases((name) => name.startsWith(runPrefix()));

/** Drops the databases of test runs of this machine that were killed before they could. */
export const dropAbandonedDatabases = (): Promise<void> =>
  dropDatabases((name) => {
    const [pid] = name.slice(machinePrefix.length).split("_");
    return name.startsWith(machinePrefix) && !isAlive(Number(pid));
  });

async function dropDatabases(isDue: (name: string) => boolean): Promise<void> {
  await Promise.all([
    onPostgres(serverUrl("TEST_POSTGRES_URL"), async (client) => {
      const { rows } = await client.query<{ datname: string }>("select datname from pg_database");
      for (const { datname } of rows.filter(({ datname }) => isDue(datname))) {
        await client.query(`drop database if exists ${datname} with (force)`);
      }
    }),
    onMariadb(serverUrl("TEST_MARIADB_URL"), async (connection) => {
      const [rows] = await connection.query<mysql.RowDataPacket[]>(
        "select schema_name as name from information_schema.schemata",
      );
      for (const { name } of rows.filter(({ name }) => isDue(name)))
        await connection.query(`drop database if exists ${name}`);
    }),
  ]);
}

async function createOnPostgres(server: URL): Promise<string> {
  const name = newName();
  await onPostgres(server, async (client) => {
    await client.query(`create database ${name}`);
    // No test cuts the power, so in a run no commit needs to wait for the disk. A benchmark, outside of a run, does wait.
    if (runFolder()) await client.query(`alter database ${name} set synchronous_commit = off`);
  });
  return name;
}

async function releaseOnPostgres(server: URL, name: string): Promise<void> {
  if (runFolder() && (await empty(withName(server, name)))) return offerFree(name);
  await onPostgres(server, (client) => client.query(`drop database if exists ${name} with (force)`));
}

/** Ends all sessions of a database and drops all that is in it. Returns whether that worked. */
async function empty(database: URL): Promise<boolean> {
  try {
    await onPostgres(database, async (client) => {
      await client.query(`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`);
      const { rows } = await client.query<{ schema: string }>(
        "select quote_ident(nspname) as schema from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'",
      );
      await client.query(`drop schema ${rows.map(({ schema }) => schema).join(", ")} cascade; create schema public`);
    });
    return true;
  } catch {
    return false;
  }
}

// The free databases of a run are files in its folder: whichever process removes one has claimed the database of that name.
const freeFolder = () => join(runFolder() ?? "", "free");

function offerFree(name: string): void {
  mkdirSync(freeFolder(), { recursive: true });
  writeFileSync(join(freeFolder(), name), "");
}

function claimFree(): string | undefined {
  if (!runFolder()) return undefined;
  mkdirSync(freeFolder(), { recursive: true });
  return readdirSync(freeFolder()).find((name) => {
    try {
      unlinkSync(join(freeFolder(), name));
      return true;
    } catch {
      return false;
    }
  });
}

async function onPostgres(server: URL, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: server.href });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

async function onMariadb(server: URL, work: (connection: mysql.Connection) => Promise<unknown>): Promise<void> {
  const connection = await mysql.createConnection({ uri: server.href });
  try {
    await work(connection);
  } finally {
    await connection.end();
  }
}
