import { type Kysely, sql } from "kysely";
import { type BatchStatus, findSourceStates, isFinished } from "../batch/batch.ts";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { toStorableText } from "../text/own-text.ts";
import { isWorkable, unfinished } from "./chunk-queries.ts";
import type { Ledger } from "./ledger.ts";
import type { StoreSums } from "./store-sums.ts";
import type { LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;

const notRun = "Not run: the batch was stopped by its failure limit";

interface Parts extends Pick<Ledger, "recordEvent"> {
  storeSums: StoreSums;
}

/** Creates the part of the ledger that changes the status of batches, and ends them. */
export function createStatusChanges(
  database: Database,
  { recordEvent, storeSums }: Parts,
): Pick<Ledger, "waitUntil" | "move" | "recordError" | "closeBatch" | "failBatch"> {
  const db = database.tables<LedgerTables>();
  const on = (transaction?: LedgerTransaction) => (transaction as Db | undefined) ?? db;

  return {
    async waitUntil(id, time, reason = null) {
      await db
        .updateTable("reinstate_batches")
        .set({ next_allowed_at: time, waiting_for: reason })
        .where("id", "=", id)
        .where(({ eb, or }) =>
          or([eb("next_allowed_at", "is distinct from", time), eb("waiting_for", "is distinct from", reason)]),
        )
        .execute();
    },

    async move(id, to, now, from, event) {
      const change = (transaction?: LedgerTransaction) => changeStatus({ id, to, now, from }, transaction);
      if (!event) return change();
      return database.transaction(async (transaction) => {
        if (!(await change(transaction))) return false;
        await recordEvent(id, event, transaction);
        return true;
      });
    },

    recordError,

    closeBatch(id, now, transaction) {
      const close = (transaction: LedgerTransaction) => endBatch(id, now, transaction);
      return transaction ? close(transaction) : database.transaction(close);
    },

    async failBatch(id, error, now) {
      return database.transaction(async (transaction) => {
        const on = transaction as Db;
        const { numUpdatedRows } = await on
          .updateTable("reinstate_chunks")
          .set(({ ref }) => ({
            state: "finished",
            failed: ref("item_count"),
            rest_outcome: "failed",
            rest_code: "not_run",
            rest_message: notRun,
            // As `writeCodes` writes it.
            codes: sql<string>`'[["failed","not_run",' || cast(item_count as text) || ${`,${JSON.stringify(notRun)}]]`}`,
            finished_at: now,
          }))
          .where("batch_id", "=", id)
          .where(unfinished())
          .where("state", "=", "waiting")
          .where(({ exists, selectFrom }) =>
            exists(selectFrom("reinstate_batches").select("id").where("id", "=", id).where(isWorkable())),
          )
          .executeTakeFirst();
        if (numUpdatedRows === 0n) return false;
        await recordError(id, error, transaction);
        // If chunks are still claimed, the worker that finishes the last one closes the batch.
        await endBatch(id, now, transaction);
        return true;
      });
    },
  };

  async function recordError(id: number, error: string, transaction?: LedgerTransaction): Promise<void> {
    await on(transaction)
      .updateTable("reinstate_batches")
      .set({ error: toStorableText(error) })
      .where("id", "=", id)
      .execute();
  }

  async function changeStatus(
    { id, to, now, from }: { id: number; to: BatchStatus; now: number; from: readonly BatchStatus[] | undefined },
    transaction: LedgerTransaction | undefined,
  ): Promise<boolean> {
    const sources = findSourceStates(to).filter((status) => from === undefined || from.includes(status));
    const { numUpdatedRows } = await on(transaction)
      .updateTable("reinstate_batches")
      .set({
        status: to,
        updated_at: now,
        finished_at: isFinished(to) ? now : null,
        next_allowed_at: null,
        ...(to === "in_progress" ? { started_at: sql<number>`coalesce(started_at, ${now})` } : {}),
      })
      .where("id", "=", id)
      .where("status", "in", sources)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /** Ends a batch without unfinished chunks, and stores the sums over its chunks, so readers need not compute them again. */
  async function endBatch(id: number, now: number, transaction: LedgerTransaction): Promise<boolean> {
    const on = transaction as Db;
    const { numUpdatedRows } = await on
      .updateTable("reinstate_batches")
      .set({
        status: sql`case when error is null then 'completed' else 'failed' end`,
        started_at: sql<number>`coalesce(started_at, ${now})`,
        updated_at: now,
        finished_at: now,
      })
      .where("id", "=", id)
      .where(isWorkable())
      .where(({ not, exists, selectFrom }) =>
        not(exists(selectFrom("reinstate_chunks").select("seq").where("batch_id", "=", id).where(unfinished()))),
      )
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return false;
    await storeSums(id, transaction);
    return true;
  }
}
