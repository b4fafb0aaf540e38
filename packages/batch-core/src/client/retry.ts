import { sleep as sleepFor } from "./sleep.ts";
import { VendorError } from "./vendor-error.ts";

/** How often and how patiently a call is repeated. */
export interface RetryOptions {
  /** Tries at most, the first one included. Default 4; 1 repeats nothing. */
  attempts?: number;
  /** Milliseconds: the longest pause before the first repeat; each further one is up to twice as long. Default 500. */
  firstPauseMs?: number;
  /** The longest pause of all, in milliseconds. Default 30,000. */
  longestPauseMs?: number;
  /** A `Retry-After` above this is not waited for: the error is thrown. Default 60,000. */
  longestRetryAfterMs?: number;
  /** From 0 up to 1. Default: `Math.random`. */
  random?: () => number;
  /** Resolves after so many milliseconds, and rejects with the signal's reason when it is aborted. Default: real time. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** Bounds the repeats of all calls together, so that repeats do not double the load of a vendor that is in trouble. */
export interface RetryBudget {
  /** Counts a first try. */
  earn(): void;
  /** True if one more repeat may be made; counts it. */
  spend(): boolean;
}

// In calls: whole numbers add up exactly.
const callsPerRepeat = 10;
/** Ten repeats: the budget at the start, and its limit. */
const savedCalls = 100;
/** Ten repeats a minute. */
const msPerFreeCall = 600;

/** A repeat for every ten calls, and ten a minute beside them, so that a client with few calls can repeat too. */
export function createRetryBudget(now: () => number = Date.now): RetryBudget {
  let calls = savedCalls;
  let filledAt = now();
  const add = (count: number) => {
    calls = Math.min(savedCalls, calls + count);
  };
  return {
    earn: () => add(1),
    spend() {
      const time = now();
      add(Math.max(0, time - filledAt) / msPerFreeCall);
      filledAt = time;
      if (calls < callsPerRepeat) return false;
      calls -= callsPerRepeat;
      return true;
    },
  };
}

interface RetriedCall {
  signal?: AbortSignal | undefined;
  /** False for a read. Default true. */
  changes?: boolean;
  budget?: RetryBudget;
}

/**
 * Makes a call that is safe to repeat, and repeats it while the connection is lost, no answer comes in time, or the vendor
 * answers 408, 429 or 5xx, with full jitter: a pause between nothing and a bound that doubles. `Retry-After` is the least
 * that is waited. A verdict (any other answer) is thrown at once, and the last failure when the tries or the budget are used
 * up, or when the circuit opens. If the call `changes` something and the answer of an earlier try was lost, that failure is
 * an `unknown_outcome`: the last try says nothing of the one before.
 */
export async function withRetries<Answer>(
  call: () => Promise<Answer>,
  options: RetryOptions = {},
  { signal, changes = true, budget }: RetriedCall = {},
): Promise<Answer> {
  const {
    attempts = 4,
    firstPauseMs = 500,
    longestPauseMs = 30_000,
    longestRetryAfterMs = 60_000,
    random = Math.random,
    sleep = sleepFor,
  } = options;
  budget?.earn();
  let inDoubt = false;
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      if (!isRetryable(error)) throw error;
      const asked = error.retryAfterMs ?? 0;
      const isLast = attempt >= attempts || signal?.aborted || asked > longestRetryAfterMs;
      if (isLast || error.kind === "circuit_open" || budget?.spend() === false) {
        throw inDoubt && error.retryable ? new VendorError("unknown_outcome", error.message, error) : error;
      }
      inDoubt ||= changes && error.kind === "unknown_outcome";
      await sleep(asked + random() * Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1)), signal);
    }
  }
}

/** True for what may be otherwise a little later; only the caller knows whether the call may be made twice. */
function isRetryable(error: unknown): error is VendorError {
  if (!VendorError.is(error)) return false;
  return error.retryable || error.kind === "unknown_outcome" || error.status === 408;
}
