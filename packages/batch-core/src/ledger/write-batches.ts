import { type Kysely, sql } from "kysely";
import { type IntegerRange, widenRange } from "../batch/chunk-codec.ts";
import { addChunkResult, type ChunkResult, noSums, type Sums } from "../batch/chunk-result.ts";
import type { Database } from "../database/database.ts";
import { statement } from "../database/prepared-statement.ts";
import { createIdPool } from "./id-pool.ts";
import type { Acceptance, ChunkId, Ledger } from "./ledger.ts";
import { type AcceptedBatch, batchRow, chunkRow, itemsRow, newlyClaimed, type WrittenChunk } from "./rows.ts";
import type { LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** Rows per INSERT: far below the parameter limits of both databases. */
const rowsPerInsert = 500;
/** Bytes of packed items per INSERT. It bounds the memory that wide items need. */
const bytesPerInsert = 1_000_000;

export type Writer = ReturnType<typeof createWriter>;

type Chunks = Parameters<Ledger["accept"]>[1];

/** Creates the part of the ledger that writes new batches and chunks. */
export function createWriter(database: Database) {
  const { reserveId, insertBatch, insertChunk, insertItems } = prepareStatements(database);

  async function writeOverrides(on: Db, { batchId, generation, seq }: ChunkId, { overrides }: ChunkResult) {
    for (const slice of slices(overrides)) {
      await on
        .insertInto("reinstate_outcomes")
        .values(slice.map((override) => ({ batch_id: batchId, generation, seq, ...override })))
        .execute();
    }
  }

  async function writeChunks(on: Db, chunks: WrittenChunk[]) {
    const [chunk] = chunks;
    if (!chunk) return;
    if (chunks.length > 1) {
      await on.insertInto("reinstate_chunks").values(chunks.map(chunkRow)).execute();
      await on.insertInto("reinstate_items").values(chunks.map(itemsRow)).execute();
    } else {
      await insertChunk(on, chunkRow(chunk));
      await insertItems(on, itemsRow(chunk));
    }
    for (const chunk of chunks) if (chunk.settled) await writeOverrides(on, chunk, chunk.settled);
  }

  /**
   * Writes the chunks of a new batch as they arrive. `prepare` sets the initial state of each chunk that was not rejected. Returns the
   * sums over the chunks that are already finished, and the range of the items.
   */
  async function writeEach(
    on: Db,
    { id, now }: AcceptedBatch,
    chunks: Chunks,
    prepare: (chunk: WrittenChunk) => WrittenChunk | Promise<WrittenChunk>,
  ): Promise<{ sums: Sums; range: IntegerRange | undefined }> {
    const sums = noSums();
    let range: IntegerRange | undefined;
    let seq = 0;
    let slice: WrittenChunk[] = [];
    let bytes = 0;
    for await (const { packed, refused } of chunks) {
      const chunk: WrittenChunk = { batchId: id, generation: 0, seq: seq++, packed, now };
      const prepared = refused ? { ...chunk, settled: refused, refused: true as const } : await prepare(chunk);
      if (prepared.settled) addChunkResult(sums, prepared.settled);
      range = widenRange(range, packed.range);
      slice.push(prepared);
      bytes += packed.bytes.length;
      if (slice.length < rowsPerInsert && bytes < bytesPerInsert) continue;
      await writeChunks(on, slice);
      slice = [];
      bytes = 0;
    }
    await writeChunks(on, slice);
    return { sums, range };
  }

  async function writeQueued(
    on: Db,
    accepted: AcceptedBatch,
    chunks: Chunks,
    { prepared = false }: Extract<Acceptance, { mode: "queued" }>,
  ): Promise<void> {
    const { range } = await writeEach(on, accepted, chunks, (chunk) => chunk);
    await insertBatch(on, batchRow({ ...accepted, range }, prepared ? "stopped" : "pending"));
  }

  async function writeLeased(
    on: Db,
    accepted: AcceptedBatch,
    chunks: Chunks,
    { worker, leaseUntil, take }: Extract<Acceptance, { mode: "leased" }>,
  ): Promise<void> {
    const { range } = await writeEach(on, accepted, chunks, (chunk) => {
      take(newlyClaimed(chunk));
      return { ...chunk, claim: { worker, leaseUntil } };
    });
    await insertBatch(on, batchRow({ ...accepted, range }, "in_progress"));
  }

  async function writeSettled(
    on: Db,
    accepted: AcceptedBatch,
    chunks: Chunks,
    { settle }: Extract<Acceptance, { mode: "within" }>,
  ): Promise<void> {
    const run = async (chunk: WrittenChunk) => ({ ...chunk, settled: await settle(newlyClaimed(chunk)) });
    const { sums, range } = await writeEach(on, accepted, chunks, run);
    await insertBatch(on, batchRow({ ...accepted, range }, "completed", sums));
  }

  const accept: Ledger["accept"] = (batch, chunks, now, acceptance = { mode: "queued" }, transaction) => {
    const write = async (on: Db) => {
      const accepted = { id: await reserveId(on, now), batch, now };
      if (acceptance.mode === "within") await writeSettled(on, accepted, chunks, acceptance);
      else if (acceptance.mode === "leased") await writeLeased(on, accepted, chunks, acceptance);
      else await writeQueued(on, accepted, chunks, acceptance);
      return accepted.id;
    };
    return transaction ? write(transaction as Db) : database.transaction((trx) => write(trx as Db));
  };

  return { accept, writeChunks, writeOverrides };
}

/** Prepares the statements of small batches, which are the most frequent. */
function prepareStatements(database: Database) {
  const db = database.tables<LedgerTables>();
  // Fire and forget: on PostgreSQL, these inserts are pipelined with the COMMIT.
  const unawaited = { awaited: false };
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
  const pool = createIdPool();
  const takeId = (on: Db, now: number) =>
    pool.take(async (count) => (await drawIds(on, { count })).rows.map(({ id }) => id), now);
  return {
    reserveId: database.dialect === "sqlite" ? async (on: Db) => (await nextId(on, {})).rows[0]?.id as number : takeId,
    insertBatch: statement(
      (row: ReturnType<typeof batchRow>) => db.insertInto("reinstate_batches").values(row),
      unawaited,
    ),
    insertChunk: statement(
      (row: ReturnType<typeof chunkRow>) => db.insertInto("reinstate_chunks").values(row),
      unawaited,
    ),
    insertItems: statement(
      (row: ReturnType<typeof itemsRow>) => db.insertInto("reinstate_items").values(row),
      unawaited,
    ),
  };
}

function* slices<Row>(rows: readonly Row[]): Generator<Row[]> {
  for (let start = 0; start < rows.length; start += rowsPerInsert) yield rows.slice(start, start + rowsPerInsert);
}
