import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { openDatabase } from "./open-database.ts";
import { statement } from "./prepared-statement.ts";

interface Tables {
  kept: { id: number; name: string | null };
}

describe.each(ledgerDatabases)("prepared statement on $name", ({ open }) => {
  async function begin() {
    const server = await open();
    const database = openDatabase(server.url);
    const db = database.tables<Tables>();
    await sql`create table kept (id integer primary key, name text)`.execute(db);
    return {
      database,
      insert: statement((row: { id: number; name: string | null }) => db.insertInto("kept").values(row), {
        awaited: false,
      }),
      rename: statement(
        ({ id, name }: { id: number; name: string }) =>
          db.updateTable("kept").set({ name }).where("id", "=", id).returning("id"),
        { byKey: true },
      ),
      rows: () => db.selectFrom("kept").selectAll().orderBy("id").execute(),
      async [Symbol.asyncDispose]() {
        await database.close();
        await server[Symbol.asyncDispose]();
      },
    };
  }

  test("runs with any values, in a transaction and outside", async () => {
    await using kept = await begin();
    await kept.database.transaction(async (on) => {
      for (let id = 1; id <= 20; id++) await kept.insert(on, { id, name: id % 2 === 0 ? null : `n${id}` });
      expect((await kept.rename(on, { id: 2, name: "two" })).rows).toEqual([{ id: 2 }]);
    });
    expect((await kept.rename(kept.database.tables(), { id: 99, name: "none" })).rows).toEqual([]);
    const rows = await kept.rows();
    expect(rows).toHaveLength(20);
    expect(rows.slice(0, 4).map(({ name }) => name)).toEqual(["n1", "two", "n3", null]);
  });

  test("rolls its transaction back if it fails unawaited", async () => {
    await using kept = await begin();
    await kept.database.transaction((on) => kept.insert(on, { id: 1, name: "first" }));
    const twice = { id: 1, name: "again" };
    const first = { id: 2, name: "lost with it" };
    const unique = /unique|duplicate/i;
    // Once as the last statement of its transaction, and once followed by another.
    await expect(
      kept.database.transaction(async (on) => {
        await kept.insert(on, first);
        await kept.insert(on, twice);
      }),
    ).rejects.toThrow(unique);
    await expect(
      kept.database.transaction(async (on) => {
        await kept.insert(on, twice);
        await kept.rename(on, { id: 1, name: "renamed" });
      }),
    ).rejects.toThrow(unique);
    // The error of the work is reported, not that of the statement.
    await expect(
      kept.database.transaction(async (on) => {
        await kept.insert(on, first);
        throw new Error("changed my mind");
      }),
    ).rejects.toThrow("changed my mind");
    expect(await kept.rows()).toEqual([{ id: 1, name: "first" }]);
    // The connections still work.
    await Promise.all([3, 4, 5].map((id) => kept.database.transaction((on) => kept.insert(on, { id, name: null }))));
    expect(await kept.rows()).toHaveLength(4);
  });
});
