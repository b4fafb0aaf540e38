import { setImmediate } from "node:timers/promises";
import { createTestClock, createTestHost } from "@reinstate/batch-core/testing";
import { expect, test } from "vitest";
import { start } from "../fixtures/server.ts";
import { createFirstPromoter } from "../index.ts";
import { makePromoter } from "../testing.ts";

test("the estimate is within a fifth of a run at the vendor", { timeout: 120_000 }, async () => {
  const clock = createTestClock();
  // Our own server, with FirstPromoter's documented limit of 400 requests a minute, stands in for the vendor.
  await using vendor = await start("sqlite::memory:", {}, { clock });
  const archived = Array.from({ length: 3000 }, () => makePromoter({ archived_at: 1 }));
  const items = await vendor.instance.store.create("acc_demo", archived, 1);
  await using host = await createTestHost({ clock, concurrency: 4 });
  const { closing } = await createFirstPromoter(host, {
    upstream: {
      baseUrl: "https://api.example.com/api/v2/company",
      apiKey: "demo-firstpromoter-key",
      accountId: "acc_demo",
      fetch: async (input, init) => vendor.instance.routes.fetch(new Request(input, init)),
    },
  });
  const request = { operation: "firstpromoter.promoters.restore", target: "upstream", account: "acc_demo" } as const;
  const estimate = await host.batches.estimate({ ...request, items: items.length });
  expect(estimate).toMatchObject({ chunks: 30, requests: 210, limitedBy: "rate" });
  const begun = clock.now();
  const { id } = await host.batches.submit({ ...request, items });
  for (let step = 1; ; step++) {
    // The clock moves only after the calls in progress had their turns.
    for (let turn = 0; turn < 30; turn++) await setImmediate();
    clock.advance(100);
    if (step % 20 === 0 && (await host.batches.get(id)).status === "completed") break;
  }
  const { counts, finishedAt } = await host.batches.get(id);
  expect(counts.done).toBe(3000);
  const ratio = (estimate.durationMs as number) / ((finishedAt as number) - begun);
  expect(ratio).toBeGreaterThan(0.8);
  expect(ratio).toBeLessThan(1.2);
  await closing();
});
