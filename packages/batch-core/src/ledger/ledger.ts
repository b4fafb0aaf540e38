import type { Batch, BatchStatus, StopRule } from "../batch/batch.ts";
import type { Codec, Packed } from "../batch/chunk-codec.ts";
import type { ChunkResult, ItemResult, OutcomeOverride } from "../batch/chunk-result.ts";
import type { CodeCount } from "../batch/codes.ts";
import type { Act, BatchEvent, NewEvent } from "../batch/event.ts";
import type { LedgerTransaction } from "../database/database.ts";
import type { WaitReason } from "../errors/wait-reason.ts";
import type { Limits } from "../operation/limits.ts";
import type { AnyOperation, ItemKey, Origin, OutcomeWord, Target } from "../operation/operation.ts";
import type { Pruned, PruneOptions } from "./prune.ts";

export interface NewBatch {
  operation: string;
  label: string;
  target: Target;
  account: string;
  params: unknown;
  actor: string | null;
  /** The `traceparent` of the request. */
  trace?: string | undefined;
  total: number;
  duplicates: number;
  dryRun?: boolean;
  /** The batch whose items these are. */
  fromBatch?: number | null;
  /** The batch that is undone. */
  undoOf?: number | null;
  /** The digest of the batch's content. */
  content?: string | null;
  stopRule?: StopRule | undefined;
}

/** The constant fields of a batch and its status, read without counting its chunks. */
export interface BatchHead {
  id: number;
  operation: string;
  target: Target;
  account: string;
  params: unknown;
  actor: string | null;
  /** The `traceparent` of the request that made the batch. */
  trace?: string | undefined;
  total: number;
  dryRun: boolean;
  stopRule: StopRule | undefined;
  status: BatchStatus;
}

/** A chunk to be accepted. If `refused` is set, its items were rejected during validation and the chunk is stored as finished. */
export interface NewChunk {
  packed: Packed;
  refused?: ChunkResult;
}

/** How the chunks of a new batch are stored. Rejected chunks are finished in every mode. */
export type Acceptance =
  /** The chunks wait for a worker, and the batch is pending; a prepared batch is stopped. */
  | { mode: "queued"; prepared?: boolean }
  /** The chunks are finished in the same transaction, before they are written, and the batch is completed. */
  | { mode: "within"; settle(chunk: ClaimedChunk): Promise<ChunkResult> }
  /** The chunks are claimed by the caller, which receives each through `take`, and the batch is in progress. */
  | { mode: "leased"; worker: string; leaseUntil: number; take(chunk: ClaimedChunk): void };

export interface ChunkId {
  batchId: number;
  generation: number;
  seq: number;
}

/** A chunk that a worker owns. */
export interface ClaimedChunk extends ChunkId {
  codec: Codec;
  packed: Uint8Array;
  count: number;
  /** 1 at the first claim. */
  attempt: number;
  /** An earlier claim ended without a result, so its effects are unknown. */
  interrupted: boolean;
  /** The chunk under which the items were first sent, if it is another one. */
  origin?: Origin | undefined;
}

/** The batches to list. */
export interface BatchFilter {
  /** A prefix of the operation's name, for example `firstpromoter.`. */
  operationPrefix?: string;
  operation?: string;
  account?: string;
  statuses?: readonly BatchStatus[];
  /** Only batches with a smaller id. */
  before?: number;
  /** Only batches with a greater id. With `before`, it bounds the rows that a rare match reads. */
  after?: number;
  offset?: number;
  limit: number;
}

/** A search for the batches whose smallest and largest integers enclose an item. */
export interface RangeQuery {
  operation: string;
  target: Target;
  item: number;
  account?: string | undefined;
  /** Only this batch. */
  batch?: number | undefined;
  /** Only batches with a smaller id. */
  before?: number | undefined;
  /** Maximum number of rows that are read. */
  window: number;
}

/** A search in the chunks of one batch. */
export interface ChunkRangeQuery {
  batchId: number;
  item: number;
  /** Only chunks behind this one. */
  after?: Pick<ChunkId, "generation" | "seq"> | undefined;
  /** Maximum number of rows that are read. */
  window: number;
}

/** Rows of one window that match, and where the next window begins; `next` is undefined if this was the last one. */
export interface Window<Row, Next> {
  found: Row[];
  next: Next | undefined;
}

/** An open batch with the chunks that wait for a worker. */
export interface ReadyBatch {
  id: number;
  operation: string;
  target: Target;
  chunks: number;
}

/** One chunk with its outcomes, as it is read for `items`, reports and retries. */
export interface ChunkContent extends ChunkId {
  codec: Codec;
  packed: Uint8Array;
  /** Undefined while the chunk is not finished. */
  commonOutcome: ItemResult | undefined;
  overrides: OutcomeOverride[];
  /** The later generations that include items of this chunk. */
  retries: readonly Retry[];
}

