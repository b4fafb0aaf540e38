import { expect, test } from "vitest";
import { createRetryBudget, type RetryOptions, VendorError, type VendorErrorKind, withRetries } from "./index.ts";

/** Fails with these errors one after the other, then succeeds. Returns the pauses. */
function failing(errors: unknown[], options: RetryOptions = {}) {
  const pauses: number[] = [];
  let calls = 0;
  const call = async () => {
    calls++;
    if (errors.length > 0) throw errors.shift();
    return "answer";
  };
  const sleep = async (ms: number) => void pauses.push(ms);
  return {
    pauses,
    calls: () => calls,
    run: (signal?: AbortSignal) => withRetries(call, { sleep, random: () => 1, ...options }, { signal }),
  };
}

const error = (kind: VendorErrorKind, details = {}) => new VendorError(kind, kind, details);

test("repeats transient failures with a doubling bound", async () => {
  const under = failing([error("unavailable"), error("unknown_outcome"), error("rejected", { status: 408 })]);
  expect(await under.run()).toBe("answer");
  expect(under.pauses).toEqual([500, 1000, 2000]);
});

test("uses full jitter up to the longest pause", async () => {
  const quick = failing([error("unavailable")], { random: () => 0 });
  await quick.run();
  expect(quick.pauses).toEqual([0]);
  const errors = Array.from({ length: 9 }, () => error("unavailable"));
  const slow = failing(errors, { attempts: 10, longestPauseMs: 3_000 });
  await slow.run();
  expect(slow.pauses).toEqual([500, 1000, 2000, ...Array(6).fill(3000)]);
});

test("waits at least Retry-After, unless it is too long", async () => {
  const patient = failing([error("rate_limited", { retryAfterMs: 7_000 })], { random: () => 0.5 });
  await patient.run();
  expect(patient.pauses).toEqual([7_250]);
  const late = error("rate_limited", { retryAfterMs: 3_600_000 });
  const impatient = failing([late]);
  await expect(impatient.run()).rejects.toBe(late);
  expect(impatient.calls()).toBe(1);
});

test("throws all other failures at once", async () => {
  for (const thrown of [error("rejected", { status: 422 }), error("bad_reply"), new TypeError("a fault")]) {
    const under = failing([thrown]);
    await expect(under.run()).rejects.toBe(thrown);
    expect(under.calls()).toBe(1);
  }
});

test("throws the last failure after the last attempt", async () => {
  const last = error("unknown_outcome");
  const under = failing([error("unavailable"), error("unavailable"), error("unavailable"), last]);
  await expect(under.run()).rejects.toBe(last);
  expect(under.calls()).toBe(4);
  const once = failing([last], { attempts: 1 });
  await expect(once.run()).rejects.toBe(last);
  expect(once.calls()).toBe(1);
});

test("keeps a lost change as unknown_outcome despite later failures", async () => {
  const errors = () => [error("unknown_outcome"), error("unavailable", { status: 503 }), error("unavailable")];
  const options = { attempts: 3, sleep: async () => {}, random: () => 1 };
  const thrown = async (changes: boolean) => {
    const left = errors();
    return withRetries(() => Promise.reject(left.shift()), options, { changes }).catch(
      (error: VendorError) => error.kind,
    );
  };
  expect(await thrown(true)).toBe("unknown_outcome");
  expect(await thrown(false)).toBe("unavailable");
  const verdict = error("rejected", { status: 422 });
  await expect(failing([error("unknown_outcome"), verdict]).run()).rejects.toBe(verdict);
});

test("ends the wait on abort", async () => {
  const stop = new AbortController();
  const call = async () => {
    throw error("unavailable", { retryAfterMs: 50_000 });
  };
  const running = withRetries(call, {}, { signal: stop.signal });
  setImmediate(() => stop.abort(new Error("enough")));
  await expect(running).rejects.toThrow("enough");
});

test("limits repeats by the budget", () => {
  let now = 0;
  const budget = createRetryBudget(() => now);
  const spendAll = () => {
    let spent = 0;
    while (budget.spend()) spent++;
    return spent;
  };
  expect(spendAll()).toBe(10);
  for (let n = 0; n < 50; n++) budget.earn();
  expect(spendAll()).toBe(5);
  now += 18_000;
  expect(spendAll()).toBe(3);
  now += 3_600_000;
  expect(spendAll()).toBe(10);
});
