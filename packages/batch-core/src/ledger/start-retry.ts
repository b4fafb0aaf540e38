import type { Kysely } from "kysely";
import { type Packed, pack, unpack } from "../batch/chunk-codec.ts";
import { addResult, type CodeCounts, readCodes, subtractCodes, writeCodes } from "../batch/codes.ts";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { isRetried, itemsOfChunk, readRetries, theChunk } from "./chunk-queries.ts";
import type { ChunkId, Ledger, Retry } from "./ledger.ts";
import { noKeptCounts, type WrittenChunk } from "./rows.ts";
import type { LedgerTables } from "./tables.ts";
import type { Writer } from "./write-batches.ts";

type Db = Kysely<LedgerTables>;

/** Chunks that are read and written per page. */
const pageSize = 100;

/** Starts a new generation with the failed items of a finished batch. */
export function createRetry(
  database: Database,
  { writeChunks, recordEvent }: Pick<Writer, "writeChunks"> & Pick<Ledger, "recordEvent">,
): Ledger["retry"] {
  return async (id, now, { code, act, begun } = {}) => {
    const begin = async (transaction: LedgerTransaction) => {
      const on = transaction as Db;
      const batch = await on
        .selectFrom("reinstate_batches")
        .select(["generation", "status"])
        .where("id", "=", id)
        .$if(database.dialect === "postgres", (query) => query.forUpdate())
        .executeTakeFirst();
      if (!batch || (batch.status !== "completed" && batch.status !== "failed")) return 0;
      const generation = batch.generation + 1;
      const items = await copyFailedItems(on, { id, generation, code, now }, writeChunks);
      if (items === 0) throw new NothingFailed();
      const facts = { items, ...(code !== undefined && { code }) };
      await recordEvent(id, { verb: "retried", at: now, generation, facts, ...act }, transaction);
      await on
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
      await begun?.(generation, transaction);
      return items;
    };
    return database.transaction(begin).catch((error: unknown) => {
      if (error instanceof NothingFailed) return 0;
      throw error;
    });
  };
}

/** Rolls back a retry that has no items. */
class NothingFailed extends Error {}

interface NewGeneration {
  id: number;
  generation: number;
  code: string | undefined;
  now: number;
}

/** Writes the failed items of every chunk as a chunk of the new generation. Returns the number of items. */
async function copyFailedItems(
  on: Db,
  { id, generation, code, now }: NewGeneration,
  writeChunks: Writer["writeChunks"],
): Promise<number> {
  let items = 0;
  let seq = 0;
  // One new chunk for each chunk with failures, so memory holds one page of chunks whatever the size of the batch.
  for (let after = { generation: -1, seq: -1 }; ; ) {
    const page = await selectFailedChunks(on, id, after, generation);
    const last = page.at(-1);
    if (!last) return items;
    after = last;
    const chunks: WrittenChunk[] = [];
    for (const source of page) {
      const retries = readRetries(source.retries);
      const failed = await selectFailedItems(on, { batchId: id, ...source }, { retries, code });
      if (failed.items.length === 0) continue;
      const packed: Packed = pack(failed.items, failed.codec === "integers" ? undefined : "json");
      chunks.push({ batchId: id, generation, seq: seq++, packed, now });
      items += failed.items.length;
      await theChunk(on, { batchId: id, ...source })
        .set({
          retried: source.retried + failed.items.length,
          retries: JSON.stringify([...retries, { generation, code }]),
          codes: writeCodes(subtractCodes(readCodes(source.codes), failed.codes)),
        })
        .execute();
    }
    await writeChunks(on, chunks);
  }
}

/** Returns the next chunks with failed items that no retry includes. */
function selectFailedChunks(on: Db, id: number, after: Pick<ChunkId, "generation" | "seq">, before: number) {
  return on
    .selectFrom("reinstate_chunks")
    .select(["generation", "seq", "retried", "retries", "codes"])
    .where("batch_id", "=", id)
    .where("generation", "<", before)
    .where("refused", "=", 0)
    .whereRef("failed", ">", "retried")
    .where(({ eb, refTuple, tuple }) => eb(refTuple("generation", "seq"), ">", tuple(after.generation, after.seq)))
    .orderBy("generation")
    .orderBy("seq")
    .limit(pageSize)
    .execute();
}

/** Returns the items of a chunk that failed, with this code if there is one, and that no retry includes. */
async function selectFailedItems(
  on: Db,
  { batchId, generation, seq }: ChunkId,
  { retries, code }: { retries: readonly Retry[]; code: string | undefined },
) {
  const chunk = await on
    .selectFrom("reinstate_chunks as c")
    .innerJoin("reinstate_items as i", itemsOfChunk)
    .select(["c.rest_outcome", "c.rest_code", "i.codec", "i.packed"])
    .where("c.batch_id", "=", batchId)
    .where("c.generation", "=", generation)
    .where("c.seq", "=", seq)
    .executeTakeFirstOrThrow();
  const rows = await on
    .selectFrom("reinstate_outcomes")
    .select(["position", "outcome", "code"])
    .where("batch_id", "=", batchId)
    .where("generation", "=", generation)
    .where("seq", "=", seq)
    .execute();
  const overrides = new Map(rows.map((row) => [row.position, row]));
  const commonOutcome = { outcome: chunk.rest_outcome ?? "done", code: chunk.rest_code };
  const codes: CodeCounts = new Map();
  const items = unpack(chunk.codec, chunk.packed).filter((_, position) => {
    const result = overrides.get(position) ?? commonOutcome;
    if (result.outcome !== "failed" || isRetried(retries, result.code)) return false;
    if (code !== undefined && result.code !== code) return false;
    addResult(codes, { ...result, message: null }, 1);
    return true;
  });
  return { codec: chunk.codec, items, codes };
}
