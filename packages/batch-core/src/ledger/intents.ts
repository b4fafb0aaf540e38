import type { Database } from "../database/database.ts";
import type { ItemKey, Work } from "../operation/operation.ts";
import type { LedgerTables } from "./tables.ts";

/** The chunk of a batch, in one of its generations. */
export type ChunkId = Pick<Work<unknown, unknown>, "batchId" | "generation" | "seq">;

/** The items that were about to be sent to a vendor for a chunk. */
export interface Intent<Key extends ItemKey> {
  /** The items that calls may have changed. */
  keys: Key[];
  /** The items that calls have changed, as their replies show. */
  done: Key[];
  /** The vendor's job, once its id is known. */
  reference: string | null;
}

/** The items of a chunk that calls may have changed, and those that they have changed (default: none). */
export interface IntendedItems<Key extends ItemKey> {
  keys: readonly Key[];
  done?: readonly Key[];
}

/**
 * The write-ahead journal of calls to vendors. Items are stored before they are sent, so a worker that takes a chunk over knows
 * which items the previous worker may have changed.
 */
export interface Intents<Key extends ItemKey> {
  /** Returns undefined if nothing was sent for the chunk. */
  find(chunk: ChunkId): Promise<Intent<Key> | undefined>;
  /** Stores the items that are about to be sent, and those that earlier calls have changed; replaces earlier ones. */
  intend(chunk: ChunkId, items: IntendedItems<Key>): Promise<void>;
  /** Stores the vendor's job that the call has started. */
  confirm(chunk: ChunkId, reference: string): Promise<void>;
  /** Stores that the calls changed at most these items. The rest was rejected, or was not sent. */
  narrow(chunk: ChunkId, items: IntendedItems<Key>): Promise<void>;
}

/**
 * Creates the journal of calls to vendors in the ledger's database.
 *
 * @example const intents = createIntents<number>(host.database);
 */
export function createIntents<Key extends ItemKey>(database: Database): Intents<Key> {
  const db = database.tables<LedgerTables>();
  const columns = ({ batchId, generation, seq }: ChunkId) => ({ batch_id: batchId, generation, seq });

  /** Deletes the intents of finished chunks. Those of the last chunks are deleted with the batch. */
  async function deleteFinished({ batchId }: ChunkId): Promise<void> {
    await db
      .deleteFrom("reinstate_intents as i")
      .where("batch_id", "=", batchId)
      .where(({ exists, selectFrom }) =>
        exists(
          selectFrom("reinstate_chunks as c")
            .select("c.seq")
            .whereRef("c.batch_id", "=", "i.batch_id")
            .whereRef("c.generation", "=", "i.generation")
            .whereRef("c.seq", "=", "i.seq")
            .where("c.state", "=", "finished"),
        ),
      )
      .execute();
  }

  async function store(chunk: ChunkId, { keys, done = [] }: IntendedItems<Key>): Promise<void> {
    const values = { keys: JSON.stringify(keys), done: JSON.stringify(done), reference: null };
    await db
      .insertInto("reinstate_intents")
      .values({ ...columns(chunk), ...values })
      .onConflict((conflict) => conflict.columns(["batch_id", "generation", "seq"]).doUpdateSet(values))
      .execute();
  }

  return {
    async find(chunk) {
      const row = await db
        .selectFrom("reinstate_intents")
        .select(["keys", "done", "reference"])
        .where((where) => where.and(columns(chunk)))
        .executeTakeFirst();
      if (!row) return undefined;
      return { keys: JSON.parse(row.keys) as Key[], done: JSON.parse(row.done) as Key[], reference: row.reference };
    },

    async intend(chunk, items) {
      await deleteFinished(chunk);
      await store(chunk, items);
    },

    async confirm(chunk, reference) {
      await db
        .updateTable("reinstate_intents")
        .set({ reference })
        .where((where) => where.and(columns(chunk)))
        .execute();
    },

    narrow: store,
  };
}
