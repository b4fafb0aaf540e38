import type { WaitReason } from "../errors/errors.ts";
import { DeferUntil, hadNoEffect, isStorageFault, isTransient, readCircuitPause } from "../errors/errors.ts";
import type { ClaimedChunk } from "../ledger/ledger.ts";
import type { AnyOperation } from "../operation/operation.ts";

/** Tries of one chunk before it is given up. Only transient failures are tried again. */
export const maxAttempts = 5;
const firstPauseMs = 500;
const longestPauseMs = 60_000;
/** A vendor that asks for more patience than this is taken at this. */
const longestRetryAfterMs = 3_600_000;
/** How long a batch waits before it tries again to write to storage that is full, read-only or broken. */
export const storagePauseMs = 5_000;

/** What is to become of a chunk whose operation threw. */
export type RetryDecision =
  /** Again at `at`; `wholeBatch`: no other chunk of the batch before that either. */
  | {
      again: true;
      at: number;
      counted: boolean;
      interrupted: boolean;
      wholeBatch: boolean;
      waitingFor?: WaitReason;
    }
  | { again: false; outcome: "failed" | "unknown" };

/** Full jitter: any time up to a limit that doubles with each attempt. Milliseconds. */
export function computeBackoff(attempt: number, random: () => number): number {
  return Math.round(random() * Math.min(longestPauseMs, firstPauseMs * 2 ** (attempt - 1)));
}

/** `once`: somebody waits for the answer, so a chunk that certainly did nothing is not tried again. */
export function decideRetry(
  error: unknown,
  { attempt, interrupted }: Pick<ClaimedChunk, "attempt" | "interrupted">,
  operation: Pick<AnyOperation, "effects" | "repeatable" | "reconcile">,
  { dryRun, once, now, random }: { dryRun: boolean; once: boolean; now: number; random(): number },
): RetryDecision {
  if (DeferUntil.is(error)) {
    const { until: at, waitingFor } = error;
    return { again: true, at, counted: false, interrupted, wholeBatch: true, ...(waitingFor && { waitingFor }) };
  }
  // A vendor that is down is no verdict on an item, however long it is down.
  const circuitPause = readCircuitPause(error);
  if (circuitPause !== undefined) {
    const at = now + circuitPause;
    return { again: true, at, counted: false, interrupted, wholeBatch: true, waitingFor: "vendor" };
  }
  // What was undone with its transaction, or never left, is certain; everything else may have had its effect. That a second
  // try did nothing says nothing about an interrupted first one.
  const harmless = operation.effects === "ledger" || dryRun;
  const certain = harmless || (hadNoEffect(error) && !interrupted);
  const canFindOut = operation.repeatable || operation.reconcile !== undefined;
  // No verdict, whatever the attempt: the items are as good as before once an operator has made room.
  if (isStorageFault(error)) {
    const at = now + storagePauseMs;
    return { again: true, at, counted: false, interrupted: !certain, wholeBatch: true, waitingFor: "storage" };
  }
  const worthIt = isTransient(error) || (!certain && canFindOut);
  if (!worthIt || (once && certain) || attempt >= maxAttempts) {
    return { again: false, outcome: certain ? "failed" : "unknown" };
  }
  const asked = Math.min((error as { retryAfterMs?: number }).retryAfterMs ?? 0, longestRetryAfterMs);
  const pause = Math.max(computeBackoff(attempt, random), asked);
  return { again: true, at: now + pause, counted: true, interrupted: !certain, wholeBatch: asked > 0 };
}
