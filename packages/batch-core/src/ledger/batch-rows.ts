import type { Selectable } from "kysely";
import { type Batch, computeProgress, isFinished, noCounts, type StopRule } from "../batch/batch.ts";
import type { BatchHead } from "./ledger.ts";
import { holdsCounts, type LedgerTables } from "./tables.ts";

export type BatchRow = Omit<
  Selectable<LedgerTables["reinstate_batches"]>,
  "codes" | "content" | "first_item" | "last_item"
>;

/** All columns but the codes, which may be long and are not read with the batch. */
export const batchColumns = [
  "id",
  "operation",
  "label",
  "target",
  "account",
  "params",
  "actor",
  "status",
  "total",
  "duplicates",
  "generation",
  "error",
  "dry_run",
  "from_batch",
  "undo_of",
  "max_failure_rate",
  "failure_after",
  "next_allowed_at",
  "waiting_for",
  "created_at",
  "updated_at",
  "started_at",
  "finished_at",
  "done",
  "skipped",
  "failed",
  "unknown",
  "tally",
  "trace",
] as const satisfies (keyof BatchRow)[];

/** The sums over the chunks of a batch. */
export interface ChunkSums extends Pick<Batch, "counts" | "tally"> {
  /** The time of the last finished chunk. */
  finishedAt: number;
}

/** The sums of a batch without finished chunks. */
const noChunkSums: ChunkSums = { counts: noCounts(), tally: {}, finishedAt: 0 };

/** Builds a batch from its row. `computed`: the sums over its chunks, used while the row does not hold them. */
export function toBatch(row: BatchRow, computed: ChunkSums = noChunkSums): Batch {
  const { counts, tally, finishedAt } = readStoredSums(row) ?? computed;
  return {
    id: row.id,
    operation: row.operation,
    label: row.label,
    target: row.target,
    account: row.account,
    params: JSON.parse(row.params) as unknown,
    actor: row.actor,
    status: row.status,
    total: row.total,
    duplicates: row.duplicates,
    counts,
    progress: computeProgress(row.status, counts, row.total),
    tally,
    error: row.error,
    dryRun: row.dry_run === 1,
    fromBatch: row.from_batch,
    undoOf: row.undo_of,
    nextAllowedAt: isFinished(row.status) ? null : row.next_allowed_at,
    waitingFor: isFinished(row.status) || row.next_allowed_at === null ? null : row.waiting_for,
    generation: row.generation,
    createdAt: row.created_at,
    updatedAt: Math.max(row.updated_at, isFinished(row.status) ? 0 : finishedAt),
    startedAt: row.started_at,
    finishedAt: row.finished_at,
  };
}

/** Reads the sums that the row of an ended batch holds. */
function readStoredSums(row: BatchRow): ChunkSums | undefined {
  if (!holdsCounts(row)) return undefined;
  const { done, skipped, failed, unknown, tally } = row;
  return {
    counts: { done, skipped, failed, unknown },
    tally: JSON.parse(tally ?? "{}") as Batch["tally"],
    finishedAt: 0,
  };
}

/** Builds the head of a batch from its row. */
export function toBatchHead(row: BatchRow): BatchHead {
  return {
    id: row.id,
    operation: row.operation,
    target: row.target,
    account: row.account,
    params: JSON.parse(row.params) as unknown,
    actor: row.actor,
    total: row.total,
    dryRun: row.dry_run === 1,
    stopRule: toStopRule(row),
    status: row.status,
    trace: row.trace ?? undefined,
  };
}

function toStopRule({ max_failure_rate, failure_after }: BatchRow): StopRule | undefined {
  return max_failure_rate === null ? undefined : { maxFailureRate: max_failure_rate, after: failure_after ?? 0 };
}
