import { type Kysely, type RawBuilder, sql } from "kysely";
import type { Database } from "../database/database.ts";
import { statement } from "../database/prepared-statement.ts";
import { isWorkable, itemsOfChunk, theChunk, unfinished } from "./chunk-queries.ts";
import type { ChunkId, ClaimedChunk, Ledger } from "./ledger.ts";
import { toFinishedColumns } from "./rows.ts";
import type { LedgerTables } from "./tables.ts";
import type { Writer } from "./write-batches.ts";

type Db = Kysely<LedgerTables>;
type ChunkRow = LedgerTables["reinstate_chunks"];

/** A chunk that may be claimed, with its items. */
type FreeChunk = Pick<ChunkRow, "seq" | "state" | "item_count" | "origin_generation" | "origin_seq"> &
  Pick<LedgerTables["reinstate_items"], "codec" | "packed"> & { generation: number; attempts: number };

/** Creates the part of the ledger that gives chunks an owner, and takes their results. */
export function createClaims(
  database: Database,
  { writeOverrides }: Pick<Writer, "writeOverrides">,
): Pick<Ledger, "lockNext" | "claim" | "renew" | "finishChunk" | "release"> {
  const db = database.tables<LedgerTables>();
  const { nextWaiting, nextToClaim, finish } = prepareStatements(database);

  return {
    async lockNext(batchId, now, transaction) {
      const [row] = (await nextWaiting(transaction, { batchId, now })).rows;
      return row && toClaimedChunk(batchId, row);
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
        return toClaimedChunk(batchId, row);
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
  };
}

/** Prepares the statements that run for every chunk. */
function prepareStatements(database: Database) {
  const db = database.tables<LedgerTables>();
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
  return {
    nextWaiting: nextChunk(() => sql`state = 'waiting'`),
    nextToClaim: nextChunk((now) => sql`(state <> 'claimed' or lease_until < ${now})`),
    finish: statement(
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
    ),
  };
}

/** Builds the chunk that its next owner receives. */
export function toClaimedChunk(batchId: number, row: FreeChunk): ClaimedChunk {
  return {
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
  };
}
