import { describe, expect, test } from "vitest";
import { type BatchRow, toBatch, toBatchHead } from "./batch-rows.ts";

const row: BatchRow = {
  id: 7,
  operation: "o",
  label: "l",
  target: "local",
  account: "a",
  params: '{"notify":true}',
  actor: null,
  status: "in_progress",
  total: 10,
  duplicates: 0,
  generation: 0,
  error: null,
  dry_run: 1,
  from_batch: null,
  undo_of: null,
  max_failure_rate: null,
  failure_after: null,
  next_allowed_at: null,
  waiting_for: null,
  created_at: 1,
  updated_at: 2,
  started_at: 2,
  finished_at: null,
  done: null,
  skipped: null,
  failed: null,
  unknown: null,
  tally: null,
  trace: null,
};
const computed = { counts: { done: 3, skipped: 0, failed: 1, unknown: 1 }, tally: { moved: 3 }, finishedAt: 9 };

describe("toBatch", () => {
  test("takes computed sums while the row has none", () => {
    expect(toBatch(row, computed)).toMatchObject({
      params: { notify: true },
      dryRun: true,
      counts: computed.counts,
      tally: { moved: 3 },
      updatedAt: 9,
    });
  });

  test("counts nothing before a chunk is finished", () => {
    expect(toBatch(row)).toMatchObject({
      counts: { done: 0, skipped: 0, failed: 0, unknown: 0 },
      tally: {},
      updatedAt: 2,
    });
  });

  test("prefers the sums that the row holds", () => {
    const ended: BatchRow = {
      ...row,
      status: "completed",
      finished_at: 12,
      updated_at: 12,
      done: 10,
      skipped: 0,
      failed: 0,
      unknown: 0,
      tally: '{"moved":10}',
    };
    const counts = { done: 10, skipped: 0, failed: 0, unknown: 0 };
    expect(toBatch(ended, computed)).toMatchObject({ counts, tally: { moved: 10 }, updatedAt: 12 });
  });

  test("shows the reason for a wait only while it lasts", () => {
    const waiting: BatchRow = { ...row, next_allowed_at: 5, waiting_for: "rate_limit" };
    expect(toBatch(waiting)).toMatchObject({ nextAllowedAt: 5, waitingFor: "rate_limit" });
    expect(toBatch({ ...waiting, next_allowed_at: null })).toMatchObject({ nextAllowedAt: null, waitingFor: null });
    expect(toBatch({ ...waiting, status: "failed" })).toMatchObject({ nextAllowedAt: null, waitingFor: null });
  });
});

describe("toBatchHead", () => {
  test("reads the stop rule of a batch", () => {
    expect(toBatchHead(row).stopRule).toBeUndefined();
    expect(toBatchHead({ ...row, max_failure_rate: 0.1, failure_after: null }).stopRule).toEqual({
      maxFailureRate: 0.1,
      after: 0,
    });
  });
});
