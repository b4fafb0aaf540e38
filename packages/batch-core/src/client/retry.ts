import { sleep as sleepFor } from "./sleep.ts";
import { VendorError } from "./vendor-error.ts";

/** Options of retries. */
export interface RetryOptions {
  /** Maximum number of attempts, including the first. Default 4; 1 repeats nothing. */
  attempts?: number;
  /** Longest pause before the first repeat, in milliseconds; it doubles with each further one. Default 500. */
  firstPauseMs?: number;
  /** The longest pause of all, in milliseconds. Default 30,000. */
  longestPauseMs?: number;
  /** Longest `Retry-After` that is waited for, in milliseconds; for a longer one the error is thrown. Default 60,000. */
  longestRetryAfterMs?: number;
  /** From 0 up to 1. Default: `Math.random`. */
  random?: () => number;
  /** Resolves after so many milliseconds, and rejects with the signal's reason when it is aborted. Default: real time. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** Bounds the repeats of all calls together, so that repeats do not double the load of a vendor that is in trouble. */
export interface RetryBudget {
  /** Counts a first attempt. */
  earn(): void;
  /** Reports whether one more repeat is allowed, and counts it. */
  spend(): boolean;
}

// Counted in calls, because whole numbers add up exactly.
const callsPerRepeat = 10;
/** Ten repeats: the budget at the start, and its limit. */
const savedCalls = 100;
/** Ten repeats a minute. */
const msPerFreeCall = 600;

/** Creates a budget of one repeat per ten calls, plus ten per minute for clients with few calls. */
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
 * Makes a call that is safe to repeat. Repeats it after a lost connection, a time-out, or a 408, 429 or 5xx, with full jitter under a
 * bound that doubles. Waits at least `Retry-After`. Throws any other failure at once. Throws the last failure if the attempts or the
 * budget are used up, or the circuit opens. If the call `changes` something and an earlier response was lost, that failure is an
 * `unknown_outcome`, because the last attempt says nothing about the earlier one.
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
      const retryAfterMs = error.retryAfterMs ?? 0;
      const isLast = attempt >= attempts || signal?.aborted || retryAfterMs > longestRetryAfterMs;
      if (isLast || error.kind === "circuit_open" || budget?.spend() === false) {
        throw inDoubt && error.retryable ? new VendorError("unknown_outcome", error.message, error) : error;
      }
      inDoubt ||= changes && error.kind === "unknown_outcome";
      await sleep(retryAfterMs + random() * Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1)), signal);
    }
  }
}

/** Reports whether a failure is transient. Only the caller knows if the call is safe to repeat. */
function isRetryable(error: unknown): error is VendorError {
  if (!VendorError.is(error)) return false;
  return error.retryable || error.kind === "unknown_outcome" || error.status === 408;
}
