import * as z from "zod";
import { type Batch, isFinished, noCounts } from "../batch/batch.ts";
import { addChunkResult, noSums, type Sums } from "../batch/chunk-result.ts";
import type { Clock } from "../clock.ts";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { DeferUntil, invalidRequest, ReinstateError, wasRolledBack } from "../errors/errors.ts";
import type { Runner } from "../execution/runner.ts";
import { parseParams, toIssues } from "../intake/validate-items.ts";
import type { IdempotencyKey } from "../ledger/idempotency-keys.ts";
import type { Acceptance, BatchHead, ClaimedChunk, Ledger, NewBatch, NewChunk } from "../ledger/ledger.ts";
import type { Observer } from "../observer.ts";
import { allowedFrom } from "../operation/limits.ts";
import type { AnyOperation } from "../operation/operation.ts";
import { ownText } from "../text/own-text.ts";
import { currentTrace } from "../trace.ts";
import { parseAct } from "./parse-act.ts";
import { KeyTaken, type Replays } from "./replay.ts";
import type { AcceptedRequest, Submitted } from "./request.ts";

/** Attempts to accept a batch whose transaction the database rolled back, for example because of a deadlock. */
const maxAttempts = 3;

const accountText = ownText();
const contentText = z.string().regex(/^[\da-f]{64}$/, "must be a SHA-256 digest of 64 lower-case hexadecimal digits");

/** How long a batch keeps another one with the same content from being accepted. */
const contentWindowMs = 7 * 24 * 3_600_000;

/** The valid, distinct items of a new batch. */
export interface ItemSource {
  /** Number of items without the rejected ones. */
  items: number;
  /** Number of items with the rejected ones. */
  total: number;
  duplicates: number;
  chunks(): Iterable<NewChunk> | AsyncIterable<NewChunk>;
  /** `chunks` can be called again, after a rollback. */
  repeatable: boolean;
}

export interface AcceptParts {
  ledger: Ledger;
  database: Database;
  runner: Runner;
  clock: Clock;
  replays: Replays;
  get(id: number): Promise<Batch>;
  /** Notifies the engine of new work. */
  notify(): void;
  observer?: Observer | undefined;
}

interface NewRequest {
  batch: NewBatch & Pick<BatchHead, "dryRun" | "stopRule"> & Pick<Batch, "fromBatch" | "undoOf">;
  operation: AnyOperation;
  source: ItemSource;
  idempotency: IdempotencyKey | undefined;
  note: string | undefined;
  /** Accepts a batch although another one has its content. */
  again: boolean;
  /** The batch starts as `stopped`. */
  prepared: boolean;
  now: number;
}

/**
 * The modes of accepting a batch:
 *
 * | mode | for | chunks | the call returns |
 * | --- | --- | --- | --- |
 * | `queued` | large or prepared batches, and all that must wait | wait for the engine | when the batch is stored |
 * | `within` | small, effects in the ledger's database | run in the transaction that accepts the batch | when that is committed |
 * | `leased` | small, effects elsewhere | claimed from the start, run after the commit | after one attempt at each |
 */
const modes = {
  queued: acceptQueued,
  within: acceptWithin,
  leased: acceptLeased,
};

/** Accepts a batch whose items are valid. If the idempotency key was used before, returns the first response. */
export async function acceptBatch(
  parts: AcceptParts,
  request: AcceptedRequest,
  operation: AnyOperation,
  source: ItemSource,
): Promise<Submitted> {
  const { idempotency, prepared = false, again = false } = request;
  const { note } = parseAct(request);
  const batch = describeBatch(request, operation, source);
  const replay = await parts.replays.find(idempotency);
  if (replay) return replay;
  const now = parts.clock.now();
  const accepting: NewRequest = { batch, operation, source, idempotency, note, again, prepared, now };
  try {
    const mode = chooseMode(accepting, request.inline);
    const submitted = await modes[mode](parts, accepting);
    if (!batch.dryRun) {
      // The runner has counted the chunks of a leased batch, except those that were rejected during validation.
      const rejected = { ...noCounts(), failed: source.total - source.items };
      parts.observer?.countItems(operation, mode === "leased" ? rejected : submitted.counts);
    }
    return submitted;
  } catch (error) {
    if (!(error instanceof KeyTaken || ReinstateError.is(error, "duplicate_content"))) throw error;
    // A concurrent request with the same key was first.
    const replay = await parts.replays.find(idempotency);
    if (replay) return replay;
    throw error;
  }
}

function describeBatch(
  request: AcceptedRequest,
  operation: AnyOperation,
  { total, duplicates }: ItemSource,
): NewRequest["batch"] {
  const { filter, dryRun = false, actor = null, stopRule, fromBatch = null, undoOf = null } = request;
  if (dryRun && operation.effects === "elsewhere" && !operation.preview) {
    throw invalidRequest({ path: "dry_run", message: `${operation.name} does not support dry runs` });
  }
  const account = accountText.safeParse(request.account ?? "");
  if (!account.success) throw invalidRequest(...toIssues(account.error, "account"));
  const content = contentText.optional().safeParse(request.content);
  if (!content.success) throw invalidRequest(...toIssues(content.error, "content"));
  const params = parseParams(operation, request.params);
  return {
    operation: operation.name,
    label: operation.label,
    target: operation.target,
    account: account.data,
    // In the form in which they are read back.
    params: JSON.parse(JSON.stringify(filter ? { ...(params as object), filter } : params)) as unknown,
    actor,
    trace: currentTrace(),
    total,
    duplicates,
    dryRun,
    fromBatch,
    undoOf,
    ...(content.data !== undefined && { content: content.data }),
    stopRule,
  };
}

