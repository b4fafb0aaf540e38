import type { Kysely } from "kysely";
import type { Database, LedgerTransaction } from "../database/database.ts";
import type { IdempotencyEntry, Ledger } from "./ledger.ts";
import type { LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** Creates the part of the ledger that stores idempotency keys. */
export function createIdempotencyKeys(
  database: Database,
): Pick<
  Ledger,
  "insertIdempotencyKey" | "findReplay" | "storeResponse" | "storeReply" | "purgeExpiredKeys" | "deleteIdempotencyKey"
> {
  const db = database.tables<LedgerTables>();
  const read = async (on: Db, scope: string, key: string): Promise<IdempotencyEntry | undefined> => {
    const row = await on
      .selectFrom("reinstate_idempotency")
      .selectAll()
      .where("scope", "=", scope)
      .where("idempotency_key", "=", key)
      .executeTakeFirst();
    return (
      row && {
        scope,
        key,
        digest: row.digest,
        batchId: row.batch_id,
        answer: row.answer,
        reply: row.reply,
        createdAt: row.created_at,
      }
    );
  };

  return {
    async insertIdempotencyKey(entry, transaction: LedgerTransaction) {
      const on = transaction as Db;
      // On PostgreSQL, this waits for a concurrent transaction with the same key.
      const { numInsertedOrUpdatedRows } = await on
        .insertInto("reinstate_idempotency")
        .values({
          scope: entry.scope,
          idempotency_key: entry.key,
          digest: entry.digest,
          batch_id: entry.batchId,
          answer: entry.answer,
          created_at: entry.createdAt,
        })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return numInsertedOrUpdatedRows === 0n ? read(on, entry.scope, entry.key) : undefined;
    },

    findReplay: (scope, key) => read(db, scope, key),

    async storeResponse(scope, key, answer, transaction) {
      await ((transaction as Db | undefined) ?? db)
        .updateTable("reinstate_idempotency")
        .set({ answer })
        .where("scope", "=", scope)
        .where("idempotency_key", "=", key)
        .execute();
    },

    async storeReply(scope, key, reply) {
      await db
        .updateTable("reinstate_idempotency")
        .set({ reply })
        .where("scope", "=", scope)
        .where("idempotency_key", "=", key)
        .where("reply", "is", null)
        .execute();
      return (await read(db, scope, key))?.reply ?? reply;
    },

    async deleteIdempotencyKey(scope, key) {
      await db
        .deleteFrom("reinstate_idempotency")
        .where("scope", "=", scope)
        .where("idempotency_key", "=", key)
        .execute();
    },

    async purgeExpiredKeys(before) {
      await db.deleteFrom("reinstate_idempotency").where("created_at", "<", before).execute();
    },
  };
}

/** An idempotency key. A request with the same key and digest gets the response of the first one. */
export interface IdempotencyKey {
  scope: string;
  key: string;
  digest: string;
}
