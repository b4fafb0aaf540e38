import type { Database } from "@reinstate/batch-core";
import type { Kysely } from "kysely";
import type { SentStore } from "../store.ts";
import type { Tables } from "./tables.ts";

/** What was sent, in the ledger's own database, whose tables must be up to date. */
export function createSentStore(database: Database): SentStore {
  const db = database.tables<Tables>();
  return {
    async find({ batchId, generation, seq }) {
      const row = await db
        .selectFrom("firstpromoter_sent")
        .select(["ids", "theirs"])
        .where("batch_id", "=", batchId)
        .where("generation", "=", generation)
        .where("seq", "=", seq)
        .executeTakeFirst();
      return row && { ids: JSON.parse(row.ids) as number[], theirs: row.theirs };
    },

    async write({ batchId, generation, seq }, ids, theirs, now) {
      const values = { ids: JSON.stringify(ids), theirs, sent_at: now };
      await db
        .insertInto("firstpromoter_sent")
        .values({ batch_id: batchId, generation, seq, ...values })
        .onConflict((conflict) => conflict.columns(["batch_id", "generation", "seq"]).doUpdateSet(values))
        .execute();
    },

    async forget(before, transaction) {
      await (transaction as Kysely<Tables>).deleteFrom("firstpromoter_sent").where("sent_at", "<", before).execute();
    },
  };
}
