import type { Usage } from "../ledger/usage.ts";
import { allowedFrom, type Hours, nameBucket, refill, takeTokens } from "../operation/limits.ts";
import type { AnyOperation, Target } from "../operation/operation.ts";

/** The capacity that the limits of an operation leave now. Times are milliseconds since 1970 UTC. */
export interface LimitState {
  operation: string;
  target: Target;
  /** The account that these limits are for; null if all accounts share them, and if no account has used them yet. */
  account: string | null;
  /** The token bucket: requests that may be sent now, its refill and its capacity. */
  rate: { tokens: number; perSecond: number; burst: number } | null;
  /** Chunks that run now, over all processes, and that may run. */
  concurrency: { used: number; most: number } | null;
  hours: Hours | null;
  /** The earliest time at which a chunk may start by its rate and hours. */
  nextAllowedAt: number;
}

/** Accounts of an operation that are listed. */
const maxAccounts = 100;

/** Computes what the limits of an operation leave now, for each account that has limits of its own. */
export function listLimitStates(operation: AnyOperation, usage: Usage, now: number): LimitState[] {
  const { limits } = operation;
  if (!limits?.perAccount) return [computeLimitState(operation, usage, undefined, now)];
  const prefix = `${nameBucket(operation, limits)} `;
  const accounts = new Set([
    ...[...usage.buckets.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)),
    ...usage.claims.filter((claim) => belongsTo(claim, operation)).map(({ account }) => account),
  ]);
  const listed = accounts.size === 0 ? [undefined] : [...accounts].sort().slice(0, maxAccounts);
  return listed.map((account) => computeLimitState(operation, usage, account, now));
}

const belongsTo = (claim: Usage["claims"][number], { name, target }: AnyOperation) =>
  claim.operation === name && claim.target === target;

function computeLimitState(
  operation: AnyOperation,
  usage: Usage,
  account: string | undefined,
  now: number,
): LimitState {
  const { name, target, limits, chunkSize } = operation;
  const state: LimitState = {
    operation: name,
    target,
    account: account ?? null,
    rate: null,
    concurrency: null,
    hours: limits?.hours?.(now) ?? null,
    nextAllowedAt: allowedFrom(operation, false, now),
  };
  if (limits?.concurrency !== undefined) {
    const claims = usage.claims.filter(
      (claim) => belongsTo(claim, operation) && (account === undefined || claim.account === account),
    );
    state.concurrency = { used: claims.reduce((sum, { chunks }) => sum + chunks, 0), most: limits.concurrency };
  }
  if (limits?.perSecond !== undefined) {
    const cost = limits.requests?.(chunkSize) ?? 1;
    const bounds = { perSecond: limits.perSecond, burst: limits.burst ?? Math.max(limits.perSecond, cost) };
    const bucket = usage.buckets.get(nameBucket(operation, limits, account));
    state.rate = { tokens: bucket ? refill(bucket, bounds, now).tokens : bounds.burst, ...bounds };
    const taken = takeTokens(bucket, { cost, ...bounds }, now);
    if ("from" in taken) state.nextAllowedAt = Math.max(state.nextAllowedAt, taken.from);
  }
  return state;
}
