import { sql } from "kysely";
import type { Database } from "../database/database.ts";
import { isWorkable, unfinished } from "./chunk-queries.ts";
import type { Ledger } from "./ledger.ts";
import type { LedgerTables } from "./tables.ts";

/** Creates the part of the ledger that finds the batches and chunks to work on. */
export function createWorkFinder(database: Database): Pick<Ledger, "open" | "nextAttempt" | "ready"> {
  const db = database.tables<LedgerTables>();

  return {
    async open() {
      const rows = await db.selectFrom("reinstate_batches").select("id").where(isWorkable()).orderBy("id").execute();
      return rows.map((row) => row.id);
    },

    async nextAttempt(id) {
      const row = await db
        .selectFrom("reinstate_chunks")
        .select(({ fn }) => fn.min("not_before").as("at"))
        .select(sql<number>`max(case when state = 'claimed' then 1 else 0 end)`.as("claimed"))
        .where("batch_id", "=", id)
        .where(unfinished())
        .where(({ exists, selectFrom }) =>
          exists(selectFrom("reinstate_batches").select("id").where("id", "=", id).where(isWorkable())),
        )
        .executeTakeFirstOrThrow();
      return row.at === null || Number(row.claimed) > 0 ? undefined : Number(row.at);
    },

    async ready(limit, now) {
      const rows = await db
        .selectFrom("reinstate_batches as b")
        .select(["b.id", "b.operation", "b.target"])
        .select(({ selectFrom, fn }) =>
          selectFrom((from) =>
            from
              .selectFrom("reinstate_chunks as c")
              .select("c.seq")
              .whereRef("c.batch_id", "=", "b.id")
              .where(unfinished("c"))
              .where(({ and, eb, or }) =>
                or([
                  and([eb("c.state", "in", ["waiting", "interrupted"]), eb("c.not_before", "<=", now)]),
                  and([eb("c.state", "=", "claimed"), eb("c.lease_until", "<", now)]),
                ]),
              )
              .limit(limit)
              .as("ready"),
          )
            .select(fn.countAll<number>().as("chunks"))
            .as("chunks"),
        )
        .where(isWorkable("b"))
        .orderBy("b.id")
        .execute();
      return rows.map(({ chunks, ...batch }) => ({ ...batch, chunks: Number(chunks) }));
    },
  };
}
