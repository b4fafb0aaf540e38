import { describe, expect, test } from "vitest";
import * as z from "zod";
import { VendorError } from "../client/index.ts";
import { createQuickTime } from "../testing/faulty-vendor.ts";
import { createTestHost, type TestHost } from "../testing/test-host.ts";
import { definePerItemOperation } from "./per-item.ts";

const name = "test.rows.send";

const define = (host: TestHost, send: (id: number) => Promise<void>) =>
  definePerItemOperation<number, unknown>(host, {
    name,
    label: "row/send",
    item: z.int(),
    params: z.unknown(),
    key: (id) => id,
    vendor: "Test",
    installation: "one",
    concurrency: 1,
    perSecond: 2,
    send,
  });

describe("definePerItemOperation", () => {
  test("keeps items that were sent before a failed call if the stop rule ends the batch", async () => {
    await using host = await createTestHost(createQuickTime());
    let isDown = true;
    host.register(
      define(host, async (id) => {
        if (id === 2 && isDown) throw new VendorError("unavailable", "Down", { status: 503 });
        if (id > 2) {
          isDown = false;
          throw new VendorError("rejected", "No", { status: 422 });
        }
      }),
    );
    const { id } = await host.batches.submit({
      operation: name,
      target: "upstream",
      items: [1, 2, 3, 4, 5, 6],
      stopRule: { maxFailureRate: 0.1, after: 2 },
    });
    await host.batches.wait(id, { pollMs: 5 });
    const { items } = await host.batches.items(id);
    expect(items[0]).toMatchObject({ item: 1, outcome: "done" });
    expect(items.slice(2).map(({ outcome }) => outcome)).toEqual(["failed", "failed", "failed", "failed"]);
  });

  test("does not send again what was sent before a failed call", async () => {
    await using host = await createTestHost(createQuickTime());
    const sent: number[] = [];
    host.register(
      define(host, async (id) => {
        sent.push(id);
        if (id === 2 && sent.length < 3) throw new VendorError("unavailable", "Down", { status: 503 });
        if (id === 1 && sent.length > 1) throw new VendorError("rejected", "No rights any more", { status: 403 });
      }),
    );
    const { id } = await host.batches.submit({ operation: name, target: "upstream", items: [1, 2] });
    await host.batches.wait(id, { pollMs: 5 });
    expect(sent).toEqual([1, 2, 2]);
    expect((await host.batches.get(id)).counts).toMatchObject({ done: 2 });
  });

  test("leaves an item unknown that may be changed and may not be sent again", async () => {
    await using host = await createTestHost(createQuickTime());
    const sent: number[] = [];
    host.register(
      define(host, async (id) => {
        sent.push(id);
        if (id === 1 && sent.length === 1) throw new VendorError("unknown_outcome", "The reply was lost");
        if (id === 1) throw new VendorError("rejected", "No rights any more", { status: 403 });
      }),
    );
    const { id } = await host.batches.submit({ operation: name, target: "upstream", items: [1, 2, 3, 4] });
    await host.batches.wait(id, { pollMs: 5 });
    const { items } = await host.batches.items(id);
    expect(items.map(({ item, outcome }) => [item, outcome])).toEqual([
      [1, "unknown"],
      [2, "done"],
      [3, "done"],
      [4, "done"],
    ]);
  });
});
