import { type Kysely, sql } from "kysely";
import type { Database } from "../database/database.ts";
import type { LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** A number of calls, and the time at which they were taken. */
type Taken = [at: number, calls: number];

export interface RateWindow {
  /** Maximum number of calls in any window. */
  limit: number;
  /** Maximum number of calls taken in one block. */
  block: number;
  windowMs: number;
}

/** Stores the calls of the last window in a row for each name, shared by all processes. */
export function createRateWindows(database: Database) {
  // The row lock serializes the processes. A count that is lost in a crash does no harm, so nothing waits for the disk.
  const read = (on: Db, name: string) =>
    on
      .selectFrom("reinstate_rate_windows")
      .select("taken")
      .where("name", "=", name)
      .$if(database.dialect === "postgres", (query) =>
        query.select(sql`set_config('synchronous_commit', 'off', true)`.as("lazily")).forUpdate(),
      )
      .executeTakeFirst();

  async function lock(on: Db, name: string): Promise<Taken[]> {
    const known = await read(on, name);
    if (known) return JSON.parse(known.taken) as Taken[];
    await on
      .insertInto("reinstate_rate_windows")
      .values({ name, taken: "[]" })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    return JSON.parse((await read(on, name))?.taken ?? "[]") as Taken[];
  }

  return {
    /**
     * Takes a block of calls. Returns their number and the time until which they may be used. If the limit is reached, returns 0
     * calls and the time from which there are some.
     */
    take(name: string, { limit, block, windowMs }: RateWindow, now: number): Promise<{ calls: number; until: number }> {
      return database.transaction(async (transaction) => {
        const on = transaction as Db;
        const before = (await lock(on, name)).filter(([at]) => at + windowMs > now);
        const free = limit - before.reduce((sum, [, calls]) => sum + calls, 0);
        // Clocks of processes differ: a slow one must not write an earlier time than another process.
        const at = Math.max(now, before.at(-1)?.[0] ?? now);
        if (free <= 0) return { calls: 0, until: (before[0]?.[0] ?? at) + windowMs };
        const calls = Math.max(1, Math.min(block, Math.floor(free / 4)));
        await on
          .updateTable("reinstate_rate_windows")
          .set({ taken: JSON.stringify([...before, [at, calls]]) })
          .where("name", "=", name)
          .execute();
        return { calls, until: at + windowMs };
      });
    },
  };
}
