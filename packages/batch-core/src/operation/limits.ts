/** How fast an operation may go, over all processes on one ledger. */
export interface Limits {
  /** Operations whose paces have one name share one bucket of requests, as verbs of one vendor do. By itself each has its own. */
  name?: string;
  /** Each account has limits of its own, as it has at the vendor. */
  perAccount?: boolean;
  /** Chunks at once. Only for operations with effects elsewhere, whose claims can be counted. */
  concurrency?: number;
  /** Requests per second, a token bucket that holds at most `burst` (default: one second's worth, and one chunk's at least). */
  perSecond?: number;
  burst?: number;
  /** Requests that a chunk of so many items makes. Default 1. */
  requests?(items: number): number;
  /** The hours of the day: the earliest time not before `now` at which a chunk may start. `now` itself where it may at once. */
  allowedFrom?(now: number): number;
}

/** The earliest time at which a chunk may start, by the hours of its operation. Who only looks may do so at any hour. */
export function allowedFrom({ limits }: { limits?: Limits | undefined }, dryRun: boolean, now: number): number {
  return (!dryRun && limits?.allowedFrom?.(now)) || now;
}

/** A bucket as it is kept: tokens at a time. */
export interface Bucket {
  tokens: number;
  filledAt: number;
}

/**
 * Takes `cost` tokens out of a bucket that fills by `perSecond` up to `burst`. Answers the bucket afterwards, or the time
 * from which there will be enough. A cost above `burst` is let through when the bucket is full, and leaves it in debt.
 */
export function takeTokens(
  bucket: Bucket | undefined,
  { cost, perSecond, burst }: { cost: number; perSecond: number; burst: number },
  now: number,
): { taken: Bucket } | { from: number } {
  const before = bucket ?? { tokens: burst, filledAt: now };
  // Callers' clocks differ: a slow one must not turn the bucket's time back, or a fast one would fill the same time twice.
  const filledAt = Math.max(now, before.filledAt);
  const tokens = Math.min(burst, before.tokens + ((filledAt - before.filledAt) * perSecond) / 1000);
  const needed = Math.min(cost, burst);
  if (tokens >= needed - 1e-9) return { taken: { tokens: tokens - cost, filledAt } };
  // A hair less, lest a rounding error cost a whole millisecond.
  return { from: filledAt + Math.ceil(((needed - tokens) * 1000) / perSecond - 1e-6) };
}
