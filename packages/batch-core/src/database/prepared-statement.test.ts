import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { openDatabase } from "./open-database.ts";
import { statement } from "./prepared-statement.ts";

interface Tables {
  stored: { id: number; name: string | null };
}

describe.each(ledgerDatabases)("prepared statement on $name", ({ open }) => {
  async function begin() {
    const server = await open();
    const database = openDatabase(server.url);
    const db = database.tables<Tables>();
    await sql`create table stored (id integer primary key, name text)`.execute(db);
    return {
      database,
      insert: statement((row: { id: number; name: string | null }) => db.insertInto("stored").values(row), {
        awaited: false,
      }),
      rename: statement(
        ({ id, name }: { id: number; name: string }) =>
          db.updateTable("stored").set({ name }).where("id", "=", id).returning("id"),
        { byKey: true },
      ),
      rows: () => db.selectFrom("stored").selectAll().orderBy("id").execute(),
      async [Symbol.asyncDispose]() {
        await database.close();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  test("runs with any values, in a transaction and outside", async () => {
    await using stored = await begin();
    await stored.database.transaction(async (on) => {
      for (let id = 1; id <= 20; id++) await stored.insert(on, { id, name: id % 2 === 0 ? null : `n${id}` });
      expect((await stored.rename(on, { id: 2, name: "two" })).rows).toEqual([{ id: 2 }]);
    });
    expect((await stored.rename(stored.database.tables(), { id: 99, name: "none" })).rows).toEqual([]);
    const rows = await stored.rows();
    expect(rows).toHaveLength(20);
    expect(rows.slice(0, 4).map(({ name }) => name)).toEqual(["n1", "two", "n3", null]);
  });

  test("rolls its transaction back if it fails unawaited", async () => {
    await using stored = await begin();
    await stored.database.transaction((on) => stored.insert(on, { id: 1, name: "first" }));
    const twice = { id: 1, name: "again" };
    const first = { id: 2, name: "lost with it" };
    const unique = /unique|duplicate/i;
    // Once as the last statement of its transaction, and once followed by another.
    await expect(
      stored.database.transaction(async (on) => {
        await stored.insert(on, first);
        await stored.insert(on, twice);
      }),
    ).rejects.toThrow(unique);
    await expect(
      stored.database.transaction(async (on) => {
        await stored.insert(on, twice);
        await stored.rename(on, { id: 1, name: "renamed" });
      }),
    ).rejects.toThrow(unique);
    // The error of the work is reported, not that of the statement.
    await expect(
      stored.database.transaction(async (on) => {
        await stored.insert(on, first);
        throw new Error("changed my mind");
      }),
    ).rejects.toThrow("changed my mind");
    expect(await stored.rows()).toEqual([{ id: 1, name: "first" }]);
    // The connections still work.
    await Promise.all(
      [3, 4, 5].map((id) => stored.database.transaction((on) => stored.insert(on, { id, name: null }))),
    );
    expect(await stored.rows()).toHaveLength(4);
  });
});