function chooseMode(
  { operation, batch, source, prepared, now }: NewRequest,
  inline: boolean | undefined,
): keyof typeof modes {
  const { limits, effects, inlineLimit } = operation;
  // Operations with limits never run inline, because only the engine can wait.
  const hasLimits = limits?.concurrency !== undefined || limits?.perSecond !== undefined;
  const mustWait = hasLimits || allowedFrom(operation, batch.dryRun, now) > now;
  if (mustWait || prepared || !(inline ?? source.items <= inlineLimit)) return "queued";
  return effects === "elsewhere" ? "leased" : "within";
}

async function acceptQueued(parts: AcceptParts, accepting: NewRequest): Promise<Submitted> {
  const accepted = await inTransaction(parts, accepting, { groupCommit: false }, async (transaction) => {
    const id = await insert(parts, accepting, { mode: "queued", prepared: accepting.prepared }, transaction);
    const batch = (await parts.ledger.get(id, transaction)) as Batch;
    await parts.replays.storeAnswer(accepting.idempotency, batch, transaction);
    return batch;
  });
  parts.notify();
  return accepted;
}

async function acceptWithin(parts: AcceptParts, accepting: NewRequest): Promise<Submitted> {
  const { batch, operation, source, idempotency, now } = accepting;
  // A dry run rolls back to a savepoint, which is not possible in a shared transaction.
  const groupCommit = operation.groupCommit && !batch.dryRun;
  try {
    return await inTransaction(parts, accepting, { groupCommit }, async (transaction) => {
      const sums = noSums();
      sums.counts.failed = source.total - source.items;
      const settle = async (chunk: ClaimedChunk) => {
        const result = await parts.runner.runWithin(transaction, batch, chunk);
        addChunkResult(sums, result);
        return result;
      };
      const id = await insert(parts, accepting, { mode: "within", settle }, transaction);
      const completed = describeCompleted(id, batch, sums, now);
      await parts.replays.storeAnswer(idempotency, completed, transaction);
      return completed;
    });
  } catch (error) {
    // The transaction was rolled back. Accept the batch again, as queued, so that it waits.
    if (source.repeatable && DeferUntil.is(error)) return acceptQueued(parts, accepting);
    throw error;
  }
}

async function acceptLeased(parts: AcceptParts, accepting: NewRequest): Promise<Submitted> {
  const { runner, replays, get, notify } = parts;
  const lease = runner.newLease();
  const { id, chunks } = await inTransaction(parts, accepting, { groupCommit: true }, async (transaction) => {
    const chunks: ClaimedChunk[] = [];
    const claimed = { worker: lease.name, leaseUntil: lease.until, take: (chunk: ClaimedChunk) => chunks.push(chunk) };
    return { id: await insert(parts, accepting, { mode: "leased", ...claimed }, transaction), chunks };
  });
  await runner.runClaimed({ ...accepting.batch, id }, chunks, lease);
  const batch = await get(id);
  if (!isFinished(batch.status)) notify();
  await replays.storeAnswer(accepting.idempotency, batch);
  return batch;
}

/** Stores the batch with its chunks, the writes of its operation, and its idempotency key. Returns the id of the batch. */
async function insert(
  { ledger, replays }: AcceptParts,
  { batch, operation, source, idempotency, note, again, now }: NewRequest,
  acceptance: Acceptance,
  transaction: LedgerTransaction,
): Promise<number> {
  if (batch.content && !batch.dryRun && !again) {
    const batchId = await ledger.findContent(batch.content, now - contentWindowMs, transaction);
    if (batchId !== undefined) throw duplicateContent(batchId);
  }
  const id = await ledger.accept(batch, source.chunks(), now, acceptance, transaction);
  if (note !== undefined) {
    await ledger.recordEvent(id, { verb: "created", at: now, actor: batch.actor, note }, transaction);
  }
  if (!batch.dryRun) {
    if (batch.undoOf !== null) {
      const event = { verb: "undo_prepared", at: now, actor: batch.actor, note, facts: { batch: id } } as const;
      await ledger.recordEvent(batch.undoOf, event, transaction);
    }
    await operation.accepted?.({ batchId: id, generation: 0 }, transaction);
  }
  await replays.insert(idempotency, id, transaction);
  return id;
}

const duplicateContent = (batchId: number): ReinstateError =>
  new ReinstateError(
    "duplicate_content",
    `Batch ${batchId} has the same operation, params and items; resume or retry it, or submit them again on purpose`,
    { batchId },
  );

async function inTransaction<Result>(
  { database }: AcceptParts,
  { batch, source: { repeatable } }: NewRequest,
  { groupCommit }: { groupCommit: boolean },
  work: (transaction: LedgerTransaction) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      // A group commit may run its work again, and an upload cannot be read again. Batches with a content exclude each other by
      // transaction.
      return await (groupCommit && repeatable && !batch.content
        ? database.groupCommit(work)
        : database.transaction(work));
    } catch (error) {
      if (!repeatable || attempt === maxAttempts || !wasRolledBack(error)) throw error;
    }
  }
}

/** Builds a batch that ran while it was accepted, as the ledger would return it. */
function describeCompleted(id: number, batch: NewRequest["batch"], { counts, tally }: Sums, now: number): Batch {
  const { stopRule: _, content: __, ...rest } = batch;
  return {
    ...rest,
    id,
    counts,
    tally,
    status: "completed",
    progress: 100,
    generation: 0,
    error: null,
    nextAllowedAt: null,
    waitingFor: null,
    createdAt: now,
    updatedAt: now,
    startedAt: now,
    finishedAt: now,
  };
}
