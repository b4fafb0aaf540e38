import { VendorError } from "./vendor-error.ts";

/** Failures within `windowMs` that open the circuit. */
const failuresToOpen = 10;
const windowMs = 30_000;
/** Interval of probes while the circuit is open, in milliseconds. */
const probeEveryMs = 30_000;

/** Stops calls to a vendor that is down, so that it can recover. */
export interface CircuitBreaker {
  /** Throws a `VendorError` of the kind `circuit_open` while the circuit is open; one call in 30 s passes as a probe. */
  check(): void;
  /** Closes the circuit, because the vendor has responded. */
  succeed(): void;
  /**
   * Counts a call that failed, and returns the error to throw. While the circuit is open, that of a call that did nothing is
   * of the kind `circuit_open`. A refusal is an answer, so it closes the circuit.
   */
  fail(error: unknown): unknown;
}

/**
 * Creates a circuit breaker for one vendor and one set of credentials. Ten failures within 30 s open it: no connection, time-out, 5xx.
 * A response closes it. `now` returns milliseconds; tests may replace it.
 *
 * @example
 * const breaker = createCircuitBreaker("FirstPromoter");
 * const reading = createCaller({ ...options, breaker });
 * const sending = createCaller({ ...options, breaker, retry: { attempts: 1 } });
 */
export function createCircuitBreaker(vendor: string, now: () => number = Date.now): CircuitBreaker {
  let failures: number[] = [];
  let nextProbe: number | undefined;

  function describeOpen(probe: number, cause?: VendorError): VendorError {
    const pause = probe - now();
    const message = `${vendor} does not answer; the next call is tried in ${Math.ceil(pause / 1000)} s`;
    return new VendorError("circuit_open", message, { ...cause, retryAfterMs: pause, cause });
  }

  function succeed() {
    failures = [];
    nextProbe = undefined;
  }

  return {
    succeed,

    check() {
      const time = now();
      if (nextProbe === undefined) return;
      if (time < nextProbe) throw describeOpen(nextProbe);
      nextProbe = time + probeEveryMs;
    },

    fail(error) {
      // A cancelled call is not a failure of the vendor.
      if (!VendorError.is(error)) return error;
      if (error.kind !== "unavailable" && error.kind !== "unknown_outcome") {
        succeed();
        return error;
      }
      const time = now();
      failures = [...failures.filter((at) => at > time - windowMs), time].slice(-failuresToOpen);
      if (failures.length === failuresToOpen) nextProbe ??= time + probeEveryMs;
      return nextProbe !== undefined && error.kind === "unavailable" ? describeOpen(nextProbe, error) : error;
    },
  };
}
