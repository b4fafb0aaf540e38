import type { Clock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import { invalidRequest } from "../errors/errors.ts";
import { readUsage } from "../ledger/usage.ts";
import { allowedFrom, type Limits, nameBucket, refill } from "../operation/limits.ts";
import type { AnyOperation, Target } from "../operation/operation.ts";

/** All limiting factors. */
export const limitingFactors = ["rate", "office_hours", "concurrency"] as const;
/** The factor that keeps a batch from ending sooner. */
export type LimitingFactor = (typeof limitingFactors)[number];

/** The estimate of a real run of a batch under the limits of its operation. Times are milliseconds since 1970 UTC. */
export interface Estimate {
  chunks: number;
  /** Requests to the vendor, as far as the operation knows them; 0 for our own records. */
  requests: number;
  earliestStart: number;
  /** From now until the last chunk may start; null if only the speed of the work decides. */
  durationMs: number | null;
  limitedBy: LimitingFactor | null;
}

/** A batch to be estimated. */
export interface EstimateRequest {
  operation: string;
  /** Default `local`. */
  target?: Target;
  /** The account, if each has limits of its own. */
  account?: string;
  /** The number of distinct items. */
  items: number;
  /** Default: the time of the host's clock. */
  now?: number;
}

/** Estimates a batch with what the ledger's token bucket holds. */
export async function estimateBatch(
  parts: {
    database: Database;
    clock: Clock;
    findOperation(name: string, target?: Target): AnyOperation;
  },
  { operation: name, target, account, items, now = parts.clock.now() }: EstimateRequest,
): Promise<Estimate> {
  const operation = parts.findOperation(name, target);
  if (!Number.isSafeInteger(items) || items < 1) {
    throw invalidRequest({ path: "items", message: "must be a whole number of at least 1" });
  }
  const { limits, chunkSize } = operation;
  if (limits?.perSecond === undefined) return computeEstimate(operation, { items, now });
  const usage = await readUsage(parts.database, now);
  const bucket = usage.buckets.get(nameBucket(operation, limits, limits.perAccount ? (account ?? "") : undefined));
  const { perSecond, burst = Math.max(perSecond, limits.requests?.(Math.min(items, chunkSize)) ?? 1) } = limits;
  const tokens = bucket && refill(bucket, { perSecond, burst }, now).tokens;
  return computeEstimate(operation, { items, now, tokens });
}

/** Office hours in a row that an estimate looks at. Beyond them, the duration is unknown. */
const maxWindows = 100;

/**
 * Computes what a batch of `items` takes from `now` on. `tokens`: what the operation's token bucket holds; by default it is full.
 *
 * @example computeEstimate(operation, { items: 200_000, now: Date.now() }).durationMs
 */
export function computeEstimate(
  operation: AnyOperation,
  { items, now, tokens }: { items: number; now: number; tokens?: number | undefined },
): Estimate {
  const { chunkSize, limits, target } = operation;
  const chunks = Math.ceil(items / chunkSize);
  const last = items - (chunks - 1) * chunkSize;
  const countRequests = (items: number) => limits?.requests?.(items) ?? (target === "upstream" ? 1 : 0);
  const requests = (chunks - 1) * countRequests(chunkSize) + countRequests(last);
  const earliestStart = allowedFrom(operation, false, now);
  const rateMs = limits && computeRateWait(limits, { chunks, chunkSize, last, tokens });
  const end = findEnd(limits, earliestStart, rateMs ?? 0);
  return {
    chunks,
    requests,
    earliestStart,
    durationMs: rateMs === undefined || end === undefined ? null : end - now,
    limitedBy: findLimit(limits, { isDelayed: end !== now + (rateMs ?? 0), rateMs }),
  };
}

/** Returns the milliseconds from the first chunk's start until the token bucket admits the last one; undefined without a rate. */
function computeRateWait(
  { perSecond, requests, burst }: Limits,
  { chunks, chunkSize, last, tokens }: { chunks: number; chunkSize: number; last: number; tokens: number | undefined },
): number | undefined {
  if (perSecond === undefined) return undefined;
  const cost = requests?.(chunkSize) ?? 1;
  const lastCost = requests?.(last) ?? 1;
  const capacity = burst ?? Math.max(perSecond, chunks > 1 ? cost : lastCost);
  // A cost above the capacity is admitted by a full bucket, and leaves a debt.
  const needed = (chunks - 1) * cost + Math.min(lastCost, capacity) - Math.min(tokens ?? capacity, capacity);
  return Math.max(0, Math.ceil((needed * 1000) / perSecond));
}

/** Returns when `workMs` of work end that begin at `start` and rest while the office is closed; undefined if that is too far away. */
function findEnd(limits: Limits | undefined, start: number, workMs: number): number | undefined {
  let at = start;
  let left = workMs;
  for (let window = 0; window < maxWindows; window++) {
    const until = limits?.hours?.(at)?.until;
    if (until === undefined || left <= until - at) return at + left;
    left -= until - at;
    at = limits?.allowedFrom?.(until) ?? until;
  }
  return undefined;
}

function findLimit(
  limits: Limits | undefined,
  { isDelayed, rateMs }: { isDelayed: boolean; rateMs: number | undefined },
): LimitingFactor | null {
  if (isDelayed) return "office_hours";
  if (rateMs !== undefined && rateMs > 0) return "rate";
  return limits?.concurrency === undefined ? null : "concurrency";
}
