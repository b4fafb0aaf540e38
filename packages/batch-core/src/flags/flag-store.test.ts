import { ledgerDatabases, postgresDatabase } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { openDatabase } from "../database/open-database.ts";
import type { ItemKey } from "../operation/operation.ts";
import { type FlagStoreUnderTest, flagStoreContract } from "../testing/flag-store-contract.ts";
import { createFlagStore, type FlagStore } from "./flag-store.ts";

const columns = { table: "tickets", flag: "deleted_at", batch: "deleted_batch", touched: "updated_at" };

/** Opens a table whose ids are made by `toId`. */
async function openTickets<Id extends ItemKey>(url: string, type: string, toId: (index: number) => Id) {
  const database = openDatabase(url);
  const db = database.tables();
  await sql`create table tickets (
    id ${sql.raw(type)} not null,
    account text not null,
    deleted_at bigint,
    deleted_batch bigint,
    updated_at bigint not null,
    primary key (id, account)
  )`.execute(db);
  let made = 0;
  const tested: FlagStoreUnderTest<Id> = {
    flags: createFlagStore<Id>(database, columns),
    async add(account, count) {
      const ids = Array.from({ length: count }, () => toId(made++));
      for (const id of ids) await sql`insert into tickets values (${id}, ${account}, null, null, 1)`.execute(db);
      return ids;
    },
    absent: toId(900_000),
    async flagOf(account, id) {
      const { rows } = await sql<{ deleted_at: number | null }>`select deleted_at from tickets
        where account = ${account} and id = ${id}`.execute(db);
      return rows[0]?.deleted_at ?? null;
    },
    transaction: (work) => database.transaction(work),
  };
  return { ...tested, [Symbol.asyncDispose]: () => database.close() };
}

type Open = (url: string) => Promise<FlagStoreUnderTest<ItemKey> & AsyncDisposable>;

const kinds: [string, Open][] = [
  ["integer", (url) => openTickets(url, "bigint", (index): ItemKey => index + 1)],
  ["string", (url) => openTickets(url, "text", (index): ItemKey => `ticket-${index}`)],
];

describe.each(ledgerDatabases)("flags on $name", ({ open }) => {
  describe.each(kinds)("with %s ids", (_, openWith) => {
    test.each(flagStoreContract)("$name", async ({ check }) => {
      await using database = await open();
      await using tickets = await openWith(database.url);
      await check(tickets);
    });
  });
});

describe("the contract of flag stores", () => {
  type Tickets = FlagStoreUnderTest<ItemKey>;
  const broken: [string, (tickets: Tickets) => Partial<FlagStore<ItemKey>>][] = [
    [
      "reports changed and unchanged records, and omits absent ones",
      ({ flags }) => ({
        set: async (account, ids, ...rest) => {
          const { changed } = await flags.set(account, ids, ...rest);
          return { changed, unchanged: ids.filter((id) => !changed.includes(id)) };
        },
      }),
    ],
    [
      "keeps accounts apart",
      ({ flags }) => ({
        set: (account, ids, ...rest) =>
          ids.length === 2
            ? flags.set("b", ids, ...rest).then(() => flags.set("a", ids, ...rest))
            : flags.set(account, ids, ...rest),
      }),
    ],
    [
      "changes a large set like a small one",
      ({ flags }) => ({ clear: (account, ids, ...rest) => flags.clear(account, ids.slice(0, 100), ...rest) }),
    ],
    [
      "undoes what one batch set and was not changed since",
      ({ flags }) => ({ undo: (account, ids, _, now, transaction) => flags.clear(account, ids, now, transaction) }),
    ],
    [
      "writes with its transaction or not at all",
      ({ flags, transaction }) => ({
        set: (account, ids, now) => transaction((other) => flags.set(account, ids, now, other)),
      }),
    ],
  ];

  test.each(broken)("finds a store that breaks: %s", async (name, faultOf) => {
    await using database = await postgresDatabase();
    await using tickets = await openTickets(database.url, "bigint", (index): ItemKey => index + 1);
    const flags = { ...tickets.flags, ...faultOf(tickets) };
    const { check } = flagStoreContract.find((guarantee) => guarantee.name === name) as (typeof flagStoreContract)[0];
    await expect(check({ ...tickets, flags })).rejects.toThrow();
  });
});
