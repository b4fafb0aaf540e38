import type { Kysely } from "kysely";
import { type Packed, pack, unpack } from "../batch/chunk-codec.ts";
import { addResult, type CodeCounts, readCodes, subtractCodes, writeCodes } from "../batch/codes.ts";
import type { LedgerTransaction } from "../database/database.ts";
import { isRetried, itemsOfChunk, readRetries, theChunk } from "./chunk-queries.ts";
import type { ChunkId, Retry } from "./ledger.ts";
import type { WrittenChunk } from "./rows.ts";
import type { LedgerTables } from "./tables.ts";
import type { Writer } from "./write-batches.ts";

type Db = Kysely<LedgerTables>;

/** Chunks that are read and written per page. */
const pageSize = 100;

/** The items that a new generation takes over from all earlier ones. */
export interface Selection {
  id: number;
  generation: number;
  outcome: "failed" | "unknown";
  /** Only items with this code. */
  code: string | undefined;
  now: number;
}

/** A chunk of a new generation, and the chunk that its items come from. */
export interface TakenOver {
  chunk: WrittenChunk;
  items: unknown[];
  source: ChunkId;
}

/**
 * Writes the selected items of every chunk as a chunk of the new generation, as `prepare` returns it. The items no longer count in their
 * old chunks. Returns the number of items.
 */
export async function takeOverItems(
  on: LedgerTransaction,
  selection: Selection,
  writeChunks: Writer["writeChunks"],
  prepare: (taken: TakenOver) => WrittenChunk | Promise<WrittenChunk>,
): Promise<number> {
  const { id, generation, outcome, code, now } = selection;
  let items = 0;
  let seq = 0;
  // One new chunk for each chunk with such items, so memory holds one page of chunks whatever the size of the batch.
  for (let after = { generation: -1, seq: -1 }; ; ) {
    const page = await selectSources(on, selection, after);
    const last = page.at(-1);
    if (!last) return items;
    after = last;
    const chunks: WrittenChunk[] = [];
    for (const row of page) {
      const source = { batchId: id, generation: row.generation, seq: row.seq };
      const retries = readRetries(row.retries);
      const found = await selectItems(on, source, { retries, outcome, code });
      if (found.items.length === 0) continue;
      const packed: Packed = pack(found.items, found.codec === "integers" ? undefined : "json");
      const origin = { generation: row.origin_generation ?? row.generation, seq: row.origin_seq ?? row.seq };
      const chunk: WrittenChunk = { batchId: id, generation, seq: seq++, packed, now, origin };
      chunks.push(await prepare({ chunk, items: found.items, source }));
      items += found.items.length;
      const column = outcome === "failed" ? "retried" : "resolved";
      await theChunk(on, source)
        .set({
          [column]: row[column] + found.items.length,
          retries: JSON.stringify([...retries, { generation, code, ...(outcome === "unknown" && { outcome }) }]),
          codes: writeCodes(subtractCodes(readCodes(row.codes), found.codes)),
        })
        .execute();
    }
    await writeChunks(on, chunks);
  }
}

/** Returns the next chunks with such items that no later generation has taken over. */
function selectSources(on: Db, { id, generation, outcome }: Selection, after: Pick<ChunkId, "generation" | "seq">) {
  return (
    on
      .selectFrom("reinstate_chunks")
      .select(["generation", "seq", "retried", "resolved", "retries", "codes", "origin_generation", "origin_seq"])
      .where("batch_id", "=", id)
      .where("generation", "<", generation)
      .where("refused", "=", 0)
      .whereRef(outcome, ">", outcome === "failed" ? "retried" : "resolved")
      // Such items have codes. Repeats the predicate of PostgreSQL's partial index.
      .where("codes", "is not", null)
      .where(({ eb, refTuple, tuple }) => eb(refTuple("generation", "seq"), ">", tuple(after.generation, after.seq)))
      .orderBy("generation")
      .orderBy("seq")
      .limit(pageSize)
      .execute()
  );
}

/** Returns the items of a chunk with this outcome, and with this code if there is one, that no later generation has taken over. */
async function selectItems(
  on: Db,
  { batchId, generation, seq }: ChunkId,
  { retries, outcome, code }: { retries: readonly Retry[] } & Pick<Selection, "outcome" | "code">,
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
    if (result.outcome !== outcome || isRetried(retries, result)) return false;
    if (code !== undefined && result.code !== code) return false;
    addResult(codes, { ...result, message: null }, 1);
    return true;
  });
  return { codec: chunk.codec, items, codes };
}
