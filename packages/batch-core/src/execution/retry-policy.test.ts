import { expect, test } from "vitest";
import { VendorError } from "../client/vendor-error.ts";
import { DeferUntil } from "../errors/errors.ts";
import { computeBackoff, decideRetry } from "./retry-policy.ts";

const lost = Object.assign(new Error("the line broke"), { code: "ECONNRESET" });
const down = new VendorError("unavailable", "down", { status: 503 });
const verdict = new VendorError("rejected", "no such promoter", { status: 422 });

const here = { effects: "ledger", repeatable: true } as const;
const repeatable = { effects: "elsewhere", repeatable: true } as const;
const reconciled = { effects: "elsewhere", repeatable: false, reconcile: async () => [] } as const;
const blind = { effects: "elsewhere", repeatable: false } as const;
const at = { dryRun: false, once: false, now: 1000, random: () => 0.5 };
const first = { attempt: 1, interrupted: false };
const failed = { again: false, outcome: "failed" };
const unknown = { again: false, outcome: "unknown" };

test("the pause has full jitter under a limit that doubles, up to a minute", () => {
  expect([1, 2, 3, 4, 5].map((attempt) => computeBackoff(attempt, () => 1))).toEqual([500, 1000, 2000, 4000, 8000]);
  expect(computeBackoff(30, () => 1)).toBe(60_000);
  expect(computeBackoff(3, () => 0)).toBe(0);
  expect(computeBackoff(3, () => 0.25)).toBe(500);
});

test("a vendor's Retry-After is obeyed by the whole batch, up to an hour", () => {
  const asked = (ms: number) =>
    decideRetry(new VendorError("rate_limited", "", { retryAfterMs: ms }), first, repeatable, at);
  expect(asked(7000)).toEqual({ again: true, at: 8000, counted: true, interrupted: false, wholeBatch: true });
  expect(asked(100)).toMatchObject({ at: 1250 });
  expect(asked(1e9)).toMatchObject({ at: 3_601_000 });
  expect(decideRetry(down, first, repeatable, at)).toMatchObject({ at: 1250, wholeBatch: false });
});

test("a verdict is never tried again", () => {
  expect(decideRetry(verdict, first, here, at)).toEqual(failed);
  expect(decideRetry(verdict, first, blind, at)).toEqual(unknown);
});

test("what is tried again is given up after five tries: failed where that is certain, unknown where it is not", () => {
  for (const [error, operation, end] of [
    [lost, here, failed],
    [down, blind, failed],
    [lost, repeatable, unknown],
    [lost, reconciled, unknown],
  ] as const) {
    expect(decideRetry(error, { ...first, attempt: 4 }, operation, at)).toMatchObject({ again: true, counted: true });
    expect(decideRetry(error, { ...first, attempt: 5 }, operation, at)).toEqual(end);
  }
});

test("a chunk that may have had its effect is handed out as interrupted, and stays so until it is found out", () => {
  expect(decideRetry(lost, first, reconciled, at)).toMatchObject({ interrupted: true });
  expect(decideRetry(down, first, reconciled, at)).toMatchObject({ interrupted: false });
  expect(decideRetry(lost, first, here, at)).toMatchObject({ interrupted: false });
  const second = { attempt: 2, interrupted: true };
  expect(decideRetry(down, second, reconciled, at)).toMatchObject({ again: true, interrupted: true });
  expect(decideRetry(new DeferUntil(5000), second, reconciled, at)).toMatchObject({ at: 5000, interrupted: true });
  expect(decideRetry(down, { ...second, attempt: 5 }, reconciled, at)).toEqual(unknown);
});

test("another hour costs no attempt, whatever the attempt", () => {
  const again = { again: true, at: 5000, counted: false, interrupted: false, wholeBatch: true };
  expect(decideRetry(new DeferUntil(5000), { ...first, attempt: 9 }, blind, at)).toEqual(again);
  expect(decideRetry(new DeferUntil(5000), first, here, { ...at, once: true })).toEqual(again);
});

test("where somebody waits, a certain failure is told at once, and an uncertain one is found out", () => {
  const once = { ...at, once: true };
  expect(decideRetry(down, first, repeatable, once)).toEqual(failed);
  expect(decideRetry(lost, first, repeatable, once)).toMatchObject({ again: true, interrupted: true });
  expect(decideRetry(lost, first, reconciled, once)).toMatchObject({ again: true, interrupted: true });
});

test("a dry run changes nothing, so its failures are certain", () => {
  expect(decideRetry(verdict, first, blind, { ...at, dryRun: true })).toEqual(failed);
  expect(decideRetry(lost, first, blind, { ...at, dryRun: true })).toMatchObject({ interrupted: false });
});
