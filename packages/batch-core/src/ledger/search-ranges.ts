import { type Kysely, type RawBuilder, sql } from "kysely";
import type { Ledger } from "./ledger.ts";
import type { LedgerTables } from "./tables.ts";

/**
 * Creates the search for an integer by the ranges of batches and chunks.
 *
 * Performance: no index serves these ranges, because each accepted batch would be written to it. Instead a statement reads a window of
 * rows by the primary key. It returns the rows that match, and the last row of the window with the number of its rows.
 */
export function createRangeSearch(db: Kysely<LedgerTables>): Pick<Ledger, "findRanges" | "findChunkRanges"> {
  return {
    async findRanges({ operation, target, item, account, batch, before = Number.MAX_SAFE_INTEGER, window }) {
      const matches = [sql`operation = ${operation}`, sql`target = ${target}`, encloses(item)];
      if (account !== undefined) matches.push(sql`account = ${account}`);
      const place = batch === undefined ? sql`id < ${before}` : sql`id = ${batch} and id < ${before}`;
      const { rows } = await sql<{ id: number; read: number | null }>`
        with w as (
          select id, operation, target, account, first_item, last_item from reinstate_batches
          where ${place} order by id desc limit ${sql.lit(window)}
        )
        select id, null as read from w where ${sql.join(matches, sql` and `)}
        union all select id, read from (select min(id) as id, count(*) as read from w) as l where read = ${window}
      `.execute(db);
      const found = rows.filter(({ read }) => read === null).map(({ id }) => id);
      return { found: found.sort((a, b) => b - a), next: rows.find(({ read }) => read !== null)?.id };
    },

    async findChunkRanges({ batchId, item, after = { generation: 0, seq: -1 }, window }) {
      const { rows } = await sql<{ generation: number; seq: number; read: number | null }>`
        with w as (
          select generation, seq, first_item, last_item from reinstate_chunks
          where batch_id = ${batchId} and (generation, seq) > (${after.generation}, ${after.seq})
          order by generation, seq limit ${sql.lit(window)}
        )
        select generation, seq, null as read from w where ${encloses(item)}
        union all select generation, seq, read from (
          select generation, seq, (select count(*) from w) as read from w order by generation desc, seq desc limit 1
        ) as l where read = ${window}
      `.execute(db);
      const found = rows
        .filter(({ read }) => read === null)
        .map(({ generation, seq }) => ({ batchId, generation, seq }));
      const last = rows.find(({ read }) => read !== null);
      return {
        found: found.sort((a, b) => a.generation - b.generation || a.seq - b.seq),
        next: last && { generation: last.generation, seq: last.seq },
      };
    },
  };
}

const encloses = (item: number): RawBuilder<unknown> => sql`first_item <= ${item} and last_item >= ${item}`;
