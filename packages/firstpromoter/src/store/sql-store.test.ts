import { inAccount, isUnflagged, openDatabase } from "@reinstate/batch-core";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { makePromoter, promoterStoreContract } from "../testing.ts";
import { createTrigramIndexes, selectAll } from "./search-postgres.ts";
import { createSqlStore } from "./sql-store.ts";
import type { PromoterQuery, PromoterStore } from "./store.ts";

describe.each(ledgerDatabases)("the promoter store on $name", ({ open }) => {
  async function parts() {
    const file = await open();
    const database = openDatabase(file.url);
    const store = await createSqlStore(database);
    return {
      database,
      store,
      transaction: database.transaction,
      async [Symbol.asyncDispose]() {
        await database.close();
        await file[Symbol.asyncDispose]();
      },
    };
  }

  for (const { name, check } of promoterStoreContract) {
    test(name, async () => {
      await using under = await parts();
      await check(under);
    });
  }

  test("reads a list from an index without a sort", async () => {
    await using under = await parts();
    const { store, database } = under;
    await store.create(
      "a",
      Array.from({ length: 3_000 }, (_, index) => makePromoter({ archived_at: index % 2 ? 1 : null })),
      1,
    );
    const explain = database.dialect === "sqlite" ? sql`explain query plan` : sql`explain`;
    if (database.dialect === "postgres") await sql`analyze firstpromoter_promoters`.execute(database.tables());
    for (const where of [sql`archived_at is null`, sql`archived_at is not null`]) {
      const { rows } = await sql`${explain} select id from firstpromoter_promoters
        where account = ${"a"} and ${where} order by id desc limit 20`.execute(database.tables());
      const plan = JSON.stringify(rows);
      expect(plan).toMatch(/firstpromoter_promoters_(live|archived)|firstpromoter_promoters_pkey/);
      expect(plan).not.toMatch(/TEMP B-TREE|Sort/);
    }
  });

  test("reads a set by its ids despite misleading statistics", async () => {
    await using under = await parts();
    const { store, database, transaction } = under;
    const all = Array.from({ length: 3_000 }, () => makePromoter({ archived_at: 1 }));
    const ids = await store.create("a", all, 1);
    if (database.dialect === "postgres") await sql`analyze firstpromoter_promoters`.execute(database.tables());
    await transaction((t) => store.restore("a", ids, 2, t));
    const explain = database.dialect === "sqlite" ? sql`explain query plan` : sql`explain`;
    const isLive = isUnflagged(database, "archived_at");
    for (const where of [isLive, sql`not (${isLive})`]) {
      const { rows } = await sql`${explain} update firstpromoter_promoters set archived_at = 1
        where ${inAccount(database, "a")} and ${where} and ${database.anyOf("id", ids.slice(0, 100))}`.execute(
        database.tables(),
      );
      expect(JSON.stringify(rows)).toMatch(/INTEGER PRIMARY KEY|firstpromoter_promoters_pkey/);
    }
  });

  test("finds one or two characters anywhere, also at the end", async () => {
    await using under = await parts();
    const names = ["Foxq", "Quay", "Ixqu"].map((last_name) => makePromoter({ profile: { last_name } }));
    const [end, begin, middle] = (await under.store.create("a", names, 1)) as [number, number, number];
    await under.store.create(
      "a",
      Array.from({ length: 600 }, () => makePromoter()),
      1,
    );
    const ids = async (q: string) =>
      (await under.store.list("a", { q, sorting: [], limit: 9, offset: 0 })).map(({ id }) => id);
    expect(await ids("xq")).toEqual([middle, end]);
    expect(await ids("Q")).toEqual([middle, begin, end]);
    expect(await ids("~")).toEqual([]);
  });

  test("reads q and custom fields by trigrams on PostgreSQL", async () => {
    await using under = await parts();
    const { store, database } = under;
    if (database.dialect === "sqlite") return;
    const db = database.tables();
    const { rows: available } = await sql`select 1 from pg_available_extensions where name = 'pg_trgm'`.execute(db);
    if (available.length === 0)
      throw new Error("this test wants a PostgreSQL with its extension pg_trgm (Debian: postgresql)");
    expect(await createTrigramIndexes(database)).toBe(true);
    const promoters = Array.from({ length: 5_000 }, (_, n) => makePromoter({ custom_fields: { tier: `rare${n}` } }));
    await store.create("a", promoters, 1);
    await sql`vacuum analyze`.execute(db);
    const page = { sorting: [], limit: 9, offset: 0, archived: false };
    const q = promoters[2_500]!.email.slice(3, -"example.com".length);
    const field = { key: "tier", value: "are2500", partial: true };
    for (const [filter, index] of [
      [{ q }, "search_trigrams"],
      [{ customFields: [field] }, "custom_fields_trigrams"],
    ] as const) {
      const query = { ...page, ...filter } as PromoterQuery;
      const { rows } = await sql`explain ${selectAll("a", query, database)}`.execute(db);
      expect(JSON.stringify(rows)).toContain(`firstpromoter_search_${index}`);
    }
  });

  test("splits a long text into pieces in linear time", async () => {
    await using under = await parts();
    const { database } = under;
    if (database.dialect === "sqlite") return;
    const pieces = async (text: string) => {
      const { rows } = await sql<{ pieces: string[] }>`select firstpromoter_pieces(${text}) as pieces`.execute(
        database.tables(),
      );
      return [...new Set(rows[0]!.pieces)].sort();
    };
    const plain = (text: string) => {
      const letters = [...text];
      return [...new Set(letters.flatMap((one, at) => [one, one + (letters[at + 1] ?? "")]))].sort();
    };
    for (const text of ["", "a", "ab", "aaaa", "Grüße, Ωmega 50%_off \\ é 🙂x", "a b  c"]) {
      expect(await pieces(text)).toEqual(plain(text));
    }
    // A quadratic implementation would exceed the statement time-out.
    const long = "é0123456789".repeat(20_000);
    await database.transaction(async (transaction) => {
      await sql`set local statement_timeout = '20s'`.execute(transaction);
      await sql`select firstpromoter_pieces(${long})`.execute(transaction);
    });
  });

  test("assigns new ids after imported ones", async () => {
    await using under = await parts();
    expect(await under.store.create("a", [makePromoter({ id: 2010 }), makePromoter({ id: 7 })], 1)).toEqual([2010, 7]);
    expect(await under.store.create("b", [makePromoter()], 1)).toEqual([2011]);
  });
});

