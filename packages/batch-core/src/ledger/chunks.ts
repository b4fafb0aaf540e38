import type { JoinBuilder, Kysely } from "kysely";
import type { ChunkId, Retry } from "../ledger.ts";
import type { LedgerTables } from "./tables.ts";

/** A change of one chunk. */
export const theChunk = (on: Kysely<LedgerTables>, { batchId, generation, seq }: ChunkId) =>
  on
    .updateTable("reinstate_chunks")
    .where("batch_id", "=", batchId)
    .where("generation", "=", generation)
    .where("seq", "=", seq);

/** Joins the items `i` of a chunk `c`. */
// biome-ignore lint/suspicious/noExplicitAny: `c` is the table in one query and a part of it in another.
export const itemsOfChunk = (join: JoinBuilder<any, any>) =>
  join.onRef("i.batch_id", "=", "c.batch_id").onRef("i.generation", "=", "c.generation").onRef("i.seq", "=", "c.seq");

/** Parses the retries in the row of a chunk. */
export const readRetries = (text: string | null): Retry[] => (text === null ? [] : (JSON.parse(text) as Retry[]));

/** Reports whether a generation up to `last` runs an item again that failed with this code. */
export function isRetried(retries: readonly Retry[], code: string | null, last = Number.POSITIVE_INFINITY): boolean {
  return retries.some((retry) => retry.generation <= last && (retry.code === undefined || retry.code === code));
}
