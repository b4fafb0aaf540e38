import { ledgerDatabases } from "@reinstate/tooling/databases";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { VendorError } from "../client/vendor-error.ts";
import { openDatabase } from "../database/open-database.ts";
import { defineOperation } from "../operation/operation.ts";
import { assemble } from "../testing/assemble.ts";
import { createTestClock } from "../testing/test-clock.ts";

describe.each(ledgerDatabases)("back-off on $name", ({ open }) => {
  test.each([
    ["ledger", "lost connection"],
    ["elsewhere", "lost connection"],
    ["elsewhere", "Retry-After"],
  ] as const)("is reported with its time (%s, %s)", async (effects, fault) => {
    await using file = await open();
    const database = openDatabase(file.url);
    const clock = createTestClock();
    let isDown = true;
    const touch = defineOperation<number, unknown>({
      name: "test.rows.touch",
      label: "row/touch",
      item: z.int(),
      params: z.unknown(),
      key: (id) => id,
      chunkSize: 2,
      inlineLimit: 0,
      effects,
      async apply({ items }) {
        if (!isDown) return items.map((key) => ({ key, outcome: "done" }));
        if (fault === "Retry-After") throw new VendorError("unavailable", "busy", { status: 503, retryAfterMs: 5000 });
        throw Object.assign(new Error("the line broke"), { code: "ECONNRESET" });
      },
    });
    const core = await assemble({ database, operations: [touch], clock, random: () => 0.5 });
    const { id } = await core.batches.submit({ operation: touch.name, items: [1, 2, 3, 4] });
    const waiting = async () => {
      const { nextAllowedAt, waitingFor } = await core.batches.get(id);
      return { from: nextAllowedAt, waitingFor };
    };
    for (let result = await core.runner.runNext(id); result === "ran"; ) result = await core.runner.runNext(id);
    const pauseMs = fault === "Retry-After" ? 5000 : 250;
    const wait = { from: clock.now() + pauseMs, waitingFor: "backoff" };
    expect(await core.runner.runNext(id)).toEqual(wait);
    expect(await waiting()).toEqual(wait);
    clock.advance(pauseMs);
    isDown = false;
    expect(await core.runner.runNext(id)).toBe("ran");
    expect(await waiting()).toEqual({ from: null, waitingFor: null });
    while ((await core.runner.runNext(id)) === "ran");
    expect(await core.batches.get(id)).toMatchObject({ status: "completed", counts: { done: 4 } });
    await database.close();
  });

  test("is not reported while another worker runs a chunk", async () => {
    await using file = await open();
    const database = openDatabase(file.url);
    const clock = createTestClock();
    const touch = defineOperation<number, unknown>({
      name: "test.rows.touch",
      label: "row/touch",
      item: z.int(),
      params: z.unknown(),
      key: (id) => id,
      chunkSize: 2,
      inlineLimit: 0,
      effects: "elsewhere",
      apply: async () => {
        throw Object.assign(new Error("the line broke"), { code: "ECONNRESET" });
      },
    });
    const core = await assemble({ database, operations: [touch], clock, random: () => 0.5 });
    const { id } = await core.batches.submit({ operation: touch.name, items: [1, 2, 3, 4] });
    await core.ledger.claim(id, "another", clock.now(), clock.now() + 100);
    expect(await core.runner.runNext(id)).toBe("ran");
    expect(await core.runner.runNext(id)).toBe("idle");
    expect(await core.batches.get(id)).toMatchObject({ nextAllowedAt: null, waitingFor: null });
    await database.close();
  });
});
