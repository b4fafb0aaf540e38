import { postgresDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { createTestHost } from "../testing/index.ts";
import { openDatabase } from "./open-database.ts";

test("creates its tables despite equal names in another schema", async () => {
  await using database = await postgresDatabase();
  const other = openDatabase(database.url);
  await sql`create schema other`.execute(other.tables());
  await sql`create table other.reinstate_migrations (id integer)`.execute(other.tables());
  await sql`create table other.reinstate_migration_lock (id integer)`.execute(other.tables());
  await other.close();
  for (const _ of ["first start", "second start"]) {
    await using host = await createTestHost({ databaseUrl: database.url });
    expect(await host.batches.list({ limit: 1 })).toEqual([]);
  }
});
