import { type JoinBuilder, type Kysely, sql } from "kysely";
import type { ItemResult } from "../batch/item-result.ts";
import type { ChunkId, Retry } from "./ledger.ts";
import type { LedgerTables } from "./tables.ts";

/**
 * Performance: repeats the predicate of a partial index literally, and so do limits. With bound parameters in these places, SQLite
 * would plan the statement again on every execution.
 */
export const unfinished = (table = "reinstate_chunks") => sql<boolean>`${sql.ref(`${table}.state`)} <> 'finished'`;

/** Whether a batch is pending or in progress. Repeats the predicate of its partial index literally too. */
export const isWorkable = (table = "reinstate_batches") =>
  sql<boolean>`${sql.ref(`${table}.status`)} in ('pending', 'in_progress')`;

/** Builds an update of one chunk. */
export const theChunk = (on: Kysely<LedgerTables>, { batchId, generation, seq }: ChunkId) =>
  on
    .updateTable("reinstate_chunks")
    .where("batch_id", "=", batchId)
    .where("generation", "=", generation)
    .where("seq", "=", seq);

/** Joins the items `i` of a chunk `c`. */
// biome-ignore lint/suspicious/noExplicitAny: `c` is the table in one query and a subquery in another.
export const itemsOfChunk = (join: JoinBuilder<any, any>) =>
  join.onRef("i.batch_id", "=", "c.batch_id").onRef("i.generation", "=", "c.generation").onRef("i.seq", "=", "c.seq");

/** Parses the `retries` column of a chunk. */
export const readRetries = (text: string | null): Retry[] => (text === null ? [] : (JSON.parse(text) as Retry[]));

/** Reports whether a generation up to `last` has taken over an item with this result. */
export function isRetried(
  retries: readonly Retry[],
  { outcome, code }: Pick<ItemResult, "outcome" | "code">,
  last = Number.POSITIVE_INFINITY,
): boolean {
  return retries.some(
    (retry) =>
      retry.generation <= last &&
      (retry.outcome ?? "failed") === outcome &&
      (retry.code === undefined || retry.code === code),
  );
}
