/*
 * A failure is retried in up to four layers. This file decides for a chunk. Around it:
 * - A client repeats one call that had no effect, within seconds (`client/retry.ts`).
 * - A worker repeats the write of a known result while it holds the lease (`run-under-lease.ts`).
 * - The acceptance of a small batch is repeated while its caller waits (`submission/accept-batch.ts`).
 */

import {
  DeferUntil,
  hasPossibleEffect,
  isRetryable,
  isStorageFault,
  isTransient,
  readCircuitPause,
} from "../errors/errors.ts";
import type { WaitReason } from "../errors/wait-reason.ts";
import type { ClaimedChunk } from "../ledger/ledger.ts";
import type { AnyOperation } from "../operation/operation.ts";

/** Attempts of one chunk before it fails permanently. Only transient failures are retried. */
export const maxAttempts = 5;
const firstPauseMs = 500;
const longestPauseMs = 60_000;
/** The limit of a vendor's `Retry-After`; a longer one is cut to it. */
const longestRetryAfterMs = 3_600_000;
/** The wait of a batch between attempts to write to storage that is full, read-only or broken. */
export const storagePauseMs = 5_000;

/** The decision about a chunk whose operation threw. */
export type RetryDecision =
  | {
      retry: true;
      /** The time of the next attempt. */
      at: number;
      /** Counts as an attempt. */
      counted: boolean;
      /** The chunk may have had its effect. */
      interrupted: boolean;
      /** No other chunk of the batch runs before `at` either. */
      pauseBatch: boolean;
      waitingFor?: WaitReason;
    }
  | { retry: false; outcome: "failed" | "unknown" };

/** Returns a back-off with full jitter, in milliseconds: a random time up to a limit that doubles with each attempt. */
export function computeBackoff(attempt: number, random: () => number): number {
  return Math.round(random() * Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1)));
}

/**
 * Decides if a chunk whose operation threw is retried. `once`: a caller waits for the result, so a chunk that certainly had no effect
 * is not retried.
 */
export function decideRetry(
  error: unknown,
  chunk: Pick<ClaimedChunk, "attempt" | "interrupted">,
  operation: Pick<AnyOperation, "effects" | "repeatable" | "reconcile">,
  { dryRun, once, now, random }: { dryRun: boolean; once: boolean; now: number; random(): number },
): RetryDecision {
  const { attempt } = chunk;
  const interrupted = chunk.interrupted || hasPossibleEffect(error);
  if (DeferUntil.is(error)) {
    const { until: at, waitingFor } = error;
    return { retry: true, at, counted: false, interrupted, pauseBatch: true, ...(waitingFor && { waitingFor }) };
  }
  // An outage of the vendor must not fail an item, however long it lasts.
  const circuitPause = readCircuitPause(error);
  if (circuitPause !== undefined) {
    const at = now + circuitPause;
    return { retry: true, at, counted: false, interrupted, pauseBatch: true, waitingFor: "vendor" };
  }
  // Invariant: only a rollback, or a call that was never sent, is certain to have had no effect. If an earlier attempt was
  // interrupted, or an earlier call of this one was sent, a later call without effect proves nothing.
  const harmless = operation.effects === "ledger" || dryRun;
  const certain = harmless || (isRetryable(error) && !interrupted);
  const canRecover = operation.repeatable || operation.reconcile !== undefined;
  // A storage fault must not fail an item, because the work can go on once an operator has made room.
  if (isStorageFault(error)) {
    const at = now + storagePauseMs;
    return { retry: true, at, counted: false, interrupted: !certain, pauseBatch: true, waitingFor: "storage" };
  }
  const canRetry = isTransient(error) || (!certain && canRecover);
  if (!canRetry || (once && certain) || attempt >= maxAttempts) {
    return { retry: false, outcome: certain ? "failed" : "unknown" };
  }
  const retryAfterMs = Math.min((error as { retryAfterMs?: number }).retryAfterMs ?? 0, longestRetryAfterMs);
  const pauseMs = Math.max(computeBackoff(attempt, random), retryAfterMs);
  return { retry: true, at: now + pauseMs, counted: true, interrupted: !certain, pauseBatch: retryAfterMs > 0 };
}
