import { expect, test } from "vitest";
import { createTestClock } from "../testing/test-clock.ts";
import { createCircuitBreaker } from "./breaker.ts";
import { VendorError, type VendorErrorKind } from "./vendor-error.ts";

/** A breaker at a clock of its own, and how a call to a vendor in this state ends. */
function startBreaker() {
  const clock = createTestClock();
  const breaker = createCircuitBreaker("Zendesk", clock.now);
  const call = (kind?: VendorErrorKind): string => {
    try {
      breaker.check();
      if (kind) throw breaker.fail(new VendorError(kind, kind));
      breaker.succeed();
      return "answered";
    } catch (error) {
      return (error as VendorError).kind;
    }
  };
  return {
    clock,
    breaker,
    call,
    failTimes: (times: number) => Array.from({ length: times }, () => call("unavailable")),
  };
}

test("opens after ten failures", () => {
  const { call, failTimes } = startBreaker();
  expect(new Set(failTimes(9))).toEqual(new Set(["unavailable"]));
  expect(failTimes(1)).toEqual(["circuit_open"]);
  expect(call()).toBe("circuit_open");
});

test("stays closed for failures over more than half a minute", () => {
  const { clock, call } = startBreaker();
  for (let n = 0; n < 30; n++) {
    expect(call("unavailable")).toBe("unavailable");
    clock.advance(4_000);
  }
});

test("admits one probe per half minute and closes after success", () => {
  const { clock, call, failTimes } = startBreaker();
  failTimes(10);
  clock.advance(29_999);
  expect(call()).toBe("circuit_open");
  clock.advance(1);
  expect(call("unavailable")).toBe("circuit_open");
  expect(call()).toBe("circuit_open");
  clock.advance(30_000);
  expect(call()).toBe("answered");
  expect(call()).toBe("answered");
});

test("reports the time of the next probe", () => {
  const { clock, breaker, failTimes } = startBreaker();
  failTimes(10);
  clock.advance(10_000);
  expect(breaker.check).toThrow(
    expect.objectContaining({
      kind: "circuit_open",
      retryAfterMs: 20_000,
      retryable: true,
      message: "Zendesk does not answer; the next call is tried in 20 s",
    }),
  );
});

test("counts calls with an unknown outcome", () => {
  const { call } = startBreaker();
  for (let n = 0; n < 10; n++) expect(call("unknown_outcome")).toBe("unknown_outcome");
  expect(call()).toBe("circuit_open");
});

test.each<VendorErrorKind>(["rejected", "rate_limited", "bad_reply"])(
  "%s is an answer: it closes the circuit",
  (kind) => {
    const { clock, call, failTimes } = startBreaker();
    failTimes(10);
    clock.advance(30_000);
    expect(call(kind)).toBe(kind);
    expect(call()).toBe("answered");
  },
);

test("ignores calls that the caller cancelled", () => {
  const { clock, breaker, call, failTimes } = startBreaker();
  failTimes(10);
  clock.advance(30_000);
  breaker.check();
  const abort = new Error("enough");
  expect(breaker.fail(abort)).toBe(abort);
  expect(call()).toBe("circuit_open");
});
