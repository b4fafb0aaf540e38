import type { Database } from "@reinstate/batch-core";
import type { AnswerStore } from "../store.ts";
import type { Tables } from "./tables.ts";

/** So long answers are kept: longer than any idempotency key. */
const keptMs = 30 * 86_400_000;

/** Answers in the ledger's own database, whose tables must be up to date. */
export function createAnswerStore(database: Database): AnswerStore {
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

    async keep(batchId, body, now) {
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