/** Items of a chunk that a later generation has taken over: a retry, a reexamination or a mark. */
export interface Retry {
  generation: number;
  /** Limits it to items with this code. */
  code?: string;
  /** Default: failed items. */
  outcome?: "unknown";
}

/** The owner of a chunk: the transaction that locked it, or the worker that claimed it. */
export type ChunkOwner = { transaction: LedgerTransaction } | { worker: string; transaction?: LedgerTransaction };

/** Decides in the claim's transaction if a chunk may start. Returns undefined if it may, else the time from which it may. */
export type AdmitChunk = (transaction: LedgerTransaction, items: number) => Promise<number | undefined>;

/**
 * The store of batches, chunks and outcomes. Guarantees of every implementation:
 *
 * - `accept` is one transaction. When it resolves, the batch and all its items are on disk; when it rejects, nothing is.
 * - A chunk has at most one owner, and only while its batch is pending or in progress. `lockNext` locks it until the transaction
 *   ends, so the effects commit with the outcomes. `claim` leases it; the lease must be renewed.
 * - `finishChunk` writes the counts and outcomes of a chunk once. If the caller no longer owns the chunk, it writes nothing and
 *   returns false.
 * - Counts are the sums over the chunks. The batch row stores them only after the batch has ended.
 */
export interface Ledger {
  accept(
    batch: NewBatch,
    chunks: Iterable<NewChunk> | AsyncIterable<NewChunk>,
    now: number,
    /** Default: the chunks are queued. */
    acceptance?: Acceptance,
    transaction?: LedgerTransaction,
  ): Promise<number>;

  head(id: number, transaction?: LedgerTransaction): Promise<BatchHead | undefined>;
  get(id: number, transaction?: LedgerTransaction): Promise<Batch | undefined>;
  /**
   * Returns the id of the newest real batch with this content that was created since a time. In a transaction, others that ask for the
   * same content wait until it has ended, so two cannot both find none and be accepted.
   */
  findContent(content: string, since: number, transaction?: LedgerTransaction): Promise<number | undefined>;
  /** Returns batches, newest first. */
  list(filter: BatchFilter): Promise<Batch[]>;
  /** Returns the ids of batches that are pending or in progress, oldest first. */
  open(): Promise<number[]>;
  /** Returns the same batches, each with the number of chunks that can be claimed now, counted up to `limit`. */
  ready(limit: number, now: number): Promise<ReadyBatch[]>;

  /** Locks the next waiting chunk of a batch until the transaction ends. Returns undefined if no chunk is waiting now. */
  lockNext(batchId: number, now: number, transaction: LedgerTransaction): Promise<ClaimedChunk | undefined>;
  /**
   * Leases the next chunk that waits, or whose lease has expired, to `worker`. Returns the time from which the chunk may start if
   * `admit` defers it, and undefined if there is no chunk.
   */
  claim(
    batchId: number,
    worker: string,
    now: number,
    leaseUntil: number,
    admit?: AdmitChunk,
  ): Promise<ClaimedChunk | { from: number } | undefined>;
  /** Extends the leases of `worker`. Returns false if it owns no chunk any more. */
  renew(worker: string, leaseUntil: number): Promise<boolean>;
  /** Stores the result of a chunk. Returns false, and writes nothing, if `by` does not own the chunk any more. */
  finishChunk(chunk: ChunkId, result: ChunkResult, now: number, by: ChunkOwner): Promise<boolean>;
  /**
   * Releases a chunk; it can be claimed again from `notBefore`. `held`: the chunk was locked by a transaction that was rolled back.
   * `counted`: the attempt counts. `interrupted`: the effects are unknown, so the next claim is marked as interrupted.
   */
  release(
    chunk: ChunkId,
    notBefore: number,
    by: { held: true } | { worker: string },
    how: { counted: boolean; interrupted?: boolean },
  ): Promise<void>;
  /**
   * Takes the tokens of a chunk and counts the operation's claims, one caller at a time. Returns undefined if the chunk may start,
   * else the time at which to ask again. `account`: the account whose limits apply, if each has its own.
   */
  admit(
    operation: Pick<AnyOperation, "name" | "target">,
    limits: Pick<Limits, "name" | "concurrency" | "perSecond" | "burst"> & { account?: string | undefined },
    cost: number,
    now: number,
    transaction: LedgerTransaction,
  ): Promise<number | undefined>;
  /**
   * Returns the time of the next attempt at an unfinished chunk of a batch that is open. Undefined while a chunk is claimed, because the
   * batch makes progress then, and if there is none.
   */
  nextAttempt(id: number): Promise<number | undefined>;
  /** Stores the time until which a batch waits, and the reason if there is one; null if the batch does not wait. */
  waitUntil(id: number, time: number | null, reason?: WaitReason | null): Promise<void>;

