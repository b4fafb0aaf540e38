import { type Kysely, sql } from "kysely";
import type { Database } from "../database.ts";
import type { ChunkId, Ledger } from "../ledger.ts";
import type { Settlement } from "../settle.ts";
import { statement } from "../statement.ts";
import { createIdsAhead } from "./ids-ahead.ts";
import { batchRow, chunkRow, itemsRow, newlyClaimed, type WrittenChunk } from "./rows.ts";
import { type LedgerTables, neighbours } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** Rows per INSERT: far below the parameter limits of both databases. */
const rowsPerInsert = 500;
/** Packed items per INSERT, so that wide items need no more memory than narrow ones. */
const bytesPerInsert = 1_000_000;

export type Writer = ReturnType<typeof createWriter>;

/** What writes batches and their chunks for the first time. */
export function createWriter(database: Database) {
  const db = database.tables<LedgerTables>();

  async function writeExceptions(on: Db, { batchId, generation, seq }: ChunkId, settlement: Settlement) {
    for (const slice of slices(settlement.exceptions)) {
      await on
        .insertInto("reinstate_outcomes")
        .values(slice.map((exception) => ({ batch_id: batchId, generation, seq, ...exception })))
        .execute();
    }
  }

  const nextId = statement(() => ({
    compile: () => sql<{ id: number }>`select coalesce(max(id), 0) + 1 as id from reinstate_batches`.compile(db),
  }));
  const drawIds = statement(
    ({ count }: { count: number }) => ({
      compile: () =>
        sql<{
          id: number;
        }>`select nextval('reinstate_batches_id_seq') as id from generate_series(1, ${count}::int)`.compile(db),
    }),
    { byKey: true },
  );
  const idsAhead = createIdsAhead();
  async function reserveId(on: Db, now: number): Promise<number> {
    if (database.dialect === "sqlite") return (await nextId(on, {})).rows[0]?.id as number;
    return idsAhead.take(async (count) => (await drawIds(on, { count })).rows.map(({ id }) => id), now);
  }

  // Nobody needs their answers: on PostgreSQL they travel with the COMMIT.
  const insertBatch = statement((row: ReturnType<typeof batchRow>) => db.insertInto("reinstate_batches").values(row), {
    awaited: false,
  });
  const insertNeighbour = statement((row: LedgerTables["reinstate_neighbours"]) =>
    db
      .insertInto("reinstate_neighbours")
      .values(row)
      .onConflict((conflict) => conflict.doNothing()),
  );
  const insertOpen = statement((row: ReturnType<typeof chunkRow>) => db.insertInto("reinstate_chunks").values(row), {
    awaited: false,
  });
  const insertItems = statement((row: ReturnType<typeof itemsRow>) => db.insertInto("reinstate_items").values(row), {
    awaited: false,
  });

  async function writeChunks(on: Db, chunks: WrittenChunk[]) {
    const [chunk] = chunks;
    if (!chunk) return;
    if (chunks.length > 1) {
      await on.insertInto("reinstate_chunks").values(chunks.map(chunkRow)).execute();
      await on.insertInto("reinstate_items").values(chunks.map(itemsRow)).execute();
    } else {
      await insertOpen(on, chunkRow(chunk));
      await insertItems(on, itemsRow(chunk));
    }
    for (const chunk of chunks) if (chunk.settled) await writeExceptions(on, chunk, chunk.settled);
  }

  const accept: Ledger["accept"] = async (batch, chunks, now, { transaction, claim, workOff } = {}) => {
    const insert = async (on: Db) => {
      const batchId = await reserveId(on, now);
      // What is worked off here is written when it is known how that ended.
      if (!workOff) await insertBatch(on, batchRow(batchId, batch, now, claim ? "in_progress" : "pending"));
      if (database.dialect === "sqlite") {
        await insertNeighbour(on, { account: batch.account, neighbourhood: Math.floor(batchId / neighbours) });
      }
      let seq = 0;
      let slice: WrittenChunk[] = [];
      let bytes = 0;
      for await (const { packed, refused } of chunks) {
        const chunk = { batchId, generation: 0, seq: seq++, packed, now };
        if (refused) slice.push({ ...chunk, settled: refused, refused: true });
        else if (workOff) slice.push({ ...chunk, settled: await workOff(newlyClaimed(chunk)) });
        else {
          claim?.hand(newlyClaimed(chunk));
          slice.push({ ...chunk, claim });
        }
        bytes += packed.bytes.length;
        if (slice.length < rowsPerInsert && bytes < bytesPerInsert) continue;
        await writeChunks(on, slice);
        slice = [];
        bytes = 0;
      }
      const only = seq === 1 ? slice[0] : undefined;
      if (workOff && only?.settled && !only.refused) {
        await insertBatch(on, batchRow(batchId, batch, now, "completed", only.packed, only.settled));
        await writeExceptions(on, only, only.settled);
        return batchId;
      }
      await writeChunks(on, slice);
      if (workOff) await insertBatch(on, batchRow(batchId, batch, now, "completed"));
      return batchId;
    };
    return transaction ? insert(transaction as Db) : database.transaction((trx) => insert(trx as Db));
  };

  return { accept, writeChunks, writeExceptions };
}

function* slices<Row>(rows: readonly Row[]): Generator<Row[]> {
  for (let start = 0; start < rows.length; start += rowsPerInsert) yield rows.slice(start, start + rowsPerInsert);
}
