import { type Database, type LedgerTransaction, statement } from "@reinstate/batch-core";
import type { Tables } from "../store/tables.ts";

/** An entry of the webhook outbox: the end of one generation of a batch must be reported. */
export interface OutboxEntry {
  batchId: number;
  generation: number;
  announcedAt: number;
  /** The JSON body, the same at every attempt; null until the batch is finished. */
  body: string | null;
  /** The number of failed attempts. */
  attempts: number;
}

/** The transactional outbox of webhooks. */
export type WebhookOutbox = ReturnType<typeof createWebhookOutbox>;

type Values = Record<"batch_id" | "generation" | "announced_at", number>;

/** Creates the webhook outbox in the ledger's own database. An entry commits with the transaction that accepts its batch. */
export function createWebhookOutbox(database: Database) {
  const db = database.tables<Tables>();

  // Performance: runs for every accepted batch, so it is built once and not awaited on PostgreSQL.
  const insertEntry = statement(
    ({ batch_id, generation, announced_at }: Values) =>
      db
        .insertInto("firstpromoter_notices")
        .values({ batch_id, generation, body: null, attempts: 0, announced_at, due_at: announced_at }),
    { awaited: false },
  );

  return {
    /** Adds an entry within the transaction. */
    async enqueue(batch_id: number, generation: number, announced_at: number, transaction: LedgerTransaction) {
      await insertEntry(transaction, { batch_id, generation, announced_at });
    },

    /** Leases due entries. Each goes to one caller, and is due again at the time that `nextDue` returns. */
    async leaseDue(now: number, limit: number, nextDue: (entry: OutboxEntry) => number): Promise<OutboxEntry[]> {
      const due = await db
        .selectFrom("firstpromoter_notices")
        .selectAll()
        .where("due_at", "<=", now)
        .orderBy("due_at")
        .limit(limit)
        .execute();
      const leased: OutboxEntry[] = [];
      for (const { batch_id: batchId, announced_at: announcedAt, due_at, ...rest } of due) {
        const entry = { ...rest, batchId, announcedAt };
        // Another process may have leased it first.
        const { numUpdatedRows } = await db
          .updateTable("firstpromoter_notices")
          .set({ due_at: nextDue(entry) })
          .where("batch_id", "=", batchId)
          .where("generation", "=", entry.generation)
          .where("due_at", "=", due_at)
          .executeTakeFirst();
        if (numUpdatedRows > 0n) leased.push(entry);
      }
      return leased;
    },

    /** Stores the state of an entry. `dueAt`: the time of the next attempt; null if there is none. */
    async update({ batchId, generation, body, attempts }: OutboxEntry, dueAt: number | null): Promise<void> {
      await db
        .updateTable("firstpromoter_notices")
        .set({ body, attempts, due_at: dueAt })
        .where("batch_id", "=", batchId)
        .where("generation", "=", generation)
        .execute();
    },

    /** Removes the entry of a batch that does not exist. */
    async remove({ batchId, generation }: OutboxEntry): Promise<void> {
      await db
        .deleteFrom("firstpromoter_notices")
        .where("batch_id", "=", batchId)
        .where("generation", "=", generation)
        .where("body", "is", null)
        .execute();
    },

    /** Deletes finished entries that were added before a time. */
    async purge(before: number): Promise<void> {
      await db
        .deleteFrom("firstpromoter_notices")
        .where("due_at", "is", null)
        .where("announced_at", "<", before)
        .execute();
    },
  };
}
