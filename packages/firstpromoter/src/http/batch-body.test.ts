import type { Batch, Host, ItemOutcome } from "@reinstate/batch-core";
import { expect, test } from "vitest";
import { batchBody } from "./batch-body.ts";

test("lists the texts of unknown items after failed ones", async () => {
  const counts = { done: 0, skipped: 0, failed: 1, unknown: 2 };
  const batch = { id: 1, counts, total: 3, progress: 100, createdAt: 0, updatedAt: 0 } as Batch;
  const items: ItemOutcome[] = [
    {
      item: 7,
      outcome: "unknown",
      code: "retries_exhausted",
      message: "connect ECONNREFUSED 10.0.0.7:5432",
      generation: 0,
    },
    { item: 8, outcome: "failed", code: "not_found", message: "Promoter 8 not found", generation: 0 },
    { item: 9, outcome: "unknown", code: "interrupted", message: "The work was interrupted", generation: 0 },
  ];
  const read = async (_: number, { outcome, limit }: { outcome?: string; limit?: number } = {}) => ({
    items: items.filter((item) => item.outcome === outcome).slice(0, limit),
    next: null,
  });
  const host = { batches: { items: read } } as unknown as Host;
  const all = ["Promoter 8 not found", "It is not known whether promoter 7 was changed", "The work was interrupted"];
  expect((await batchBody(host, batch)).processing_errors).toEqual(all);
});
