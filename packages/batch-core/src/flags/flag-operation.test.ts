import { expect, test } from "vitest";
import * as z from "zod";
import { systemClock } from "../clock.ts";
import { createTestHost } from "../testing/test-host.ts";
import { defineFlagOperation } from "./flag-operation.ts";
import type { Flagged } from "./flag-store.ts";

async function restore(items: number[], flagged: Flagged<number>) {
  await using host = await createTestHost();
  const operation = defineFlagOperation({
    name: "test.rows.restore",
    label: "row/restore",
    item: z.int().min(1),
    params: z.strictObject({}),
    clock: systemClock,
    change: async () => flagged,
    unchanged: "not_deleted",
    notFound: (id) => `Row ${id} not found`,
  });
  host.register(operation);
  const batch = await host.batches.submit({ operation: operation.name, items });
  return (await host.batches.items(batch.id)).items;
}

test("reports an outcome for every id of a set", async () => {
  expect(await restore([1, 2, 3], { changed: [1], unchanged: [2] })).toMatchObject([
    { item: 1, outcome: "done" },
    { item: 2, outcome: "skipped", code: "not_deleted" },
    { item: 3, outcome: "failed", code: "not_found", message: "Row 3 not found" },
  ]);
  expect(await restore([1, 2], { changed: [2, 1], unchanged: [] })).toMatchObject([
    { outcome: "done" },
    { outcome: "done" },
  ]);
});
