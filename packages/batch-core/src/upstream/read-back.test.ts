import { expect, test } from "vitest";
import * as z from "zod";
import { VendorError } from "../client/index.ts";
import { createQuickTime } from "../testing/faulty-vendor.ts";
import { createTestHost } from "../testing/test-host.ts";
import { defineReadBackOperation } from "./read-back.ts";

const name = "test.rows.send";

test.each([
  ["look", "401"],
  ["account", "wrong_account"],
])("leaves items unknown if every %s is refused after a lost reply", async (refused, code) => {
  await using host = await createTestHost(createQuickTime());
  let isLost = false;
  const operation = defineReadBackOperation<number, unknown, undefined>(host, {
    name,
    label: "row/send",
    item: z.int(),
    params: z.unknown(),
    chunkSize: 10,
    refuseAccount: () => (isLost && refused === "account" ? "No such account" : undefined),
    async look(ids) {
      if (isLost) throw new VendorError("rejected", "No", { status: 401 });
      return { before: new Set(ids.filter((id) => id !== 3)), after: new Set([3]) };
    },
    async send() {
      isLost = true;
      throw new VendorError("unknown_outcome", "The reply was lost");
    },
    readBack: async () => [],
  });
  host.register(operation);
  const { id } = await host.batches.submit({ operation: name, target: "upstream", items: [1, 2, 3], inline: false });
  await host.batches.wait(id, { pollMs: 5 });
  const { items } = await host.batches.items(id);
  expect(items.map((item) => [item.outcome, item.code])).toEqual([
    ["unknown", code],
    ["unknown", code],
    ["failed", code],
  ]);
});
