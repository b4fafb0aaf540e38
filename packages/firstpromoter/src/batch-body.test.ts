import type { Batch, Host, ItemOutcome } from "@reinstate/batch-core";
import { expect, test } from "vitest";
import { batchBody, progressOf } from "./batch-body.ts";
import { readOptions } from "./options.ts";

test("progress counts what is settled, or successes alone; 100 is for the end", () => {
  const batch = (done: number, skipped: number, failed: number) => {
    const counts = { done, skipped, failed, unknown: 0 };
    return { counts, total: 200, progress: Math.floor((done + skipped + failed) / 2) } as Batch;
  };
  const [settled, successes] = [readOptions({}), readOptions({ progressCounts: "successes" })];
  expect(progressOf(batch(50, 21, 30), settled)).toBe(50);
  expect(progressOf(batch(50, 21, 30), successes)).toBe(35);
  expect(progressOf(batch(50, 21, 129), successes)).toBe(100);
});

test("those of whom nothing is known have texts too, after those that failed, and no more than are wanted", async () => {
  const counts = { done: 0, skipped: 0, failed: 1, unknown: 2 };
  const batch = { id: 1, counts, total: 3, progress: 100, createdAt: 0, updatedAt: 0 } as Batch;
  const items: ItemOutcome[] = [
    { item: 7, outcome: "unknown", code: "gave_up", message: "connect ECONNREFUSED 10.0.0.7:5432", generation: 0 },
    { item: 8, outcome: "failed", code: "not_found", message: "Promoter 8 not found", generation: 0 },
    { item: 9, outcome: "unknown", code: "interrupted", message: "The work was interrupted", generation: 0 },
  ];
  const read = async (_: number, { outcome, limit }: { outcome?: string; limit?: number } = {}) => ({
    items: items.filter((item) => item.outcome === outcome).slice(0, limit),
    next: null,
  });
  const host = { batches: { items: read } } as unknown as Host;
  const texts = async (processingErrorLimit: number) =>
    (await batchBody(host, batch, readOptions({ processingErrorLimit }))).processing_errors;
  const all = ["Promoter 8 not found", "It is not known whether promoter 7 was changed", "The work was interrupted"];
  expect(await texts(10)).toEqual(all);
  expect(await texts(2)).toEqual(all.slice(0, 2));
  expect(await texts(0)).toEqual([]);
});
