import type { Batch } from "@reinstate/batch-core";
import { expect, test } from "vitest";
import { progressOf } from "./batch-body.ts";
import { readOptions } from "./options.ts";

test("progress counts what is settled, or successes alone; 100 is for the end", () => {
  const batch = (done: number, skipped: number, failed: number) => {
    const counts = { done, skipped, failed, unknown: 0 };
    return { counts, total: 200, progress: Math.floor((done + skipped + failed) / 2) } as Batch;
  };
  const [settled, successes] = [readOptions({}), readOptions({ progressCounts: "successes" })];
  expect(progressOf(batch(50, 21, 30), settled)).toBe(50);
  expect(progressOf(batch(50, 21, 30), successes)).toBe(35);
  expect(progressOf(batch(50, 21, 129), successes)).toBe(100);
});
