import type { Kysely } from "kysely";
import { type Counts, noCounts } from "../batch/batch.ts";
import type { NewEvent } from "../batch/event.ts";
import type { Database, LedgerTransaction } from "../database/database.ts";
import type { Ledger } from "./ledger.ts";
import { noKeptCounts } from "./rows.ts";
import type { StoreSums } from "./store-sums.ts";
import type { LedgerTables } from "./tables.ts";
import { type Selection, type TakenOver, takeOverItems } from "./take-over-items.ts";
import type { Writer } from "./write-batches.ts";

type Db = Kysely<LedgerTables>;

interface Parts extends Pick<Writer, "writeChunks">, Pick<Ledger, "recordEvent"> {
  storeSums: StoreSums;
}

/** A change that gives some items of an ended batch new outcomes, in a new generation. */
interface Change extends Pick<Selection, "outcome" | "code"> {
  event: NewEvent;
  prepare(taken: TakenOver, transaction: LedgerTransaction): TakenOver["chunk"] | Promise<TakenOver["chunk"]>;
  /** Updates the row of the batch. */
  finish(generation: number, transaction: LedgerTransaction): Promise<void>;
}

/** Creates the part of the ledger that starts new generations: retries, reexaminations and marks. */
export function createGenerations(
  database: Database,
  { writeChunks, recordEvent, storeSums }: Parts,
): Pick<Ledger, "retry" | "reexamine" | "mark"> {
  /** Returns the number of items in the new generation; 0 if nothing has changed. */
  async function begin(id: number, now: number, change: Change): Promise<number> {
    const { outcome, code, event, prepare, finish } = change;
    const work = async (transaction: LedgerTransaction) => {
      const batch = await (transaction as Db)
        .selectFrom("reinstate_batches")
        .select(["generation", "status"])
        .where("id", "=", id)
        .$if(database.dialect === "postgres", (query) => query.forUpdate())
        .executeTakeFirst();
      if (!batch || (batch.status !== "completed" && batch.status !== "failed")) return 0;
      const generation = batch.generation + 1;
      const items = await takeOverItems(transaction, { id, generation, outcome, code, now }, writeChunks, (taken) =>
        prepare(taken, transaction),
      );
      if (items === 0) throw new NoItems();
      const facts = { ...event.facts, items, ...(code !== undefined && { code }) };
      await recordEvent(id, { ...event, generation, facts }, transaction);
      await finish(generation, transaction);
      return items;
    };
    return database.transaction(work).catch((error: unknown) => {
      if (error instanceof NoItems) return 0;
      throw error;
    });
  }

  /** Makes an ended batch run again, in a new generation. */
  async function reopen(id: number, generation: number, now: number, transaction: LedgerTransaction): Promise<void> {
    await (transaction as Db)
      .updateTable("reinstate_batches")
      .set({
        status: "in_progress",
        generation,
        error: null,
        next_allowed_at: null,
        updated_at: now,
        finished_at: null,
        ...noKeptCounts,
      })
      .where("id", "=", id)
      .execute();
  }

  return {
    retry: (id, now, { code, act, begun } = {}) =>
      begin(id, now, {
        outcome: "failed",
        code,
        event: { verb: "retried", at: now, ...act },
        // The items are sent anew, so nothing connects them with the earlier call.
        prepare: ({ chunk: { origin: _, ...chunk } }) => chunk,
        async finish(generation, transaction) {
          await reopen(id, generation, now, transaction);
          await begun?.(generation, transaction);
        },
      }),

    reexamine: (id, now, { toKey, act, begun }) =>
      begin(id, now, {
        outcome: "unknown",
        code: undefined,
        event: { verb: "reexamined", at: now, ...act },
        async prepare({ chunk, items, source }, transaction) {
          const { generation, seq } = chunk;
          const reference = await findReference(transaction, source);
          // All of them may have been sent, so a worker reads them back before it sends anything.
          const keys = JSON.stringify(items.map(toKey));
          await (transaction as Db)
            .insertInto("reinstate_intents")
            .values({ batch_id: id, generation, seq, keys, done: "[]", reference })
            .execute();
          return { ...chunk, interrupted: true };
        },
        async finish(generation, transaction) {
          await reopen(id, generation, now, transaction);
          await begun?.(generation, transaction);
        },
      }),

    mark: (id, now, { as, code, note, actor }) =>
      begin(id, now, {
        outcome: "unknown",
        code,
        event: { verb: "marked", at: now, actor, note, facts: { outcome: as } },
        prepare({ chunk }) {
          const counts: Counts = { ...noCounts(), [as]: chunk.packed.count };
          const commonOutcome = { outcome: as, code: `marked_${as}`, message: note };
          return { ...chunk, settled: { counts, commonOutcome, overrides: [], tally: {} } };
        },
        async finish(generation, transaction) {
          await (transaction as Db)
            .updateTable("reinstate_batches")
            .set({ generation, updated_at: now, ...noKeptCounts })
            .where("id", "=", id)
            .execute();
          await storeSums(id, transaction);
        },
      }),
  };
}

/** Returns the vendor's job that a chunk has started, if it is still known. */
async function findReference(
  on: LedgerTransaction,
  { batchId, generation, seq }: TakenOver["source"],
): Promise<string | null> {
  const row = await (on as Db)
    .selectFrom("reinstate_intents")
    .select("reference")
    .where("batch_id", "=", batchId)
    .where("generation", "=", generation)
    .where("seq", "=", seq)
    .executeTakeFirst();
  return row?.reference ?? null;
}

/** Rolls back a change without items. */
class NoItems extends Error {}
