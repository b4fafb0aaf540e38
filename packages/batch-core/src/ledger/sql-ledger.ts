import { type Kysely, type RawBuilder, sql } from "kysely";
import { type Batch, type BatchStatus, findSourceStates, isFinished } from "../batch/batch.ts";
import { writeCodes } from "../batch/codes.ts";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { statement } from "../database/prepared-statement.ts";
import { toStorableText } from "../text/own-text.ts";
import { createAdmit } from "./admission.ts";
import { itemsOfChunk, theChunk, unfinished } from "./chunk-queries.ts";
import { createEvents } from "./events.ts";
import { createGenerations } from "./generations.ts";
import { createIdempotencyKeys } from "./idempotency-keys.ts";
import type { ChunkId, ClaimedChunk, Ledger } from "./ledger.ts";
import { ledgerMigrations } from "./migrations.ts";
import { createPrune } from "./prune.ts";
import { createReader } from "./read-batches.ts";
import { createChunkReader, sumCodes } from "./read-chunks.ts";
import { tallyText, toFinishedColumns } from "./rows.ts";
import type { LedgerTables } from "./tables.ts";
import { createWriter } from "./write-batches.ts";

type Db = Kysely<LedgerTables>;

const notRun = "Not run: the batch was stopped by its failure limit";

/** Repeats the predicate of a partial index literally, as `unfinished` does. */
const isWorkable = (table = "reinstate_batches") =>
  sql<boolean>`${sql.ref(`${table}.status`)} in ('pending', 'in_progress')`;

