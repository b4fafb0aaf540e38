import { type Database, statement } from "@reinstate/batch-core";
import type { Kysely } from "kysely";
import type { Tables } from "./tables.ts";

type Db = Kysely<Tables>;

/** Rows of an account above which they are summed up into one. */
const compactAbove = 100;

/**
 * How many live promoters of an account wait for acceptance, told without counting them. Every write that changes it adds a
 * row with the difference, as a counter in one row would make the writers of an account wait for each other.
 */
export function createPendingCount(database: Database) {
  const db = database.tables<Tables>();

  function compact(account: string): Promise<void> {
    return database.transaction(async (transaction) => {
      const on = transaction as Db;
      const rows = await on
        .deleteFrom("firstpromoter_pending")
        .where("account", "=", account)
        .returning("delta")
        .execute();
      const delta = rows.reduce((sum, row) => sum + row.delta, 0);
      await on.insertInto("firstpromoter_pending").values({ account, delta }).execute();
    });
  }

  const sumOf = statement(({ account }: { account: string }) =>
    db
      .selectFrom("firstpromoter_pending")
      .select(({ fn }) => [fn.sum<number | null>("delta").as("sum"), fn.countAll<number>().as("rows")])
      .where("account", "=", account),
  );

  return {
    async add(account: string, delta: number, on: Db): Promise<void> {
      if (delta !== 0) await on.insertInto("firstpromoter_pending").values({ account, delta }).execute();
    },

    async count(account: string): Promise<number> {
      const [summed] = (await sumOf(db, { account })).rows;
      // Two that sum up at a time may lock each other out: the next one does it then.
      if (Number(summed?.rows) > compactAbove) await compact(account).catch(() => {});
      return Number(summed?.sum ?? 0);
    },
  };
}

export type PendingCount = ReturnType<typeof createPendingCount>;
