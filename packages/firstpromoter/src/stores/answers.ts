import type { Database } from "@reinstate/batch-core";
import type { Tables } from "./tables.ts";

/** So long answers are kept: longer than any idempotency key. */
const keptMs = 30 * 86_400_000;

export type AnswerStore = ReturnType<typeof createAnswerStore>;

/** The first answers of calls with an idempotency key, by their batches, in the ledger's own database. */
export function createAnswerStore(database: Database) {
  const db = database.tables<Tables>();

  async function find(batchId: number): Promise<string | undefined> {
    const row = await db
      .selectFrom("firstpromoter_answers")
      .select("body")
      .where("batch_id", "=", batchId)
      .executeTakeFirst();
    return row?.body;
  }

  return {
    find,

    /** Keeps an answer, unless there is one; returns the one that is kept. */
    async keep(batchId: number, body: string, now: number): Promise<string> {
      await db
        .insertInto("firstpromoter_answers")
        .values({ batch_id: batchId, body, kept_at: now })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      await db
        .deleteFrom("firstpromoter_answers")
        .where("kept_at", "<", now - keptMs)
        .execute();
      return (await find(batchId)) ?? body;
    },
  };
}
