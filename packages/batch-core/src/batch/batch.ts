import type { WaitReason } from "../errors/errors.ts";
import type { OutcomeWord, Target } from "../operation/operation.ts";

/** The status words, the same everywhere. */
export const batchStatuses = ["pending", "in_progress", "completed", "failed", "stopped"] as const;
export type BatchStatus = (typeof batchStatuses)[number];

/** What may follow on what. A state that is not a key's value cannot be reached from it. */
const moves: Record<BatchStatus, readonly BatchStatus[]> = {
  pending: ["in_progress", "completed", "failed", "stopped"],
  in_progress: ["completed", "failed", "stopped"],
  stopped: ["in_progress"],
  completed: ["in_progress"],
  failed: ["in_progress"],
};

/** May a batch go from one state to the other? A finished batch goes on only by a retry, a stopped one by a resume. */
export function canMove(from: BatchStatus, to: BatchStatus): boolean {
  return moves[from].includes(to);
}

/** The states from which `to` can be reached: the guard of the statement that makes the move. */
export function findSourceStates(to: BatchStatus): BatchStatus[] {
  return batchStatuses.filter((from) => canMove(from, to));
}

/** Neither waiting nor at work. */
export function isFinished(status: BatchStatus): boolean {
  return status === "completed" || status === "failed" || status === "stopped";
}

/** How many items have which outcome. The sum is never more than the total, and equal to it when the batch is completed. */
export type Counts = Record<OutcomeWord, number>;

export const noCounts = (): Counts => ({ done: 0, skipped: 0, failed: 0, unknown: 0 });

export function countFinished(counts: Counts): number {
  return counts.done + counts.skipped + counts.failed + counts.unknown;
}

/** Whole percent, rounded down; 100 is kept for a finished batch. */
export function computeProgress(status: BatchStatus, counts: Counts, total: number): number {
  if (status === "completed" || (status === "failed" && countFinished(counts) === total)) return 100;
  if (total === 0) return 0;
  return Math.min(99, Math.floor((100 * countFinished(counts)) / total));
}

/** Ends a batch that mostly fails: more than `maxFailureRate` (0 to 1) of the items settled, once `after` are. */
export interface StopRule {
  maxFailureRate: number;
  after: number;
}

/** The reason to end a batch by its stop rule; undefined where there is none. */
export function mostlyFails(counts: Counts, rule: StopRule): string | undefined {
  const settled = countFinished(counts);
  if (settled === 0 || settled < rule.after || counts.failed <= rule.maxFailureRate * settled) return undefined;
  const percent = (rate: number) => `${Math.round(rate * 1000) / 10} %`;
  return `${counts.failed} of the first ${settled} items failed (${percent(counts.failed / settled)}), more than the ${percent(rule.maxFailureRate)} that the batch allows`;
}

/** One accepted request to run one operation on N items. Times are milliseconds since 1970 UTC. */
export interface Batch {
  id: number;
  operation: string;
  /** The vendor's own label of the operation. */
  label: string;
  target: Target;
  /** Empty where the vendor has no accounts. */
  account: string;
  params: unknown;
  /** Who asked: the id of a key, never the key. */
  actor: string | null;
  status: BatchStatus;
  /** Distinct items. */
  total: number;
  /** Items that were given more than once and are worked on once. */
  duplicates: number;
  counts: Counts;
  progress: number;
  /** Sums that the operation keeps beside the counts. */
  tally: Record<string, number>;
  /** Why the batch is `failed`. */
  error: string | null;
  /** Only tells what would happen; nothing is changed. */
  dryRun: boolean;
  /** The earliest time at which a batch that waits goes on. */
  nextAllowedAt: number | null;
  /** The reason for the wait; null if the batch does not wait. */
  waitingFor: WaitReason | null;
  generation: number;
  createdAt: number;
  updatedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
}
