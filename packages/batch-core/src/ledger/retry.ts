import type { Kysely } from "kysely";
import type { Database } from "../database.ts";
import type { Ledger } from "../ledger.ts";
import { type Packed, pack, unpack } from "../pack.ts";
import { itemsOfChunk, theChunk } from "./chunks.ts";
import { noChunk, type WrittenChunk } from "./rows.ts";
import { holdsChunk, type LedgerTables, type OnlyChunk, onlyChunkColumns } from "./tables.ts";
import type { Writer } from "./write.ts";

type Db = Kysely<LedgerTables>;

/** Makes a new generation of a finished batch from its failed items. */
export function createRetry(database: Database, writeChunks: Writer["writeChunks"]): Ledger["retry"] {
  return async (id, now, begun) => {
    return database.transaction(async (transaction) => {
      const on = transaction as Db;
      const batch = await on
        .selectFrom("reinstate_batches")
        .select(["generation", "status", "total", "finished_at"])
        .select(onlyChunkColumns)
        .where("id", "=", id)
        .$if(database.dialect === "postgres", (query) => query.forUpdate())
        .executeTakeFirst();
      if (!batch || (batch.status !== "completed" && batch.status !== "failed")) return 0;
      const { generation: before, status: _, ...row } = batch;
      if (holdsChunk(row)) await unfold(on, id, row);
      const generation = before + 1;
      const failing = on
        .selectFrom("reinstate_chunks")
        .select(["generation", "seq"])
        .where("batch_id", "=", id)
        .where("refused", "=", 0)
        .whereRef("failed", ">", "retried")
        .orderBy("generation")
        .orderBy("seq");
      let items = 0;
      let seq = 0;
      // Each failing chunk becomes one of its failed items, so memory holds one page of chunks whatever the batch.
      for (let after = { generation: -1, seq: -1 }; ; ) {
        const page = await failing
          .where(({ eb, refTuple, tuple }) =>
            eb(refTuple("generation", "seq"), ">", tuple(after.generation, after.seq)),
          )
          .limit(100)
          .execute();
        const last = page.at(-1);
        if (!last) break;
        after = last;
        const chunks: WrittenChunk[] = [];
        for (const source of page) {
          const failed = await failedItems(on, id, source);
          const packed: Packed = pack(failed.items, failed.codec === "integers" ? undefined : "json");
          chunks.push({ batchId: id, generation, seq: seq++, packed, now });
          items += failed.items.length;
          await theChunk(on, { batchId: id, ...source })
            .set(({ ref }) => ({ retried: ref("failed") }))
            .execute();
        }
        await writeChunks(on, chunks);
      }
      if (items === 0) return 0;
      await on
        .updateTable("reinstate_batches")
        .set({
          status: "in_progress",
          generation,
          error: null,
          next_allowed_at: null,
          updated_at: now,
          finished_at: null,
          ...noChunk,
        })
        .where("id", "=", id)
        .execute();
      await begun?.(generation, transaction);
      return items;
    });
  };
}

/** Gives the only chunk of a batch rows of its own, which a retry can go on from. */
async function unfold(on: Db, id: number, row: OnlyChunk & { total: number; finished_at: number | null }) {
  const { codec, packed, total, ...end } = row;
  const chunk = { batch_id: id, generation: 0, seq: 0 };
  await on
    .insertInto("reinstate_chunks")
    .values({ ...chunk, ...end, state: "finished", item_count: total })
    .execute();
  await on
    .insertInto("reinstate_items")
    .values({ ...chunk, codec, packed })
    .execute();
  await on.updateTable("reinstate_batches").set(noChunk).where("id", "=", id).execute();
}

async function failedItems(on: Db, batchId: number, { generation, seq }: { generation: number; seq: number }) {
  const chunk = await on
    .selectFrom("reinstate_chunks as c")
    .innerJoin("reinstate_items as i", itemsOfChunk)
    .select(["c.rest_outcome", "i.codec", "i.packed"])
    .where("c.batch_id", "=", batchId)
    .where("c.generation", "=", generation)
    .where("c.seq", "=", seq)
    .executeTakeFirstOrThrow();
  const rows = await on
    .selectFrom("reinstate_outcomes")
    .select(["position", "outcome"])
    .where("batch_id", "=", batchId)
    .where("generation", "=", generation)
    .where("seq", "=", seq)
    .execute();
  const outcomes = new Map(rows.map(({ position, outcome }) => [position, outcome]));
  const items = unpack(chunk.codec, chunk.packed).filter(
    (_, position) => (outcomes.get(position) ?? chunk.rest_outcome ?? "done") === "failed",
  );
  return { codec: chunk.codec, items };
}
