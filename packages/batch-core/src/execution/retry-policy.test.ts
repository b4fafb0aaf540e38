import { expect, test } from "vitest";
import { VendorError } from "../client/vendor-error.ts";
import { DeferUntil, markPossibleEffect } from "../errors/errors.ts";
import { computeBackoff, decideRetry } from "./retry-policy.ts";

const lost = Object.assign(new Error("the line broke"), { code: "ECONNRESET" });
const down = new VendorError("unavailable", "down", { status: 503 });
const rejected = new VendorError("rejected", "no such promoter", { status: 422 });

const here = { effects: "ledger", repeatable: true } as const;
const repeatable = { effects: "elsewhere", repeatable: true } as const;
const reconciled = { effects: "elsewhere", repeatable: false, reconcile: async () => [] } as const;
const blind = { effects: "elsewhere", repeatable: false } as const;
const at = { dryRun: false, once: false, now: 1000, random: () => 0.5 };
const first = { attempt: 1, interrupted: false };
const failed = { retry: false, outcome: "failed" };
const unknown = { retry: false, outcome: "unknown" };

test("doubles the back-off up to a minute, with full jitter", () => {
  expect([1, 2, 3, 4, 5].map((attempt) => computeBackoff(attempt, () => 1))).toEqual([500, 1000, 2000, 4000, 8000]);
  expect(computeBackoff(30, () => 1)).toBe(60_000);
  expect(computeBackoff(3, () => 0)).toBe(0);
  expect(computeBackoff(3, () => 0.25)).toBe(500);
});

test("pauses the batch for Retry-After, up to an hour", () => {
  const decide = (ms: number) =>
    decideRetry(new VendorError("rate_limited", "", { retryAfterMs: ms }), first, repeatable, at);
  expect(decide(7000)).toEqual({ retry: true, at: 8000, counted: true, interrupted: false, pauseBatch: true });
  expect(decide(100)).toMatchObject({ at: 1250 });
  expect(decide(1e9)).toMatchObject({ at: 3_601_000 });
  expect(decideRetry(down, first, repeatable, at)).toMatchObject({ at: 1250, pauseBatch: false });
});

test("never retries a rejection", () => {
  expect(decideRetry(rejected, first, here, at)).toEqual(failed);
  expect(decideRetry(rejected, first, blind, at)).toEqual(unknown);
});

test("gives up after five attempts, as failed only if certain", () => {
  for (const [error, operation, end] of [
    [lost, here, failed],
    [down, blind, failed],
    [lost, repeatable, unknown],
    [lost, reconciled, unknown],
  ] as const) {
    expect(decideRetry(error, { ...first, attempt: 4 }, operation, at)).toMatchObject({ retry: true, counted: true });
    expect(decideRetry(error, { ...first, attempt: 5 }, operation, at)).toEqual(end);
  }
});

test("marks a chunk as interrupted if other calls were sent before the error", () => {
  const sent = () => markPossibleEffect(new VendorError("unavailable", "down", { status: 503 }));
  expect(decideRetry(sent(), first, repeatable, at)).toMatchObject({ retry: true, interrupted: true });
  expect(decideRetry(sent(), { ...first, attempt: 5 }, repeatable, at)).toEqual(unknown);
  const wait = markPossibleEffect(new DeferUntil(5000));
  expect(decideRetry(wait, first, repeatable, at)).toMatchObject({ at: 5000, counted: false, interrupted: true });
  const open = markPossibleEffect(new VendorError("circuit_open", "", { retryAfterMs: 7 }));
  expect(decideRetry(open, first, repeatable, at)).toMatchObject({ at: 1007, counted: false, interrupted: true });
});

test("marks a chunk as interrupted until its effect is determined", () => {
  expect(decideRetry(lost, first, reconciled, at)).toMatchObject({ interrupted: true });
  expect(decideRetry(down, first, reconciled, at)).toMatchObject({ interrupted: false });
  expect(decideRetry(lost, first, here, at)).toMatchObject({ interrupted: false });
  const second = { attempt: 2, interrupted: true };
  expect(decideRetry(down, second, reconciled, at)).toMatchObject({ retry: true, interrupted: true });
  expect(decideRetry(new DeferUntil(5000), second, reconciled, at)).toMatchObject({ at: 5000, interrupted: true });
  expect(decideRetry(down, { ...second, attempt: 5 }, reconciled, at)).toEqual(unknown);
});

test("counts no attempt for a deferral", () => {
  const deferred = { retry: true, at: 5000, counted: false, interrupted: false, pauseBatch: true };
  expect(decideRetry(new DeferUntil(5000), { ...first, attempt: 9 }, blind, at)).toEqual(deferred);
  expect(decideRetry(new DeferUntil(5000), first, here, { ...at, once: true })).toEqual(deferred);
});

test("retries only uncertain failures if a caller waits", () => {
  const once = { ...at, once: true };
  expect(decideRetry(down, first, repeatable, once)).toEqual(failed);
  expect(decideRetry(lost, first, repeatable, once)).toMatchObject({ retry: true, interrupted: true });
  expect(decideRetry(lost, first, reconciled, once)).toMatchObject({ retry: true, interrupted: true });
});

test("treats failures of a dry run as certain", () => {
  expect(decideRetry(rejected, first, blind, { ...at, dryRun: true })).toEqual(failed);
  expect(decideRetry(lost, first, blind, { ...at, dryRun: true })).toMatchObject({ interrupted: false });
});
