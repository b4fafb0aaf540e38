import assert from "node:assert/strict";
import { pack, unpack } from "../batch/chunk-codec.ts";
import { type ChunkResult, toChunkResult } from "../batch/chunk-result.ts";
import type { Database } from "../database/database.ts";
import type { AdmitChunk, Ledger, NewBatch, NewChunk } from "../ledger/ledger.ts";

/** An empty ledger and its database. */
export interface LedgerUnderTest {
  ledger: Ledger;
  database: Database;
}

/** A new batch of four items. */
export const batch = (change: Partial<NewBatch> = {}): NewBatch => ({
  operation: "test.rows.touch",
  label: "row/touch",
  target: "local",
  account: "acc",
  params: { deep: [1] },
  actor: "me",
  total: 4,
  duplicates: 1,
  ...change,
});

/** One chunk for each list of items. */
export const chunks = (...items: unknown[][]): NewChunk[] => items.map((chunk) => ({ packed: pack(chunk) }));

/** The result of a chunk whose items are all done. */
export const done = (keys: number[]) =>
  toChunkResult(
    keys,
    keys.map((key) => ({ key, outcome: "done" })),
  );

/** Claims the next chunk of a batch. It must be admitted. */
export async function claim(
  ledger: Ledger,
  id: number,
  worker: string,
  now: number,
  leaseUntil: number,
  admit?: AdmitChunk,
) {
  const claimed = await ledger.claim(id, worker, now, leaseUntil, admit);
  assert.ok(claimed === undefined || !("from" in claimed), "the chunk was not admitted");
  return claimed;
}

/** Finishes the next chunks of a batch with these results, one after the other. */
export async function finishNext({ ledger, database }: LedgerUnderTest, id: number, settlement: ChunkResult, now = 10) {
  await database.transaction(async (transaction) => {
    const chunk = await ledger.lockNext(id, now, transaction);
    assert.ok(chunk, "no chunk waits");
    assert.ok(await ledger.finishChunk(chunk, settlement, now, { transaction }));
  });
}

/** Returns the items of every chunk with its generation. */
export const readItems = async (ledger: Ledger, id: number) =>
  (await ledger.readChunks(id, { limit: 1000 })).map(({ generation, codec, packed }) => [
    generation,
    unpack(codec, packed),
  ]);