  /**
   * Changes the status of a batch if the state machine allows it and its status is one of `from`. Otherwise returns false. `event`
   * is recorded in the same transaction.
   */
  move(id: number, to: BatchStatus, now: number, from?: readonly BatchStatus[], event?: NewEvent): Promise<boolean>;
  /** Adds an event to the history of a batch, in the transaction of the change that it describes. */
  recordEvent(id: number, event: NewEvent, transaction: LedgerTransaction): Promise<void>;
  /** Returns what happened to a batch, oldest first; nothing for an unknown batch. */
  history(id: number): Promise<BatchEvent[]>;
  /** Stores the reason for which a batch will end as `failed`. */
  recordError(id: number, error: string, transaction?: LedgerTransaction): Promise<void>;
  /**
   * Ends a batch whose chunks are all finished: as `failed` if an error is stored, else as `completed`. Returns false while chunks
   * are unfinished.
   */
  closeBatch(id: number, now: number, transaction?: LedgerTransaction): Promise<boolean>;
  /**
   * Ends a batch early as `failed`. Items of waiting chunks fail with the code `not_run`. The batch is closed when its claimed chunks
   * are finished. Returns false if no chunk waits.
   */
  failBatch(id: number, error: string, now: number): Promise<boolean>;
  /**
   * Starts a new generation with the failed items of a finished batch, except those rejected during validation. The batch is
   * `in_progress` again. Returns the number of items; 0 means that nothing changed. `code` limits the retry to items that failed with
   * this code. The retry is recorded as an event of `act`. `begun` is called in the same transaction.
   */
  retry(
    id: number,
    now: number,
    options?: {
      code?: string | undefined;
      act?: Act;
      begun?: (generation: number, transaction: LedgerTransaction) => Promise<void>;
    },
  ): Promise<number>;
  /**
   * Starts a new generation with the unknown items of a finished batch, whose chunks are interrupted, so that a worker reads back what
   * happened to them. `toKey` returns the operation's key of an item. Returns the number of items; 0 means that nothing changed.
   */
  reexamine(
    id: number,
    now: number,
    options: {
      toKey(item: unknown): ItemKey;
      act?: Act;
      begun?: (generation: number, transaction: LedgerTransaction) => Promise<void>;
    },
  ): Promise<number>;
  /**
   * Gives the unknown items of a finished batch, of one code or all, the outcome `as` in a new generation that is finished from the
   * start. Returns the number of items; 0 means that nothing changed.
   */
  mark(
    id: number,
    now: number,
    options: { as: "done" | "failed"; code?: string | undefined; note: string; actor: string | null },
  ): Promise<number>;

  /**
   * Returns chunks of a batch in order, after `after`; with `outcome` or `code`, only chunks that have such items. A page may be
   * shorter than `limit`; only an empty page is the end.
   */
  readChunks(
    batchId: number,
    options: {
      after?: Pick<ChunkId, "generation" | "seq"> | undefined;
      outcome?: OutcomeWord | undefined;
      code?: string | undefined;
      limit: number;
    },
  ): Promise<ChunkContent[]>;
  /**
   * Finds the batches of an operation whose smallest and largest integers enclose `item`, newest first. Reads one window of batches, so
   * that no statement reads more rows, however many batches there are.
   */
  findRanges(query: RangeQuery): Promise<Window<number, number>>;
  /** Finds the chunks of a batch whose smallest and largest integers enclose `item`, in one window of chunks. */
  findChunkRanges(query: ChunkRangeQuery): Promise<Window<ChunkId, ChunkRangeQuery["after"]>>;
  /**
   * Returns the number of items by outcome and code, the largest first; undefined for an unknown batch. Items without a code are left
   * out.
   */
  codes(id: number): Promise<CodeCount[] | undefined>;

  /**
   * Inserts an idempotency key in the transaction that accepts its batch. If the key exists, returns its entry and inserts nothing.
   */
  insertIdempotencyKey(
    entry: Omit<IdempotencyEntry, "reply">,
    transaction: LedgerTransaction,
  ): Promise<IdempotencyEntry | undefined>;
  /** Returns the entry of an idempotency key. */
  findReplay(scope: string, key: string): Promise<IdempotencyEntry | undefined>;
  /** Stores the response to the first request with a key. */
  storeResponse(scope: string, key: string, answer: string, transaction?: LedgerTransaction): Promise<void>;
  /** Stores the body of the first reply to a key if there is none. Returns the stored one. */
  storeReply(scope: string, key: string, reply: string): Promise<string>;
  /** Deletes the idempotency keys that were created before a time. */
  purgeExpiredKeys(before: number): Promise<void>;
  /** Deletes one idempotency key. */
  deleteIdempotencyKey(scope: string, key: string): Promise<void>;
  /** Deletes batches that ended before a time, with everything that belongs to them. The newest batch always stays. */
  prune(options: PruneOptions): Promise<Pruned>;
}

/** A stored idempotency key with its batch and response. */
export interface IdempotencyEntry {
  scope: string;
  key: string;
  digest: string;
  batchId: number;
  /** The first response; null until it is known. */
  answer: string | null;
  /** The body of the first reply; null unless the vendor's API stored one. */
  reply: string | null;
  createdAt: number;
}