describe("promoterStoreContract", () => {
  test.each<[string, (store: PromoterStore) => Partial<PromoterStore>]>([
    ["changes another account", (store) => ({ archive: (_, ids, now, t) => store.archive("b", ids, now, t) })],
    [
      "reports every promoter as changed",
      () => ({ restore: async (_, ids) => ({ changed: [...ids], unchanged: [] }) }),
    ],
    [
      "forgets the campaign states",
      (store) => ({
        async restore(account, ids, now, t) {
          await t.updateTable("firstpromoter_memberships").set({ state: "accepted" }).execute();
          return store.restore(account, ids, now, t);
        },
      }),
    ],
    ["lists the oldest first", (store) => ({ list: async (...given) => (await store.list(...given)).reverse() })],
    [
      "accepts an address twice",
      (store) => ({
        create: (account, given, now) =>
          store.create(
            account,
            given.map((one, index) => ({ ...one, email: `${now}.${index}.${one.email}` })),
            now,
          ),
      }),
    ],
  ])("catches a store that %s", async (_, fault) => {
    const failures: string[] = [];
    for (const { name, check } of promoterStoreContract) {
      const database = openDatabase("sqlite::memory:");
      const store = await createSqlStore(database);
      const under = { store: { ...store, ...fault(store) }, transaction: database.transaction };
      await check(under).catch(() => failures.push(name));
      await database.close();
    }
    expect(failures).not.toEqual([]);
  });
});
