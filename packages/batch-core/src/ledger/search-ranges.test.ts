import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../operation/operation.ts";
import { createTestHost } from "../testing/test-host.ts";
import type { ChunkRangeQuery } from "./ledger.ts";
import { createRangeSearch } from "./search-ranges.ts";
import type { LedgerTables } from "./tables.ts";

const defineTouch = (name: string) =>
  defineOperation<number, unknown>({
    name,
    label: "row/touch",
    item: z.int(),
    params: z.unknown(),
    key: (id) => id,
    chunkSize: 2,
    inlineLimit: 0,
    apply: async ({ items }) => items.map((key) => ({ key, outcome: "done" })),
  });

/** Items of batches 1, 2, ... Two of them form a chunk. */
const lists = [[1, 9, 5, 5000], [5], [6, 7], [-5, 8, 1, 2, 3, 4, 0, 6, 7, 5], [4, 6, 5, 7]];

describe.each(ledgerDatabases)("the search by ranges on $name", ({ open }) => {
  test.each([1, 3, 1000])("finds everything in windows of %d rows", async (window) => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    host.register(defineTouch("test.rows.touch"), defineTouch("test.rows.other"));
    for (const items of lists) await host.batches.submit({ operation: "test.rows.touch", items, prepared: true });
    await host.batches.submit({ operation: "test.rows.other", items: [5], prepared: true });
    const search = createRangeSearch(host.database.tables<LedgerTables>());

    const query = { operation: "test.rows.touch", target: "local" as const, item: 5, window };
    const ids: number[] = [];
    let reads = 0;
    for (let before: number | undefined; ; reads++) {
      const { found, next } = await search.findRanges({ ...query, before });
      ids.push(...found);
      if (next === undefined) break;
      before = next;
    }
    const enclosing = lists.flatMap((items, index) =>
      Math.min(...items) <= 5 && Math.max(...items) >= 5 ? [index + 1] : [],
    );
    expect(ids).toEqual(enclosing.reverse());
    expect(reads).toBe(Math.floor((lists.length + 1) / window));
    expect(await search.findRanges({ ...query, batch: 2 })).toMatchObject({ found: [2] });
    expect(await search.findRanges({ ...query, account: "nowhere", before: 3 })).toMatchObject({ found: [] });

    const chunks: number[] = [];
    for (let after: ChunkRangeQuery["after"]; ; ) {
      const { found, next } = await search.findChunkRanges({ batchId: 4, item: 5, after, window });
      chunks.push(...found.map(({ seq }) => seq));
      if (next === undefined) break;
      after = next;
    }
    // Integers are sorted when they are accepted: [-5, 0], [1, 2], [3, 4], [5, 6], [7, 8].
    expect(chunks).toEqual([3]);
  });
});
