import type { Batch, BatchStatus, StopRule } from "../batch/batch.ts";
import type { Codec, Packed } from "../batch/chunk-codec.ts";
import type { ChunkResult, ItemResult, OutcomeOverride } from "../batch/chunk-result.ts";
import type { LedgerTransaction } from "../database/database.ts";
import type { WaitReason } from "../errors/errors.ts";
import type { Limits } from "../operation/limits.ts";
import type { AnyOperation, OutcomeWord, Target } from "../operation/operation.ts";
import type { Pruned, PruneOptions } from "./prune.ts";

export interface NewBatch {
  operation: string;
  label: string;
  target: Target;
  account: string;
  params: unknown;
  actor: string | null;
  total: number;
  duplicates: number;
  dryRun?: boolean;
  stopRule?: StopRule | undefined;
}

/** What of a batch never changes, read without counting; and its status. */
export interface BatchHead {
  id: number;
  operation: string;
  target: Target;
  account: string;
  params: unknown;
  actor: string | null;
  total: number;
  dryRun: boolean;
  stopRule: StopRule | undefined;
  status: BatchStatus;
}

/** A chunk to be accepted; with a settlement its items were refused at the door, and it is finished from the start. */
export interface NewChunk {
  packed: Packed;
  refused?: ChunkResult;
}

/** How the chunks of a new batch are stored. Refused chunks are finished in every mode. */
export type Acceptance =
  /** They wait for a worker, and the batch is pending. */
  | { mode: "queued" }
  /** They are settled in the same transaction, before they are written, and the batch is completed. */
  | { mode: "within"; settle(chunk: ClaimedChunk): Promise<ChunkResult> }
  /** They are claimed by the caller, who takes each of them, and the batch is in progress. */
  | { mode: "leased"; worker: string; leaseUntil: number; take(chunk: ClaimedChunk): void };

export interface ChunkId {
  batchId: number;
  generation: number;
  seq: number;
}

/** A chunk in somebody's hands. */
export interface ClaimedChunk extends ChunkId {
  codec: Codec;
  packed: Uint8Array;
  count: number;
  /** 1 at the first claim. */
  attempt: number;
  /** An earlier claim ended without a word: its effects are not known. */
  interrupted: boolean;
}

export interface BatchFilter {
  /** The beginning of the operation's name, `firstpromoter.`. */
  operationPrefix?: string;
  operation?: string;
  account?: string;
  statuses?: readonly BatchStatus[];
  /** Only batches with a smaller id. */
  before?: number;
  offset?: number;
  limit: number;
}

/** An open batch with the chunks that wait for a worker. */
export interface ReadyBatch {
  id: number;
  operation: string;
  target: Target;
  chunks: number;
}

/** One chunk with its fates, as it is read back for `items`, reports and retries. */
export interface ChunkContent extends ChunkId {
  codec: Codec;
  packed: Uint8Array;
  /** Undefined while the chunk is not finished. */
  commonOutcome: ItemResult | undefined;
  overrides: OutcomeOverride[];
  /** The retries that ran failed items of this chunk again. */
  retries: readonly Retry[];
}

/** A retry of the failed items of a chunk by a later generation. */
export interface Retry {
  generation: number;
  /** Only the items that failed with this code; without it, all failed items. */
  code?: string;
}

/** How a chunk's finish is guarded: it was locked in this transaction, or it is claimed by this worker. */
export type ChunkOwner = { transaction: LedgerTransaction } | { worker: string; transaction?: LedgerTransaction };

/** Decides, in the claim's own transaction, whether a chunk may start; answers the time from which it may, else undefined. */
export type Admission = (transaction: LedgerTransaction, items: number) => Promise<number | undefined>;

/**
 * Where batches, chunks and outcomes are kept. Promises of every implementation:
 *
 * - `accept` is one transaction: when it resolves, the batch and all its items are on disk; when it rejects, nothing is.
 * - A chunk is handed to one worker at a time, and only while its batch is pending or in progress. `hold` keeps it for the
 *   length of a transaction (the effects commit with the outcome); `claim` keeps it under a lease that must be renewed.
 * - `finish` writes a chunk's counts and fates once. For a chunk that is no longer the caller's it writes nothing and
 *   answers false.
 * - Counts are always the sum over the chunk rows; the batch row holds no counter.
 */
export interface Ledger {
  accept(
    batch: NewBatch,
    chunks: Iterable<NewChunk> | AsyncIterable<NewChunk>,
    now: number,
    /** Without it, the chunks are queued. */
    acceptance?: Acceptance,
    transaction?: LedgerTransaction,
  ): Promise<number>;

  head(id: number, transaction?: LedgerTransaction): Promise<BatchHead | undefined>;
  get(id: number, transaction?: LedgerTransaction): Promise<Batch | undefined>;
  /** Newest first. */
  list(filter: BatchFilter): Promise<Batch[]>;
  /** Ids of the batches that are pending or in progress, oldest first. */
  open(): Promise<number[]>;
  /** The same batches, each with how many of its chunks could be handed out now, counted up to `limit`. */
  ready(limit: number, now: number): Promise<ReadyBatch[]>;

