import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import type { Kysely } from "kysely";
import type { Notice, NoticeStore } from "../store.ts";
import type { Tables } from "./tables.ts";

type Db = Kysely<Tables>;

/** Notices in the ledger's own database, whose tables must be up to date. */
export function createNoticeStore(database: Database): NoticeStore {
  const db = database.tables<Tables>();
  return {
    async announce(batchId, generation, now, transaction?: LedgerTransaction) {
      await ((transaction as Db | undefined) ?? db)
        .insertInto("firstpromoter_notices")
        .values({ batch_id: batchId, generation, body: null, attempts: 0, due_at: now })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },

    async take(now, limit, nextDue) {
      const due = await db
        .selectFrom("firstpromoter_notices")
        .selectAll()
        .where("due_at", "<=", now)
        .orderBy("due_at")
        .limit(limit)
        .execute();
      const taken: Notice[] = [];
      for (const { batch_id: batchId, generation, body, attempts, due_at } of due) {
        // Another process may have been quicker.
        const { numUpdatedRows } = await db
          .updateTable("firstpromoter_notices")
          .set({ due_at: nextDue })
          .where("batch_id", "=", batchId)
          .where("generation", "=", generation)
          .where("due_at", "=", due_at)
          .executeTakeFirst();
        if (numUpdatedRows > 0n) taken.push({ batchId, generation, body, attempts });
      }
      return taken;
    },

    async update({ batchId, generation, body, attempts }, dueAt) {
      await db
        .updateTable("firstpromoter_notices")
        .set({ body, attempts, due_at: dueAt })
        .where("batch_id", "=", batchId)
        .where("generation", "=", generation)
        .execute();
    },

    async withdraw({ batchId, generation }) {
      await db
        .deleteFrom("firstpromoter_notices")
        .where("batch_id", "=", batchId)
        .where("generation", "=", generation)
        .where("body", "is", null)
        .execute();
    },
  };
}
