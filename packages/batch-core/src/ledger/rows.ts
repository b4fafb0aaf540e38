import { type BatchStatus, noCounts } from "../batch.ts";
import type { ChunkId, ClaimedChunk, NewBatch } from "../ledger.ts";
import type { Packed } from "../pack.ts";
import type { Settlement } from "../settle.ts";
import type { OnlyChunk } from "./tables.ts";

/** A chunk as it is first written: waiting, claimed, or settled already. */
export interface WrittenChunk extends ChunkId {
  packed: Packed;
  now: number;
  claim?: { worker: string; leaseUntil: number } | undefined;
  settled?: Settlement;
  refused?: true;
}

/** Column by column: to spread some rows into one takes longer than to insert it. */
export function batchRow(
  id: number,
  batch: NewBatch,
  now: number,
  status: BatchStatus,
  only?: Packed,
  end?: Settlement,
) {
  return {
    id,
    operation: batch.operation,
    label: batch.label,
    target: batch.target,
    account: batch.account,
    params: JSON.stringify(batch.params),
    actor: batch.actor,
    status,
    total: batch.total,
    duplicates: batch.duplicates,
    error: null,
    dry_run: batch.dryRun ? 1 : 0,
    max_failure_rate: batch.stopRule?.maxFailureRate ?? null,
    failure_after: batch.stopRule?.after ?? null,
    next_allowed_at: null,
    created_at: now,
    updated_at: now,
    started_at: status === "pending" ? null : now,
    finished_at: status === "completed" ? now : null,
    done: end?.counts.done ?? null,
    skipped: end?.counts.skipped ?? null,
    failed: end?.counts.failed ?? null,
    unknown: end?.counts.unknown ?? null,
    rest_outcome: end ? restOutcome(end) : null,
    rest_code: end?.rest.code ?? null,
    rest_message: end?.rest.message ?? null,
    tally: end ? tallyText(end.tally) : null,
    codec: only?.codec ?? null,
    packed: only?.bytes ?? null,
  };
}

export function chunkRow({ batchId, generation, seq, packed, now, claim, settled, refused }: WrittenChunk) {
  return {
    batch_id: batchId,
    generation,
    seq,
    item_count: packed.count,
    ...(settled ? endOf(settled, now) : { ...noEnd, state: claim ? ("claimed" as const) : ("waiting" as const) }),
    refused: refused ? 1 : 0,
    attempts: claim ? 1 : 0,
    worker: claim?.worker ?? null,
    lease_until: claim?.leaseUntil ?? null,
  };
}

export function itemsRow({ batchId, generation, seq, packed: { codec, bytes } }: WrittenChunk) {
  return { batch_id: batchId, generation, seq, codec, packed: bytes };
}

export function newlyClaimed({ batchId, generation, seq, packed }: ChunkId & { packed: Packed }): ClaimedChunk {
  const { codec, bytes, count } = packed;
  return { batchId, generation, seq, codec, packed: bytes, count, attempt: 1, interrupted: false };
}

export const noChunk: { [Column in keyof OnlyChunk]: null } = {
  ...{ done: null, skipped: null, failed: null, unknown: null },
  ...{ rest_outcome: null, rest_code: null, rest_message: null, tally: null, codec: null, packed: null },
};

const noEnd = {
  ...noCounts(),
  ...{ rest_outcome: null, rest_code: null, rest_message: null, tally: null, finished_at: null },
};

/** What a finished chunk's row says. */
export function endOf(settlement: Settlement, now: number) {
  const { counts, rest, tally } = settlement;
  return {
    state: "finished" as const,
    ...counts,
    rest_outcome: restOutcome(settlement),
    rest_code: rest.code,
    rest_message: rest.message,
    tally: tallyText(tally),
    finished_at: now,
  };
}

const restOutcome = ({ rest: { outcome } }: Settlement) => (outcome === "done" ? null : outcome);

export const tallyText = (tally: Record<string, number>) =>
  Object.keys(tally).length === 0 ? null : JSON.stringify(tally);
