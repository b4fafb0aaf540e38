import { type Kysely, sql } from "kysely";
import type { Database } from "../database/database.ts";
import type { LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** Calls that were taken at a time. */
type Taken = [at: number, calls: number];

export interface RateWindow {
  /** Calls in any window. */
  limit: number;
  /** Calls that are taken at once, at most. */
  block: number;
  windowMs: number;
}

/** The calls of the last minute, in a row for each name, which all processes share. */
export function createRateWindows(database: Database) {
  // The lock under which processes take calls one by one. A count that a broken machine forgets does no harm, so nothing waits for
  // the disk.
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
     * Takes a block of calls. Returns how many, and until when they may be used; no calls, and the time from which there are some,
     * if the limit is reached.
     */
    take(name: string, { limit, block, windowMs }: RateWindow, now: number): Promise<{ calls: number; until: number }> {
      return database.transaction(async (transaction) => {
        const on = transaction as Db;
        const before = (await lock(on, name)).filter(([at]) => at + windowMs > now);
        const free = limit - before.reduce((sum, [, calls]) => sum + calls, 0);
        // Clocks differ: a slow one must not write a time before that of another process.
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
