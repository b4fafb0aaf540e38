import type { Kysely } from "kysely";
import type { Database } from "../database/database.ts";
import { nameBucket, takeTokens } from "../operation/limits.ts";
import { unfinished } from "./chunk-queries.ts";
import type { Ledger } from "./ledger.ts";
import type { LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** The wait for a concurrent chunk of the same operation to finish, in milliseconds. */
const busyMs = 250;

/** Enforces the limits of operations. Each has a row with its token bucket. Callers are limited by `admission/rate-limit.ts`. */
export function createAdmit(database: Database): Ledger["admit"] {
  return async (operation, limits, cost, now, transaction) => {
    const on = transaction as Db;
    const { account, concurrency, perSecond, burst } = limits;
    const name = nameBucket(operation, limits, account);
    await on
      .insertInto("reinstate_pace")
      .values({ name, tokens: 0, filled_at: -1 })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const row = await on
      .selectFrom("reinstate_pace")
      .selectAll()
      .where("name", "=", name)
      // The row lock serializes the callers.
      .$if(database.dialect === "postgres", (query) => query.forUpdate())
      .executeTakeFirstOrThrow();
    if (concurrency !== undefined) {
      const { busy } = await on
        .selectFrom("reinstate_chunks as c")
        .innerJoin("reinstate_batches as b", "b.id", "c.batch_id")
        .select(({ fn }) => fn.countAll<number>().as("busy"))
        .where(unfinished("c"))
        .where("c.state", "=", "claimed")
        .where("c.lease_until", ">=", now)
        .where("b.operation", "=", operation.name)
        .where("b.target", "=", operation.target)
        .$if(account !== undefined, (query) => query.where("b.account", "=", account as string))
        .executeTakeFirstOrThrow();
      if (Number(busy) >= concurrency) return now + busyMs;
    }
    if (perSecond === undefined) return undefined;
    const bucket = row.filled_at < 0 ? undefined : { tokens: row.tokens, filledAt: row.filled_at };
    const result = takeTokens(bucket, { cost, perSecond, burst: burst ?? Math.max(perSecond, cost) }, now);
    if ("from" in result) return result.from;
    await on
      .updateTable("reinstate_pace")
      .set({ tokens: result.taken.tokens, filled_at: result.taken.filledAt })
      .where("name", "=", name)
      .execute();
    return undefined;
  };
}