/** Creates the ledger on SQLite or PostgreSQL. Migrates its tables first. */
export async function createSqlLedger(database: Database): Promise<Ledger> {
  await database.migrate("reinstate", ledgerMigrations);
  const db = database.tables<LedgerTables>();
  const on = (transaction?: LedgerTransaction) => (transaction as Db | undefined) ?? db;
  const { accept, writeChunks, writeOverrides } = createWriter(database);
  const events = createEvents(database);

  /*
   * Performance: selects the chunk first and then its items by key. With a join, or with conditions that look selective, PostgreSQL
   * may sort all open chunks of the batch or scan all its items while its statistics are older than the batch.
   */
  const nextChunk = (free: (now: number) => RawBuilder<boolean>) =>
    statement(({ batchId, now }: { batchId: number; now: number }) =>
      db
        .with("c", (db) =>
          db
            .selectFrom("reinstate_chunks")
            .select([
              "batch_id",
              "generation",
              "seq",
              "item_count",
              "attempts",
              "state",
              "origin_generation",
              "origin_seq",
            ])
            .where("batch_id", "=", batchId)
            .where(unfinished())
            .where("not_before", "<=", now)
            .where(free(now))
            .where(({ exists, selectFrom }) =>
              exists(selectFrom("reinstate_batches").select("id").where("id", "=", batchId).where(isWorkable())),
            )
            .orderBy("generation")
            .orderBy("seq")
            .limit(sql.lit(1))
            // Workers never wait for each other's chunks. SQLite has a single writer anyway.
            .$if(database.dialect === "postgres", (query) => query.forUpdate().skipLocked()),
        )
        .selectFrom("c")
        .innerJoin("reinstate_items as i", itemsOfChunk)
        .select(["c.generation", "c.seq", "c.item_count", "c.attempts", "c.state", "i.codec", "i.packed"])
        .select(["c.origin_generation", "c.origin_seq"]),
    );
  const nextWaiting = nextChunk(() => sql`state = 'waiting'`);
  const nextToClaim = nextChunk((now) => sql`(state <> 'claimed' or lease_until < ${now})`);

  const claimed = (batchId: number, row: Awaited<ReturnType<typeof nextWaiting>>["rows"][number]): ClaimedChunk => ({
    batchId,
    generation: row.generation,
    seq: row.seq,
    codec: row.codec,
    packed: row.packed,
    count: row.item_count,
    attempt: row.attempts + 1,
    // A claim that ended without a result may have had its effect.
    interrupted: row.state === "interrupted" || row.state === "claimed",
    origin:
      row.origin_generation === null || row.origin_seq === null
        ? undefined
        : { generation: row.origin_generation, seq: row.origin_seq },
  });

  const finish = statement(
    ({
      batchId,
      generation,
      seq,
      was,
      by,
      ...end
    }: ChunkId & { was: LedgerTables["reinstate_chunks"]["state"]; by: string | null } & ReturnType<
        typeof toFinishedColumns
      >) =>
      theChunk(db, { batchId, generation, seq })
        .where("state", "=", was)
        .where("worker", "is not distinct from", by)
        .set({ ...end, worker: null, lease_until: null }),
    { byKey: true },
  );

  const ledger: Ledger = {
    ...createReader(database),
    ...createChunkReader(database),
    ...createIdempotencyKeys(database),
    ...events,
    accept,
    ...createGenerations(database, { writeChunks, recordEvent: events.recordEvent, storeSums }),
    prune: createPrune(database),
    admit: createAdmit(database),

    async lockNext(batchId, now, transaction) {
      const [row] = (await nextWaiting(transaction, { batchId, now })).rows;
      return row && claimed(batchId, row);
    },

    async claim(batchId, worker, now, leaseUntil, admit) {
      return database.transaction(async (transaction) => {
        const [row] = (await nextToClaim(transaction, { batchId, now })).rows;
        if (!row) return undefined;
        const from = await admit?.(transaction, row.item_count);
        if (from !== undefined) return { from };
        await theChunk(transaction as Db, { batchId, ...row })
          .set({ state: "claimed", worker, lease_until: leaseUntil, attempts: row.attempts + 1 })
          .execute();
        return claimed(batchId, row);
      });
    },

    async renew(worker, leaseUntil) {
      const { numUpdatedRows } = await db
        .updateTable("reinstate_chunks")
        .set({ lease_until: leaseUntil })
        .where(unfinished())
        .where("state", "=", "claimed")
        .where("worker", "=", worker)
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    },

    async finishChunk({ batchId, generation, seq }, result, now, by) {
      const chunk = { batchId, generation, seq };
      const write = async (on: Db) => {
        const guard =
          "worker" in by ? { was: "claimed" as const, by: by.worker } : { was: "waiting" as const, by: null };
        const { numAffectedRows } = await finish(on, { ...chunk, ...guard, ...toFinishedColumns(result, now) });
        if (numAffectedRows === 0n) return false;
        await writeOverrides(on, chunk, result);
        return true;
      };
      return by.transaction ? write(by.transaction as Db) : database.transaction((trx) => write(trx as Db));
    },

    async release(chunk, notBefore, by, { counted, interrupted = false }) {
      // The claim has counted the attempt already; the rollback of a locked chunk has not.
      const change = "held" in by ? Number(counted) : Number(counted) - 1;
      let update = theChunk(db, chunk).set((set) => ({
        state: interrupted ? ("interrupted" as const) : ("waiting" as const),
        not_before: notBefore,
        worker: null,
        lease_until: null,
        attempts: set("attempts", "+", change),
      }));
      update =
        "worker" in by
          ? update.where("state", "=", "claimed").where("worker", "=", by.worker)
          : update.where("state", "=", "waiting");
      await update.execute();
    },

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
        await ledger.recordEvent(id, event, transaction);
        return true;
      });
    },

    async recordError(id, error, transaction) {
      await on(transaction)
        .updateTable("reinstate_batches")
        .set({ error: toStorableText(error) })
        .where("id", "=", id)
        .execute();
    },

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
        await ledger.recordError(id, error, transaction);
        // If chunks are still claimed, the worker that finishes the last one closes the batch.
        await ledger.closeBatch(id, now, transaction);
        return true;
      });
    },
  };
  return ledger;

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

  async function storeSums(id: number, transaction: LedgerTransaction): Promise<void> {
    const on = transaction as Db;
    const { counts, tally, total, generation } = (await ledger.get(id, transaction)) as Batch;
    // Performance: only marked items are done with a code, and they are in a later generation.
    const isPlain = counts.done === total && generation === 0;
    const codes = isPlain ? [] : await sumCodes(on, id);
    await on
      .updateTable("reinstate_batches")
      .set({ ...counts, tally: tallyText(tally), codes: writeCodes(codes) })
      .where("id", "=", id)
      .execute();
  }
}
