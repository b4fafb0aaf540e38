import { describe, expect, test } from "vitest";
import * as z from "zod";
import { VendorError } from "../client/index.ts";
import { createQuickTime } from "../testing/faulty-vendor.ts";
import { createTestHost } from "../testing/test-host.ts";
import { definePerItemOperation } from "./per-item.ts";

const name = "test.rows.send";

describe("definePerItemOperation", () => {
  test("keeps items that were sent before a failed call if the stop rule ends the batch", async () => {
    await using host = await createTestHost(createQuickTime());
    let isDown = true;
    const operation = definePerItemOperation<number, unknown>(host, {
      name,
      label: "row/send",
      item: z.int(),
      params: z.unknown(),
      key: (id) => id,
      vendor: "Test",
      installation: "one",
      concurrency: 1,
      perSecond: 2,
      async send(id) {
        if (id === 2 && isDown) throw new VendorError("unavailable", "Down", { status: 503 });
        if (id > 2) {
          isDown = false;
          throw new VendorError("rejected", "No", { status: 422 });
        }
      },
    });
    host.register(operation);
    const { id } = await host.batches.submit({
      operation: name,
      target: "upstream",
      items: [1, 2, 3, 4, 5, 6],
      stopRule: { maxFailureRate: 0.1, after: 2 },
    });
    await host.batches.wait(id, { pollMs: 5 });
    const { items } = await host.batches.items(id);
    expect(items.map(({ item, outcome }) => [item, outcome])).toEqual([
      [1, "done"],
      [2, "done"],
      [3, "failed"],
      [4, "failed"],
      [5, "failed"],
      [6, "failed"],
    ]);
  });
});
