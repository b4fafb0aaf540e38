import { spawnSync } from "node:child_process";
import { basename } from "node:path";
import mysql from "mysql2/promise";
import pg from "pg";
import { expect, test } from "vitest";
import { dropAbandonedDatabases, mariadbDatabase, postgresDatabase } from "./databases.ts";

async function query(url: string, statement: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

test("gives each test a PostgreSQL database of its own", async () => {
  const opened = await Promise.all(Array.from({ length: 4 }, () => postgresDatabase()));
  expect(new Set(opened.map(({ url }) => url)).size).toBe(4);
  for (const { url } of opened) await query(url, "create table mine (id integer)");
  await Promise.all(opened.map((database) => database[Symbol.asyncDispose]()));
});

test("empties a PostgreSQL database before another test gets it", async () => {
  const seen = new Set<string>();
  // Other tests of the run take and release databases meanwhile, so go on until one comes back.
  for (let reused = false; !reused; ) {
    await using database = await postgresDatabase();
    const { url } = database;
    expect(
      await query(
        url,
        `select nspname from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
         union all select relname from pg_class where relnamespace = 'public'::regnamespace
         union all select extname from pg_extension where extname <> 'plpgsql'`,
      ),
    ).toEqual([]);
    await query(
      url,
      `create schema "other one"; create table "other one".rows (id integer);
       create table rows (id integer); create extension pg_trgm`,
    );
    reused = seen.has(basename(url));
    seen.add(basename(url));
  }
});

test("cuts the sessions that a test left open", async () => {
  const database = await postgresDatabase();
  const client = new pg.Client({ connectionString: database.url });
  const errors: Error[] = [];
  client.on("error", (error) => errors.push(error));
  await client.connect();
  await client.query("create table locked (id integer); begin; lock table locked");
  await database[Symbol.asyncDispose]();
  await expect.poll(() => errors.length, { timeout: 60_000 }).toBeGreaterThan(0);
});

test("drops the databases of a run whose process is gone, and keeps those of others", async () => {
  await using kept = await postgresDatabase();
  await using other = await mariadbDatabase();
  const { pid: gone } = spawnSync(process.execPath, ["--version"]);
  const abandon = (url: string) => basename(url).replace(/^(reinstate_test_[0-9a-f]+_)\d+/, `$1${gone}`);
  const onPostgres = abandon(kept.url);
  const onMariadb = abandon(other.url);
  const connection = await mysql.createConnection(other.url);
  const databases = async () => {
    const names = await query(kept.url, "select datname as name from pg_database");
    const [more] = await connection.query<mysql.RowDataPacket[]>(
      "select schema_name as name from information_schema.schemata",
    );
    return [...names, ...more].map(({ name }) => name);
  };
  await query(kept.url, `create database ${onPostgres}`);
  await connection.query(`create database ${onMariadb}`);
  expect(await databases()).toEqual(expect.arrayContaining([onPostgres, onMariadb]));
  await dropAbandonedDatabases();
  const left = await databases();
  expect(left).not.toContain(onPostgres);
  expect(left).not.toContain(onMariadb);
  expect(left).toEqual(expect.arrayContaining([basename(kept.url), basename(other.url)]));
  await connection.end();
});
