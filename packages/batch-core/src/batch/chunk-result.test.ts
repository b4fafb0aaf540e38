import fc from "fast-check";
import { expect, test } from "vitest";
import type { Outcome } from "../operation/operation.ts";
import { countFinished } from "./batch.ts";
import { toChunkResult } from "./chunk-result.ts";

test("gives every item one outcome and counts them", () => {
  const word = fc.constantFrom("done", "skipped", "failed", "unknown", "silent");
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(), { maxLength: 100 }), fc.infiniteStream(word), (keys, words) => {
      const outcomes: Outcome[] = [];
      const expected = { done: 0, skipped: 0, failed: 0, unknown: 0 };
      for (const key of keys) {
        const outcome = words.next().value;
        if (outcome === "silent") expected.failed++;
        else {
          expected[outcome as keyof typeof expected]++;
          outcomes.push({ key, outcome, code: "c", message: "m" } as Outcome);
        }
      }
      const { counts, commonOutcome, overrides } = toChunkResult(keys, outcomes.reverse());
      expect(counts).toEqual(expected);
      expect(countFinished(counts)).toBe(keys.length);
      const read = { done: 0, skipped: 0, failed: 0, unknown: 0 };
      const byPosition = new Map(overrides.map((override) => [override.position, override]));
      expect(byPosition.size).toBe(overrides.length);
      keys.forEach((_, position) => {
        read[(byPosition.get(position) ?? commonOutcome).outcome]++;
      });
      expect(read).toEqual(expected);
    }),
  );
});

test("counts an item without an outcome as failed", () => {
  const done = [1, 3].map((key): Outcome => ({ key, outcome: "done" }));
  expect(toChunkResult([1, 2, 3], done).overrides).toEqual([
    {
      position: 1,
      outcome: "failed",
      code: "no_result",
      message: "The operation returned no outcome for this item",
    },
  ]);
});

test("stores the most frequent outcome once", () => {
  const live = (key: number): Outcome => ({ key, outcome: "skipped", code: "live" });
  const { commonOutcome, overrides, counts } = toChunkResult(
    [1, 2, 3],
    [live(1), { key: 2, outcome: "done" }, live(3)],
  );
  expect(commonOutcome).toEqual({ outcome: "skipped", code: "live", message: null });
  expect(overrides).toEqual([{ position: 1, outcome: "done", code: null, message: null }]);
  expect(counts).toEqual({ done: 1, skipped: 2, failed: 0, unknown: 0 });
});

test("rejects repeated outcomes and outcomes for foreign items", () => {
  const done = (key: number): Outcome => ({ key, outcome: "done" });
  expect(() => toChunkResult([1], [done(1), done(1)])).toThrow(/two outcomes/);
  expect(() => toChunkResult([1], [done(2)])).toThrow(/not in its chunk/);
});
