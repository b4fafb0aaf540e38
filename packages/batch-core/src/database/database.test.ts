import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import type { LedgerTransaction } from "./database.ts";
import { openDatabase } from "./open-database.ts";
import { statement } from "./prepared-statement.ts";

describe.each(ledgerDatabases)("database on $name", ({ open }) => {
  async function begin() {
    const server = await open();
    const database = openDatabase(server.url);
    return {
      database,
      async [Symbol.asyncDispose]() {
        await database.close();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  test("returns rows with a prototype", async () => {
    await using opened = await begin();
    const db = opened.database.tables<{ stored: { id: number } }>();
    await sql`create table stored (id integer primary key)`.execute(db);
    await db.insertInto("stored").values({ id: 1 }).execute();
    const find = statement(({ id }: { id: number }) => db.selectFrom("stored").selectAll().where("id", "=", id));
    const read = await db.selectFrom("stored").selectAll().execute();
    const found = (await find(db, { id: 1 })).rows;
    for (const [row] of [read, found]) {
      expect(row).toStrictEqual({ id: 1 });
      expect(String(row)).toBe("[object Object]");
    }
  });

  test.each(["", "Zendesk", "zen-desk", "1st", "a b", 'a"b', "zendesk;"])(
    "rejects migrations of the scope %j",
    async (scope) => {
      await using opened = await begin();
      await expect(opened.database.migrate(scope, {})).rejects.toThrow(
        `Invalid migration scope ${JSON.stringify(scope)}; use lower case letters, digits and underscores`,
      );
    },
  );

  test("migrates the tables of a scope", async () => {
    await using opened = await begin();
    const migrations = {
      async "0001_kept"(db: LedgerTransaction) {
        await sql`create table stored (id integer primary key)`.execute(db);
      },
    };
    for (let start = 0; start < 2; start++) await opened.database.migrate("zendesk_2", migrations);
    expect(
      await opened.database.tables<{ stored: { id: number } }>().selectFrom("stored").selectAll().execute(),
    ).toEqual([]);
  });

  test("rejects tables of a newer version and leaves them unchanged", async () => {
    await using opened = await begin();
    const create = (table: string) => async (db: LedgerTransaction) => {
      await sql`create table ${sql.table(table)} (id integer primary key)`.execute(db);
    };
    const older = { "0001_kept": create("stored") };
    const { database } = opened;
    await database.migrate("zendesk", { ...older, "0002_later": create("later") });
    await expect(database.migrate("zendesk", { ...older, "0003_mine": create("mine") })).rejects.toMatchObject({
      code: "bad_setting",
      message:
        "The tables of zendesk belong to a newer version (migration 0002_later); start that version, or restore the backup from before the upgrade",
    });
    await expect(sql`select id from mine`.execute(database.tables())).rejects.toThrow("mine");
  });

  test("throws the error of a migration that fails", async () => {
    await using opened = await begin();
    const fail = async () => {
      throw new Error("no room");
    };
    await expect(opened.database.migrate("zendesk", { "0001_kept": fail })).rejects.toThrow("no room");
  });
});
