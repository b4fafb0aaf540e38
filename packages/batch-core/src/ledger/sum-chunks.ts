import { type Kysely, sql } from "kysely";
import type { Database } from "../database/database.ts";
import type { ChunkSums } from "./batch-rows.ts";
import type { LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;

/** Computes the sums over the chunks of batches. A batch without chunks is left out. */
export async function sumChunks(database: Database, on: Db, ids: number[]): Promise<Map<number, ChunkSums>> {
  if (ids.length === 0) return new Map();
  const rows = await on
    .selectFrom("reinstate_chunks")
    .select(({ fn }) => [
      "batch_id",
      fn.sum<number>("done").as("done"),
      fn.sum<number>("skipped").as("skipped"),
      fn.sum<number>("failed").as("failed"),
      fn.sum<number>("retried").as("retried"),
      fn.sum<number>("unknown").as("unknown"),
      fn.sum<number>("resolved").as("resolved"),
      fn.max("finished_at").as("finished_at"),
      fn.count<number>("tally").as("tallies"),
    ])
    .where(database.anyOf("batch_id", ids))
    .groupBy("batch_id")
    .execute();
  const tallied = rows.filter((row) => Number(row.tallies) > 0).map((row) => row.batch_id);
  const tallies = tallied.length === 0 ? [] : await readTallies(database, on, tallied);
  return new Map(
    rows.map((row) => [
      row.batch_id,
      {
        counts: {
          done: Number(row.done),
          skipped: Number(row.skipped),
          failed: Number(row.failed) - Number(row.retried),
          unknown: Number(row.unknown) - Number(row.resolved),
        },
        tally: Object.fromEntries(
          tallies.filter(({ batch_id }) => batch_id === row.batch_id).map(({ name, sum }) => [name, Number(sum)]),
        ),
        finishedAt: row.finished_at ?? 0,
      },
    ]),
  );
}

async function readTallies(database: Database, on: Db, ids: number[]) {
  const each =
    database.dialect === "sqlite"
      ? sql`select batch_id, key as name, sum(value) as sum from reinstate_chunks, json_each(tally)`
      : sql`select batch_id, key as name, sum(value::bigint) as sum from reinstate_chunks, jsonb_each_text(tally::jsonb)`;
  const { rows } = await sql<{ batch_id: number; name: string; sum: number }>`
    ${each} where tally is not null and ${database.anyOf("batch_id", ids)} group by batch_id, name
  `.execute(on);
  return rows;
}
