import { setImmediate } from "node:timers/promises";
import { type Kysely, sql } from "kysely";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { itemsPerSlice } from "../text/time-slice.ts";
import type { LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** Batch rows that one statement examines. */
const batchesPerPage = 500;
/** Chunk rows that one statement examines. */
const chunksPerPage = 100;
/** Idempotency keys that one statement deletes. */
const rowsPerSlice = 500;

/** The batches to prune. */
export interface PruneOptions {
  /** Batches that ended before this time are deleted. Milliseconds since 1970 UTC. */
  before: number;
  /** Counts the batches and deletes nothing. */
  dryRun?: boolean;
  /** Ends the work after the slice in progress. */
  signal?: AbortSignal;
}

/** Counts of deleted batches and items; in a dry run, of those that would be deleted. */
export interface Pruned {
  batches: number;
  items: number;
}

interface Ended {
  id: number;
  total: number;
}

/**
 * Deletes batches that ended long ago, in slices that hold neither the database nor the event loop for long.
 *
 * Protocol: one transaction deletes the row of a batch and lists its id in `reinstate_pruned`. From then on no reader sees the batch.
 * Slices then delete its other rows, and the listed id last. If the process is killed, the next run finishes the listed ids.
 * Concurrent runs are safe, because every statement deletes only rows that still exist.
 *
 * Invariant: the newest batch stays, because SQLite derives the next id from it.
 */
export function createPrune(database: Database) {
  const db = database.tables<LedgerTables>();

  return async function prune({ before, dryRun = false, signal }: PruneOptions): Promise<Pruned> {
    const pruned: Pruned = { batches: 0, items: 0 };
    if (!dryRun) await deleteLeftovers(signal);
    for await (const batch of endedBatches(before)) {
      if (signal?.aborted) return pruned;
      if (!dryRun && !(await deleteBatch(batch, before))) continue;
      pruned.batches++;
      pruned.items += batch.total;
      if (!dryRun) await deleteContents(batch.id, signal);
    }
    if (!dryRun) await deleteKeys(before, signal);
    return pruned;
  };

  async function* endedBatches(before: number): AsyncGenerator<Ended> {
    for (let after = 0; ; ) {
      const page = await db
        .selectFrom("reinstate_batches")
        .select(["id", "total", "status", "created_at", "finished_at"])
        .where("id", ">", after)
        .where("id", "<", ({ selectFrom, fn }) => selectFrom("reinstate_batches").select(fn.max("id").as("id")))
        .orderBy("id")
        .limit(batchesPerPage)
        .execute();
      for (const { id, total, status, created_at, finished_at } of page) {
        // Ids are in the order of creation to the second, so no later batch can have ended before this time.
        if (created_at >= before + 60_000) return;
        const hasEnded = status === "completed" || status === "failed";
        if (hasEnded && finished_at !== null && finished_at < before) yield { id, total: Number(total) };
      }
      const last = page.at(-1);
      if (!last) return;
      after = last.id;
      await setImmediate();
    }
  }

  /** Deletes the row of a batch. Returns false if it is gone, or if a retry has begun since it was found. */
  function deleteBatch({ id }: Ended, before: number): Promise<boolean> {
    return database.transaction(async (transaction) => {
      const on = transaction as Db;
      const { numDeletedRows } = await on
        .deleteFrom("reinstate_batches")
        .where("id", "=", id)
        .where("status", "in", ["completed", "failed"])
        .where("finished_at", "<", before)
        .executeTakeFirst();
      if (numDeletedRows === 0n) return false;
      await on.insertInto("reinstate_pruned").values({ batch_id: id }).execute();
      return true;
    });
  }

  /** Finishes the work of a process that was killed. */
  async function deleteLeftovers(signal: AbortSignal | undefined): Promise<void> {
    for (;;) {
      const rows = await db.selectFrom("reinstate_pruned").select("batch_id").limit(rowsPerSlice).execute();
      for (const { batch_id } of rows) {
        if (signal?.aborted) return;
        await deleteContents(batch_id, signal);
      }
      if (rows.length < rowsPerSlice) return;
    }
  }

  /** Deletes the remaining rows of a batch whose own row is gone. */
  async function deleteContents(id: number, signal: AbortSignal | undefined): Promise<void> {
    while (await deleteChunks(id)) {
      if (signal?.aborted) return;
      await setImmediate();
    }
    await db.deleteFrom("reinstate_events").where("batch_id", "=", id).execute();
    await db.deleteFrom("reinstate_pruned").where("batch_id", "=", id).execute();
  }

  /** Deletes a slice of chunks with their items and outcomes. Returns false if there are none. */
  async function deleteChunks(id: number): Promise<boolean> {
    const found = await db
      .selectFrom("reinstate_chunks")
      .select(["generation", "seq", "item_count"])
      .where("batch_id", "=", id)
      .orderBy("generation")
      .orderBy("seq")
      .limit(chunksPerPage)
      .execute();
    const [first] = found;
    if (!first) return false;
    let last = first.seq;
    let items = first.item_count;
    for (const { generation, seq, item_count } of found.slice(1)) {
      items += item_count;
      if (generation !== first.generation || items > itemsPerSlice) break;
      last = seq;
    }
    await database.transaction(async (transaction: LedgerTransaction) => {
      for (const table of ["reinstate_intents", "reinstate_outcomes", "reinstate_items", "reinstate_chunks"] as const) {
        await (transaction as Db)
          .deleteFrom(table)
          .where("batch_id", "=", id)
          .where("generation", "=", first.generation)
          .where("seq", ">=", first.seq)
          .where("seq", "<=", last)
          .execute();
      }
    });
    return true;
  }

  /** Deletes the idempotency keys of batches that are gone. */
  async function deleteKeys(before: number, signal: AbortSignal | undefined): Promise<void> {
    const slice = sql`delete from reinstate_idempotency where (scope, idempotency_key) in
      (select scope, idempotency_key from reinstate_idempotency k where created_at < ${before}
        and not exists (select 1 from reinstate_batches b where b.id = k.batch_id) limit ${sql.lit(rowsPerSlice)})`;
    while (Number((await slice.execute(db)).numAffectedRows) === rowsPerSlice && !signal?.aborted) await setImmediate();
  }
}
