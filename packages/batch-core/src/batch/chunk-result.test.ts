import fc from "fast-check";
import { expect, test } from "vitest";
import type { Outcome } from "../operation/operation.ts";
import { countFinished } from "./batch.ts";
import { toChunkResult } from "./chunk-result.ts";

test("every item of a chunk ends in exactly one outcome, and the counts add up", () => {
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
      const { counts, commonOutcome: rest, overrides: exceptions } = toChunkResult(keys, outcomes.reverse());
      expect(counts).toEqual(expected);
      expect(countFinished(counts)).toBe(keys.length);
      const read = { done: 0, skipped: 0, failed: 0, unknown: 0 };
      const own = new Map(exceptions.map((exception) => [exception.position, exception]));
      expect(own.size).toBe(exceptions.length);
      keys.forEach((_, position) => {
        read[(own.get(position) ?? rest).outcome]++;
      });
      expect(read).toEqual(expected);
    }),
  );
});

test("an item without an answer has failed, it is never assumed done", () => {
  const done = [1, 3].map((key): Outcome => ({ key, outcome: "done" }));
  expect(toChunkResult([1, 2, 3], done).overrides).toEqual([
    {
      ...{ position: 1, outcome: "failed", code: "no_result" },
      message: "The operation gave no answer for this item",
    },
  ]);
});

test("what most items share is said once", () => {
  const live = (key: number): Outcome => ({ key, outcome: "skipped", code: "live" });
  const {
    commonOutcome: rest,
    overrides: exceptions,
    counts,
  } = toChunkResult([1, 2, 3], [live(1), { key: 2, outcome: "done" }, live(3)]);
  expect(rest).toEqual({ outcome: "skipped", code: "live", message: null });
  expect(exceptions).toEqual([{ position: 1, outcome: "done", code: null, message: null }]);
  expect(counts).toEqual({ done: 1, skipped: 2, failed: 0, unknown: 0 });
});

test("two answers for one item, or an answer for a stranger, are a fault", () => {
  const done = (key: number): Outcome => ({ key, outcome: "done" });
  expect(() => toChunkResult([1], [done(1), done(1)])).toThrow(/twice/);
  expect(() => toChunkResult([1], [done(2)])).toThrow(/not in its chunk/);
});