  /** The next waiting chunk of a batch, locked until the transaction ends; undefined when there is none for now. */
  lockNext(batchId: number, now: number, transaction: LedgerTransaction): Promise<ClaimedChunk | undefined>;
  /** The next chunk that waits or whose lease has run out, leased to `worker`; or the time from which it may start. */
  claim(
    batchId: number,
    worker: string,
    now: number,
    leaseUntil: number,
    admit?: Admission,
  ): Promise<ClaimedChunk | { from: number } | undefined>;
  /** Answers false where `worker` has no chunk any more. */
  renew(worker: string, leaseUntil: number): Promise<boolean>;
  finishChunk(chunk: ChunkId, settlement: ChunkResult, now: number, by: ChunkOwner): Promise<boolean>;
  /**
   * Puts a chunk back, to be handed out again at `notBefore`. A held chunk was let go with its transaction. `counted`: the
   * attempt counts. `interrupted`: its effects are not known, so the next claim says so.
   */
  release(
    chunk: ChunkId,
    notBefore: number,
    by: { held: true } | { worker: string },
    how: { counted: boolean; interrupted?: boolean },
  ): Promise<void>;
  /**
   * Takes an operation's tokens and counts its claims, one caller at a time; answers the time from which there is room. `account`:
   * the one whose limits are meant, if each has its own.
   */
  admit(
    operation: Pick<AnyOperation, "name" | "target">,
    pace: Pick<Limits, "name" | "concurrency" | "perSecond" | "burst"> & { account?: string | undefined },
    cost: number,
    now: number,
    transaction: LedgerTransaction,
  ): Promise<number | undefined>;
  /** Stores when a waiting batch goes on, and the reason if there is one; null when the batch goes on. */
  waitUntil(id: number, time: number | null, reason?: WaitReason | null): Promise<void>;

  /** Moves a batch where the state machine allows it, and its state is one of `from`; answers false where it does not. */
  move(id: number, to: BatchStatus, now: number, from?: readonly BatchStatus[]): Promise<boolean>;
  /** Writes down why a batch will end as `failed`. */
  recordError(id: number, error: string, transaction?: LedgerTransaction): Promise<void>;
  /**
   * Ends a batch all of whose chunks are finished, as `completed`, or as `failed` where an error was noted. Answers false
   * while there is work left.
   */
  closeBatch(id: number, now: number, transaction?: LedgerTransaction): Promise<boolean>;
  /**
   * Ends a batch as `failed` before its time: the items that nobody has begun fail with the code `not_run`, and when the
   * chunks in hand are finished it is closed. Answers false where no chunk waits.
   */
  failBatch(id: number, error: string, now: number): Promise<boolean>;
  /**
   * Makes the failed items of a finished batch, except those refused at the door, a new generation and the batch
   * `in_progress` again. Returns how many items that are; 0 changes nothing. `code`: only items that failed with this code.
   * `begun` is called in the same transaction.
   */
  retry(
    id: number,
    now: number,
    options?: {
      code?: string | undefined;
      begun?: (generation: number, transaction: LedgerTransaction) => Promise<void>;
    },
  ): Promise<number>;

  /**
   * Chunks of a batch in order, after `after`; with `outcome` only those that have items of it. There may be fewer than
   * `limit` before the end; none is the end.
   */
  readChunks(
    batchId: number,
    options: {
      after?: Pick<ChunkId, "generation" | "seq"> | undefined;
      outcome?: OutcomeWord | undefined;
      limit: number;
    },
  ): Promise<ChunkContent[]>;

  /**
   * Makes an idempotency key's entry, in the transaction that accepts its batch. Answers the entry that was there before,
   * where there is one.
   */
  insertIdempotencyKey(
    entry: Omit<IdempotencyEntry, "reply">,
    transaction: LedgerTransaction,
  ): Promise<IdempotencyEntry | undefined>;
  findReplay(scope: string, key: string): Promise<IdempotencyEntry | undefined>;
  storeResponse(scope: string, key: string, answer: string, transaction?: LedgerTransaction): Promise<void>;
  /** Stores the body of the first reply to a key, unless there is one. Returns the stored one. */
  storeReply(scope: string, key: string, reply: string): Promise<string>;
  /** Forgets the idempotency keys made before a time. */
  purgeExpiredKeys(before: number): Promise<void>;
  /** Forgets one idempotency key. */
  deleteIdempotencyKey(scope: string, key: string): Promise<void>;
  /** Deletes batches that ended before a time, with everything that belongs to them, except the newest batch of all. */
  prune(options: PruneOptions): Promise<Pruned>;
}

/** An idempotency key with what it was used for. */
export interface IdempotencyEntry {
  scope: string;
  key: string;
  digest: string;
  batchId: number;
  /** The first answer; null while it is not known. */
  answer: string | null;
  /** The body of the first reply; null unless the vendor's API stored one. */
  reply: string | null;
  createdAt: number;
}
