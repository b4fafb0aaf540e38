import { defineOperation, type Outcome } from "@reinstate/batch-core";
import { createV1Routes } from "@reinstate/batch-core/http";
import { createTestHost } from "@reinstate/batch-core/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import type { BatchReply } from "../service/replies.ts";
import { outcomes } from "../terminal/outcomes.ts";
import { findNextCommand, toExitStatus } from "./next-command.ts";

/** Gives each item the outcome that its remainder names. */
const draw = defineOperation<number, unknown>({
  name: "test.rows.draw",
  label: "row/draw",
  item: z.int().min(0),
  params: z.strictObject({}),
  key: (item) => item,
  chunkSize: 5,
  apply: async ({ items }) =>
    items.map((key): Outcome => {
      const outcome = outcomes[key % 4] ?? "done";
      return outcome === "done" ? { key, outcome } : { key, outcome, code: "drawn", message: "drawn" };
    }),
});

describe("the exit status", () => {
  test("is never 0 after a run in which an item failed", async () => {
    await using host = await createTestHost({ role: "web" });
    host.register(draw);
    const routes = createV1Routes(host, { actor: "test" });
    const items = fc.uniqueArray(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(items, fc.boolean(), async (items, dryRun) => {
        const { id } = await host.batches.submit({ operation: draw.name, items, dryRun, inline: true });
        const batch = (await (await routes.request(`/v1/batches/${id}`)).json()) as BatchReply;
        const has = (wanted: string) => items.some((item) => outcomes[item % 4] === wanted);
        expect(toExitStatus(batch)).toBe(has("unknown") ? 4 : has("failed") ? 3 : 0);
        const next = findNextCommand(batch, undefined);
        if (!dryRun) expect(next !== undefined).toBe(has("unknown") || has("failed"));
      }),
      { numRuns: 500 },
    );
  });

  test("is 130 for a stopped batch and 3 for one that ended early", () => {
    const batch = { id: 1, failed: 0, unknown: 0, dry_run: false } as BatchReply;
    expect(toExitStatus({ ...batch, status: "stopped" })).toBe(130);
    expect(toExitStatus({ ...batch, status: "failed" })).toBe(3);
    expect(toExitStatus({ ...batch, status: "completed" })).toBe(0);
  });
});
