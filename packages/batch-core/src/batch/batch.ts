/*
 * The states of a batch and of its chunks.
 *
 * Batch (`reinstate_batches.status`):
 *
 *                first chunk runs               all chunks finished
 *       pending ------------------> in_progress ----------------------> completed
 *          |                         |   ^   ^ \                            |
 *          | stop               stop |   |   |  \  with an error             |
 *          v                         v   |   |   +-----------> failed       |
 *       stopped <--------------------+   |   |                   |          |
 *          |                             |   +-------------------+----------+
 *          +-----------------------------+     retry: next generation
 *                     resume
 *
 * - A prepared batch starts as `stopped`, so `resume` starts it. A queued batch starts as `pending`. A small batch starts as
 *   `completed` if it ran in the transaction that accepted it, and as `in_progress` if its chunks were claimed by that
 *   transaction. See `submission/accept-batch.ts`.
 * - `closeBatch` ends a batch once all its chunks are finished: as `failed` if an error is stored, else as `completed`. A pending batch
 *   may be closed too, if all its items were rejected during validation. Failed items alone do not make a batch `failed`; a chunk that
 *   failed permanently or the stop rule does, because they store an error.
 * - `stop` lets claimed chunks finish and starts no further one. A stopped batch is never closed; `resume` comes first.
 * - `failBatch`, called for the stop rule, finishes the waiting chunks with the code `not_run` and stores the error. Claimed and
 *   interrupted chunks still run, and the last one closes the batch.
 * - `retry` copies the failed items of an ended batch into chunks of a new generation. Counts of the old chunks then leave them out.
 *   `reexamine` does so with the unknown items, whose chunks are interrupted. `mark` writes them as finished chunks, and the batch stays
 *   ended.
 * - Time limits do not change the status. A batch that waits is `pending` or `in_progress` with `next_allowed_at`.
 *
 * `moves` below lists the allowed changes; the guard of every statement is derived from it or repeats it.
 *
 * Chunk (`reinstate_chunks.state`):
 *
 *                         lockNext + finishChunk, one transaction; failBatch
 *       waiting ------------------------------------------------------------> finished
 *        |   ^                                                                   ^
 *  claim |   | release, no effect                                    finishChunk |
 *        v   |                                                                   |
 *       claimed -----------------------------------------------------------------+
 *        |   ^
 *        |   | claim
 *        v   |
 *       interrupted       release, effect unknown
 *
 * - `waiting`: no owner, and the items are untouched, or every earlier attempt certainly had no effect.
 * - `claimed`: owned by a worker until `lease_until`. After that, any worker may claim it, as interrupted.
 * - `interrupted`: no owner, and an earlier attempt may have had its effect.
 * - `finished`: every item has an outcome. The chunk never changes again, except for the retries that include its failed items.
 *
 * Chunks with effects in the ledger's database skip `claimed`: a row lock owns them until the transaction ends. `not_before` delays a
 * waiting or interrupted chunk. Chunks with rejected items are stored as `finished`. See `execution/lease.ts` for the lease.
 */
import type { WaitReason } from "../errors/wait-reason.ts";
import type { OutcomeWord, Target } from "../operation/operation.ts";

/** All statuses of a batch. */
export const batchStatuses = ["pending", "in_progress", "completed", "failed", "stopped"] as const;
/** The status of a batch. */
export type BatchStatus = (typeof batchStatuses)[number];

/** The allowed status changes, by the current status. */
const moves: Record<BatchStatus, readonly BatchStatus[]> = {
  pending: ["in_progress", "completed", "failed", "stopped"],
  in_progress: ["completed", "failed", "stopped"],
  stopped: ["in_progress"],
  completed: ["in_progress"],
  failed: ["in_progress"],
};

/** Reports whether a batch may change from one status to another. An ended batch continues by a retry, a stopped one by a resume. */
export function canMove(from: BatchStatus, to: BatchStatus): boolean {
  return moves[from].includes(to);
}

/** Returns the statuses from which `to` can be reached. They guard the statement that changes the status. */
export function findSourceStates(to: BatchStatus): BatchStatus[] {
  return batchStatuses.filter((from) => canMove(from, to));
}

/** Reports whether a batch is completed, failed or stopped. */
export function isFinished(status: BatchStatus): boolean {
  return status === "completed" || status === "failed" || status === "stopped";
}

/** The number of items by outcome. The sum equals the total if the batch is completed, and is never greater. */
export type Counts = Record<OutcomeWord, number>;

export const noCounts = (): Counts => ({ done: 0, skipped: 0, failed: 0, unknown: 0 });

/** Returns the number of items that have an outcome. */
export function countFinished(counts: Counts): number {
  return counts.done + counts.skipped + counts.failed + counts.unknown;
}

/** Returns the progress in whole percent, rounded down. Only an ended batch has 100. */
export function computeProgress(status: BatchStatus, counts: Counts, total: number): number {
  if (status === "completed" || (status === "failed" && countFinished(counts) === total)) return 100;
  if (total === 0) return 0;
  return Math.min(99, Math.floor((100 * countFinished(counts)) / total));
}

/** Ends a batch whose failure rate is too high. */
export interface StopRule {
  /** The allowed share of failed items among the finished ones, from 0 to 1. */
  maxFailureRate: number;
  /** The number of finished items from which the rule applies. */
  after: number;
}

/** Returns the reason to end a batch by its stop rule; undefined if the rule is kept. */
export function checkStopRule(counts: Counts, rule: StopRule): string | undefined {
  const finished = countFinished(counts);
  if (finished === 0 || finished < rule.after || counts.failed <= rule.maxFailureRate * finished) return undefined;
  const percent = (rate: number) => `${Math.round(rate * 1000) / 10} %`;
  return `${counts.failed} of the first ${finished} items failed (${percent(counts.failed / finished)}), more than the ${percent(rule.maxFailureRate)} that the batch allows`;
}

/** One accepted request to run one operation on N items. Times are milliseconds since 1970 UTC. */
export interface Batch {
  id: number;
  operation: string;
  /** The vendor's own label of the operation. */
  label: string;
  target: Target;
  /** Empty if the vendor has no accounts. */
  account: string;
  params: unknown;
  /** The id of the key that submitted the batch, never the key itself. */
  actor: string | null;
  status: BatchStatus;
  /** Number of distinct items. */
  total: number;
  /** Number of items that were submitted more than once; they are processed once. */
  duplicates: number;
  counts: Counts;
  /** Whole percent. */
  progress: number;
  /** Named counters of the operation beside the counts. */
  tally: Record<string, number>;
  /** The reason for which the batch is `failed`. */
  error: string | null;
  /** Reports what would happen and changes nothing. */
  dryRun: boolean;
  /** The batch whose items this batch has taken over; null if there is none. */
  fromBatch: number | null;
  /** The batch that this batch undoes; null if it undoes none. */
  undoOf: number | null;
  /** The earliest time at which a waiting batch continues. */
  nextAllowedAt: number | null;
  /** The reason for the wait; null if the batch does not wait. */
  waitingFor: WaitReason | null;
  generation: number;
  createdAt: number;
  updatedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
}
