import { type Database, statement } from "@reinstate/batch-core";
import type { Notice, NoticeStore } from "../store.ts";
import type { Tables } from "./tables.ts";

type Values = Record<"batch_id" | "generation" | "announced_at", number>;

/** Notices in the ledger's own database, whose tables must be up to date. */
export function createNoticeStore(database: Database): NoticeStore {
  const db = database.tables<Tables>();

  // With every batch that is accepted, so it is built once, and PostgreSQL's answer is not waited for.
  const announced = statement(
    ({ batch_id, generation, announced_at }: Values) =>
      db
        .insertInto("firstpromoter_notices")
        .values({ batch_id, generation, body: null, attempts: 0, announced_at, due_at: announced_at }),
    { awaited: false },
  );

  return {
    async announce(batch_id, generation, announced_at, transaction) {
      await announced(transaction, { batch_id, generation, announced_at });
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
      for (const { batch_id: batchId, announced_at: announcedAt, due_at, ...rest } of due) {
        const notice = { ...rest, batchId, announcedAt };
        // Another process may have been quicker.
        const { numUpdatedRows } = await db
          .updateTable("firstpromoter_notices")
          .set({ due_at: nextDue(notice) })
          .where("batch_id", "=", batchId)
          .where("generation", "=", notice.generation)
          .where("due_at", "=", due_at)
          .executeTakeFirst();
        if (numUpdatedRows > 0n) taken.push(notice);
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

    async forget(before) {
      await db
        .deleteFrom("firstpromoter_notices")
        .where("due_at", "is", null)
        .where("announced_at", "<", before)
        .execute();
    },
  };
}
