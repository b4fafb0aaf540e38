/** Whether an operation is allowed at a time, and when that changes. Times are milliseconds since 1970 UTC. */
export interface Hours {
  open: boolean;
  /** When it closes. Absent if it is closed, or stays open as far as can be seen. */
  until?: number;
  /** When it opens. Absent if it is open. */
  opensAt?: number;
  /** IANA name of the zone in which the hours are meant. */
  timeZone: string;
}

/** The rate and concurrency limits of an operation, shared by all processes on one ledger. */
export interface Limits {
  /** Operations with the same name share one token bucket, like the verbs of one vendor. By default each has its own. */
  name?: string;
  /** Applies the limits to each account separately, as the vendor does. */
  perAccount?: boolean;
  /** Maximum number of concurrent chunks. Only for operations with effects elsewhere, because their claims can be counted. */
  concurrency?: number;
  /** Requests per second: the refill rate of a token bucket. */
  perSecond?: number;
  /** Capacity of the token bucket in requests. Default: the requests of one second, or of one chunk if those are more. */
  burst?: number;
  /** Returns how many requests a chunk of `items` items makes. Default 1. */
  requests?(items: number): number;
  /** Returns the earliest time from `now` on at which a chunk may start; `now` if it may start at once. */
  allowedFrom?(now: number): number;
  /** Returns the hours at a time, for operators and estimates; undefined if the operation is always allowed. */
  hours?(now: number): Hours | undefined;
}

/** Returns the name of a token bucket. `account`: if each account has its own. */
export function nameBucket(
  { name, target }: { name: string; target: string },
  limits: Pick<Limits, "name">,
  account?: string,
): string {
  const common = limits.name ?? `${name} ${target}`;
  return account === undefined ? common : `${common} ${account}`;
}

/** Returns the earliest time at which a chunk may start. A dry run may start at any time. */
export function allowedFrom({ limits }: { limits?: Limits | undefined }, dryRun: boolean, now: number): number {
  return (!dryRun && limits?.allowedFrom?.(now)) || now;
}

/** A stored token bucket: its tokens at the time of its last refill. */
export interface Bucket {
  tokens: number;
  filledAt: number;
}

/** Returns a bucket as it is at `now`. */
export function refill(
  bucket: Bucket,
  { perSecond, burst }: { perSecond: number; burst: number },
  now: number,
): Bucket {
  // Clocks of processes differ. If a slow one turned the bucket's time back, a fast one would refill the same interval twice.
  const filledAt = Math.max(now, bucket.filledAt);
  return { tokens: Math.min(burst, bucket.tokens + ((filledAt - bucket.filledAt) * perSecond) / 1000), filledAt };
}

/**
 * Takes `cost` tokens from a bucket that refills by `perSecond` up to `burst`. Returns the new bucket, or the time from which
 * there will be enough tokens. A cost above `burst` is admitted if the bucket is full, and leaves a debt.
 */
export function takeTokens(
  bucket: Bucket | undefined,
  { cost, perSecond, burst }: { cost: number; perSecond: number; burst: number },
  now: number,
): { taken: Bucket } | { from: number } {
  const { tokens, filledAt } = refill(bucket ?? { tokens: burst, filledAt: now }, { perSecond, burst }, now);
  const needed = Math.min(cost, burst);
  if (tokens >= needed - 1e-9) return { taken: { tokens: tokens - cost, filledAt } };
  // The margin keeps a rounding error from costing a whole millisecond.
  return { from: filledAt + Math.ceil(((needed - tokens) * 1000) / perSecond - 1e-6) };
}
