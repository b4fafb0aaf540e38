import type { Clock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import { isStorageFault, ReinstateError } from "../errors/errors.ts";
import { createRateWindows } from "../ledger/rate-windows.ts";

/** Limits the calls of each holder (an account, a key) in any minute, over all processes on one ledger. */
export interface RateLimit {
  /** Counts a call. Returns the milliseconds until the next may come if it is one too many; such a call does not count. */
  take(holder: string): Promise<number | undefined>;
  /** Counts a call. @throws ReinstateError `too_many_requests` with the seconds to wait. */
  admit(holder: string): Promise<void>;
}

/** Options of a rate limit. */
export interface RateLimitOptions {
  /** Names the limit among all of this ledger: `firstpromoter requests`. */
  name: string;
  /** 0 admits every call. */
  perMinute: number;
  /**
   * Calls that a process takes from the ledger at once, at most. Default: a fortieth of the limit. 1 for a limit that must never be
   * exceeded, such as that of a real vendor.
   */
  block?: number;
}

const minuteMs = 60_000;

/** Calls that a process may admit, or the time until which it admits none. */
interface Share {
  calls: number;
  until: number;
}

/**
 * Creates a rate limit on callers that all processes on one ledger share. The limits of operations are in
 * `ledger/operation-limits.ts`.
 *
 * Performance: a process takes calls from the ledger in blocks, so most calls cost no statement, and calls beyond the limit cost
 * none either. A block shrinks to a single call as the limit comes near, so little of the limit is lost in other processes. A minute may see
 * as many more calls as the processes hold unused, a fortieth of the limit each at most. While the ledger cannot store anything, calls are admitted
 * without a count, because most of them only read.
 *
 * @example
 * const limit = createRateLimit(host, { name: "zendesk requests", perMinute: 400 });
 * await limit.admit(key.account); // throws too_many_requests
 */
export function createRateLimit(
  { database, clock }: { database: Database; clock: Clock },
  { name, perMinute, block = Math.max(1, Math.floor(perMinute / 40)) }: RateLimitOptions,
): RateLimit {
  const windows = createRateWindows(database);
  const shares = new Map<string, Share>();
  const requests = new Map<string, Promise<void>>();

  /** Gets a new share; calls of one holder at the same moment wait for the same one. */
  function refill(holder: string): Promise<void> {
    let request = requests.get(holder);
    if (!request) {
      request = windows
        .take(`${name} ${holder}`, { limit: perMinute, block, windowMs: minuteMs }, clock.now())
        .catch((error: unknown): Share => {
          if (!isStorageFault(error)) throw error;
          return { calls: block, until: clock.now() + 1000 };
        })
        .then((share) => void shares.set(holder, share))
        .finally(() => requests.delete(holder));
      requests.set(holder, request);
    }
    return request;
  }

  async function take(holder: string): Promise<number | undefined> {
    if (perMinute === 0) return undefined;
    for (;;) {
      const now = clock.now();
      const share = shares.get(holder);
      if (share && share.until > now) {
        if (share.calls === 0) return share.until - now;
        share.calls--;
        if (share.calls === 0) shares.delete(holder);
        return undefined;
      }
      await refill(holder);
    }
  }

  return {
    take,
    async admit(holder) {
      const waitMs = await take(holder);
      if (waitMs === undefined) return;
      throw new ReinstateError("too_many_requests", "Too many requests in a minute", {
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      });
    },
  };
}
