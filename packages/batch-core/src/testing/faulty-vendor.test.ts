import { expect, test } from "vitest";
import * as z from "zod";
import { defineOperation } from "../index.ts";
import { findChangedTwice } from "./faulty-vendor.ts";
import { createTestHost } from "./test-host.ts";

test("finds items that two batches changed since a time", async () => {
  await using host = await createTestHost();
  host.register(
    defineOperation({
      name: "test.rows.touch",
      label: "row/touch",
      columns: [],
      item: z.int(),
      params: z.strictObject({}),
      key: (id) => id,
      chunkSize: 10,
      apply: async ({ items }) =>
        items.map((key) => (key === 9 ? { key, outcome: "skipped", code: "no" } : { key, outcome: "done" })),
    }),
  );
  const touch = (items: number[]) => host.batches.submit({ operation: "test.rows.touch", items });
  const first = await touch([1, 2]);
  await touch([1, 3, 9]);
  await touch([3, 9]);
  expect(await findChangedTwice(host, 0)).toEqual(["row/touch 3", "row/touch 1"]);
  expect(await findChangedTwice(host, first.id)).toEqual(["row/touch 3"]);
});
