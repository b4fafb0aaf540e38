import { type Database, type LedgerTransaction, statement } from "@reinstate/batch-core";
import type { Tables } from "../store/tables.ts";

/** That the webhook is to be told of the end of a batch, of one generation of it. */
export interface Notice {
  batchId: number;
  generation: number;
  announcedAt: number;
  /** What is sent, the same at every attempt; null until the batch is finished. */
  body: string | null;
  /** Attempts that failed. */
  attempts: number;
}

export type NoticeStore = ReturnType<typeof createNoticeStore>;

type Values = Record<"batch_id" | "generation" | "announced_at", number>;

/** Notices that wait until they are delivered, in the ledger's own database. A notice is announced once, with its transaction. */
export function createNoticeStore(database: Database) {
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
    async announce(batch_id: number, generation: number, announced_at: number, transaction: LedgerTransaction) {
      await announced(transaction, { batch_id, generation, announced_at });
    },

    /** Takes what is due. Each notice goes to one caller, and is due again at `nextDue`. */
    async take(now: number, limit: number, nextDue: (notice: Notice) => number): Promise<Notice[]> {
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

    /** `dueAt` null: there is nothing left to do. */
    async update({ batchId, generation, body, attempts }: Notice, dueAt: number | null): Promise<void> {
      await db
        .updateTable("firstpromoter_notices")
        .set({ body, attempts, due_at: dueAt })
        .where("batch_id", "=", batchId)
        .where("generation", "=", generation)
        .execute();
    },

    /** Takes the announcement back: there is no such batch. */
    async withdraw({ batchId, generation }: Notice): Promise<void> {
      await db
        .deleteFrom("firstpromoter_notices")
        .where("batch_id", "=", batchId)
        .where("generation", "=", generation)
        .where("body", "is", null)
        .execute();
    },

    /** Forgets what is done with, and was announced before a time. */
    async forget(before: number): Promise<void> {
      await db
        .deleteFrom("firstpromoter_notices")
        .where("due_at", "is", null)
        .where("announced_at", "<", before)
        .execute();
    },
  };
}
