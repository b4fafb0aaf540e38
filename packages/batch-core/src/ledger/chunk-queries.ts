import { type JoinBuilder, type Kysely, sql } from "kysely";
import type { ChunkId, Retry } from "./ledger.ts";
import type { LedgerTables } from "./tables.ts";

/**
 * Said in the very words of a partial index. SQLite compares a parameter's value with them when it plans, and looks at the value of a
 * limit: with parameters in these places it plans the statement anew each time that it is run.
 */
export const unfinished = (table = "reinstate_chunks") => sql<boolean>`${sql.ref(`${table}.state`)} <> 'finished'`;

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
