import { setImmediate } from "node:timers/promises";
import { type Batch, isFinished, noCounts, type StopRule } from "./batch.ts";
import type { Clock } from "./clock.ts";
import type { Database } from "./database.ts";
import { invalidRequest, NotNow, ReinstateError, wasRolledBack } from "./errors.ts";
import { takeFound } from "./intake/take-in.ts";
import { type Intake, issuesOf, paramsOf, parseItems } from "./intake.ts";
import { type ItemOutcome, type ItemsPage, type ItemsQuery, itemPages, itemsPage } from "./items.ts";
import type { Pruned, PruneOptions } from "./ledger/prune.ts";
import type { BatchFilter, ClaimedChunk, Ledger, NewBatch, NewChunk } from "./ledger.ts";
import type { AnyOperation, ItemKey, LedgerTransaction, OutcomeWord, Target } from "./operation.ts";
import { allowedFrom } from "./pace.ts";
import { pack } from "./pack.ts";
import type { Runner } from "./runner.ts";
import { type Settlement, settle } from "./settle.ts";
import { findTextIssues, ownText } from "./text.ts";
import { itemsPerSlice } from "./time-slice.ts";
import { type Progress, watchBatch } from "./watch.ts";

/** An item that is counted but cannot be worked on: refused at the door, with its outcome from the start. */
export interface Refused {
  item: unknown;
  code: string;
  message: string;
}

/** What every way to make a batch says of it, but for its items. */
export interface Request {
  operation: string;
  target?: Target;
  /** Taken as it is: whether the vendor has accounts, and this one, is checked by `/v1`, where a person writes it. */
  account?: string;
  params?: unknown;
  /** The id of the key that asked. */
  actor?: string;
  /** Whether the batch is finished before it is answered; without it, its size decides. */
  inline?: boolean;
  /** Only tell what would happen. */
  dryRun?: boolean;
  stopRule?: StopRule;
  /** The same key with the same digest of the request is answered as the first time. */
  idempotency?: { scope: string; key: string; digest: string };
}

export interface Submission extends Request {
  items: readonly unknown[];
  /** Items that the vendor's contract counts as failed though they are not valid. */
  refused?: readonly Refused[];
}

export interface RetryOptions {
  /** Only the items that failed with this code. */
  code?: string | undefined;
  /** The same key with the same digest gets the first answer, and nothing runs again. */
  idempotency?: Request["idempotency"];
}

/** A batch as it was answered; `replayed` where an idempotency key had its answer already. */
export type Submitted = Batch & { replayed?: true };

export interface Batches {
  /**
   * Accepts a batch. When it resolves, the batch is on disk with all its items. Small batches are finished by then.
   * Throws `invalid_request` with the path of every invalid item, `unknown_operation`, `idempotency_mismatch` or
   * `idempotency_running`; nothing is changed then.
   */
  submit(submission: Submission): Promise<Submitted>;
  /** The same with items that were taken in one by one and are valid. The intake is not closed. */
  submitIntake(request: Request, intake: Intake): Promise<Submitted>;
  /**
   * Accepts a batch over all items that the operation's `selection` finds now. Their list is frozen with it, and the filter is
   * kept as `filter` in its params. Throws `invalid_request` where there is no such filter, or it finds nothing.
   */
  submitFiltered(request: Request & { filter: unknown }): Promise<Submitted>;
  /**
   * The batch that an idempotency key has made, as it was answered; undefined where the key is new. Throws
   * `idempotency_mismatch` or `idempotency_running`.
   */
  recall(idempotency: NonNullable<Request["idempotency"]>): Promise<Submitted | undefined>;
  /** The operation of a request; throws `unknown_operation`. */
  operation(name: string, target?: Target): AnyOperation;
  /** Throws `unknown_batch`. */
  get(id: number): Promise<Batch>;
  /** Newest first. */
  list(filter: BatchFilter): Promise<Batch[]>;
  /** A page of items, each with its latest fate; `cursor` is the `next` of the page before. */
  items(id: number, query?: ItemsQuery): Promise<ItemsPage>;
  /** All items in order, each with its latest fate, as a stream that holds one page of chunks. */
  everyItem(id: number): AsyncGenerator<ItemOutcome, void, undefined>;
  /** The same a page at a time: for those who write millions of them. */
  everyPage(id: number): AsyncGenerator<ItemOutcome[], void, undefined>;
  /** No further chunk is begun; those in hand are finished. Throws `wrong_state` for a batch that is finished. */
  stop(id: number): Promise<Batch>;
  /** Goes on with what is left of a stopped batch. Throws `wrong_state`. */
  resume(id: number): Promise<Batch>;
  /**
   * Runs the failed items of a finished batch again, as a new generation. Throws `wrong_state` if there is nothing to run,
   * `idempotency_mismatch` or `idempotency_running`.
   */
  retry(id: number, options?: RetryOptions): Promise<Submitted>;
  /**
   * Deletes batches that are completed or failed and ended before a time, with their items. Their ids are unknown from then on. The
   * newest batch stays.
   */
  prune(options: PruneOptions): Promise<Pruned>;
  /** How the batch gets on, until its end. */
  watch(id: number, options?: { signal?: AbortSignal; pollMs?: number }): AsyncGenerator<Progress, void, undefined>;
  /** Resolves when the batch is completed, failed or stopped. */
  wait(id: number, options?: { signal?: AbortSignal; pollMs?: number }): Promise<Batch>;
}

export interface BatchesParts {
  ledger: Ledger;
  database: Database;
  runner: Runner;
  operation(name: string, target: Target): AnyOperation | undefined;
  clock: Clock;
  /** How long idempotency keys are kept, in milliseconds. */
  keepKeysMs: number;
  /** Tells the engine that there is work. */
  notify(): void;
}

const accountText = ownText();

/** Between two clean-ups of old idempotency keys. */
const forgetEveryMs = 3_600_000;

export function createBatches(parts: BatchesParts): Batches {
  const { ledger, database, runner, clock } = parts;
  let forgotten = Number.NEGATIVE_INFINITY;

  function operationOf(name: string, target: Target = "local"): AnyOperation {
    const operation = parts.operation(name, target);
    if (operation) return operation;
    throw new ReinstateError("unknown_operation", `There is no operation "${name}" for the target "${target}"`);
  }

  /** Accepts a batch whose items are valid, and works it off at once where it is small. */
  async function accept(
    request: Request & { filter?: unknown },
    operation: AnyOperation,
    counts: { items: number; total: number; duplicates: number },
    chunks: () => Iterable<NewChunk> | AsyncIterable<NewChunk>,
    /** Whether the chunks can be asked for again, after a deadlock. */
    repeatable: boolean,
  ): Promise<Submitted> {
    if (request.dryRun && operation.effects === "elsewhere" && !operation.preview) {
      throw invalidRequest({ path: "dry_run", message: `${operation.name} cannot be tried without effects` });
    }
    const account = accountText.safeParse(request.account ?? "");
    if (!account.success) throw invalidRequest(...issuesOf(account.error, "account"));
    const params = paramsOf(operation, request.params);
    const { filter } = request;
    const batch = {
      operation: operation.name,
      label: operation.label,
      target: operation.target,
      account: account.data,
      // As they will be read back.
      params: JSON.parse(JSON.stringify(filter ? { ...(params as object), filter } : params)) as unknown,
      actor: request.actor ?? null,
      total: counts.total,
      duplicates: counts.duplicates,
      dryRun: request.dryRun ?? false,
      stopRule: request.stopRule,
    } satisfies NewBatch;
    const now = clock.now();
    const inline = (request.inline ?? counts.items <= operation.inlineLimit) && !mustWait(operation, batch.dryRun, now);
    const elsewhere = inline && operation.effects === "elsewhere";
    // A dry run undoes what it did by a savepoint, which is not for several at a time.
    const short = inline && repeatable && !request.dryRun && (elsewhere || operation.sharesCommit);
    const { idempotency } = request;
    const lease = elsewhere ? runner.newLease() : undefined;
    interface Accepted {
      id: number;
      batch?: Batch;
      /** To be worked off under the lease. */
      inHand: ClaimedChunk[];
    }
    const work = async (transaction: LedgerTransaction): Promise<Accepted> => {
      const settled: Settlement[] = [];
      const inHand: ClaimedChunk[] = [];
      const hand = (chunk: ClaimedChunk) => void inHand.push(chunk);
      const claim = lease && { worker: lease.name, leaseUntil: lease.until, hand };
      const workOff = async (chunk: ClaimedChunk) => {
        const settlement = await runner.runWithin(transaction, batch, chunk);
        settled.push(settlement);
        return settlement;
      };
      const within = inline && !elsewhere;
      const options = { transaction, ...(claim && { claim }), ...(within && { workOff }) };
      const id = await ledger.accept(batch, chunks(), now, options);
      if (!batch.dryRun) await operation.accepted?.({ batchId: id, generation: 0 }, transaction);
      if (idempotency) {
        const entry = { ...idempotency, batchId: id, answer: null, createdAt: now };
        const before = await ledger.remember(entry, transaction);
        if (before) throw new Replay();
      }
      // A batch that is yet to be finished for the caller is answered when it is.
      if (elsewhere) return { id, inHand };
      // What was worked off just now need not be read back.
      const accepted = within
        ? completed(id, batch, settled, counts.total - counts.items, now)
        : ((await ledger.get(id, transaction)) as Batch);
      if (idempotency) {
        await ledger.answered(idempotency.scope, idempotency.key, JSON.stringify(accepted), transaction);
      }
      return { id, batch: accepted, inHand };
    };
    if (idempotency) {
      await forgetOldKeys(now);
      const before = await replayed(idempotency);
      if (before) return before;
    }
    let accepted: Accepted | undefined;
    for (let attempt = 1; !accepted; attempt++) {
      try {
        accepted = await (short ? database.together(work) : database.transaction(work));
      } catch (error) {
        if (idempotency && error instanceof Replay) return (await replayed(idempotency)) as Submitted;
        // Nothing is left of it, so it is accepted anew and waits for its hour.
        if (repeatable && inline && NotNow.is(error)) {
          return accept({ ...request, inline: false }, operation, counts, chunks, repeatable);
        }
        if (!repeatable || attempt === 3 || !wasRolledBack(error)) throw error;
      }
    }
    if (!inline) parts.notify();
    if (!lease) return accepted.batch as Batch;
    await runner.runClaimed({ ...batch, id: accepted.id }, accepted.inHand, lease);
    const finished = await batches.get(accepted.id);
    if (!isFinished(finished.status)) parts.notify();
    if (idempotency) await ledger.answered(idempotency.scope, idempotency.key, JSON.stringify(finished));
    return finished;
  }

  function acceptIntake(request: Parameters<typeof accept>[0], operation: AnyOperation, intake: Intake) {
    const counts = { items: intake.total, total: intake.total, duplicates: intake.duplicates };
    return accept(request, operation, counts, () => intake.chunks(operation.chunkSize), false);
  }

  /** The first answer of an idempotency key that was used before. */
  async function replayed({ scope, key, digest }: NonNullable<Request["idempotency"]>): Promise<Submitted | undefined> {
    const before = await ledger.recall(scope, key);
    if (!before) return undefined;
    // The key goes with its batch.
    if (!(await ledger.head(before.batchId))) {
      await ledger.forgetKey(scope, key);
      return undefined;
    }
    if (before.digest !== digest) {
      throw new ReinstateError("idempotency_mismatch", "This Idempotency-Key was used with another request");
    }
    if (before.answer !== null) return { ...(JSON.parse(before.answer) as Batch), replayed: true };
    const batch = await batches.get(before.batchId);
    // A process that died before it could answer: the batch was finished by another.
    if (isFinished(batch.status)) return { ...batch, replayed: true };
    throw new ReinstateError(
      "idempotency_running",
      "The first request with this Idempotency-Key is still being worked on",
    );
  }

  async function forgetOldKeys(now: number): Promise<void> {
    if (now - forgotten < forgetEveryMs) return;
    forgotten = now;
    await ledger.forget(now - parts.keepKeysMs);
  }

  /** A move that the state does not allow is an error that names the state. */
  async function moved(id: number, verb: string, move: () => Promise<boolean>): Promise<Batch> {
    const before = await batches.get(id);
    if (!(await move())) {
      throw new ReinstateError("wrong_state", `Batch ${id} is ${before.status} and cannot be ${verb}`);
    }
    const answer = await batches.get(id);
    parts.notify();
    return answer;
  }

  const batches: Batches = {
    async submit(submission) {
      const operation = operationOf(submission.operation, submission.target);
      const refused = submission.refused ?? [];
      const { items: given, issues } = await parseItems(operation, submission.params, submission.items);
      if (given.length === 0 && issues.length === 0 && refused.length === 0) {
        issues.push({ path: "items", message: "A batch needs at least one item" });
      }
      if (issues.length > 0) {
        throw invalidRequest(...issues);
      }
      const items = await distinct(operation, given);
      const counts = {
        items: items.length,
        total: items.length + refused.length,
        duplicates: given.length - items.length,
      };
      return accept(submission, operation, counts, () => chunksOf(operation, items, refused), true);
    },

    submitIntake(request, intake) {
      return acceptIntake(request, operationOf(request.operation, request.target), intake);
    },

    async submitFiltered(request) {
      const operation = operationOf(request.operation, request.target);
      const { selection } = operation;
      if (!selection)
        throw invalidRequest({ path: "filter", message: `is not for ${operation.name}, which takes items` });
      const read = selection.filter.safeParse(request.filter);
      const issues = read.success ? findTextIssues(read.data, "filter") : issuesOf(read.error, "filter");
      if (!read.success || issues.length > 0) throw invalidRequest(...issues);
      // Before a long search, not after it.
      paramsOf(operation, request.params);
      const intake = await takeFound(operation, selection.select(read.data, request.account ?? ""));
      try {
        return await acceptIntake({ ...request, filter: read.data }, operation, intake);
      } finally {
        intake.close();
      }
    },

    recall: replayed,

    operation: operationOf,

    async get(id) {
      const batch = await ledger.get(id);
      if (!batch) throw new ReinstateError("unknown_batch", `There is no batch ${id}`);
      return withStorageWait(batch);
    },

    async list(filter) {
      return (await ledger.list(filter)).map(withStorageWait);
    },

    async items(id, query = {}) {
      await known(id);
      return itemsPage(ledger, id, query);
    },

    async *everyItem(id) {
      for await (const page of batches.everyPage(id)) yield* page;
    },

    async *everyPage(id) {
      const { generation } = await batches.get(id);
      yield* itemPages(ledger, id, generation);
      // A batch that was pruned meanwhile must not end as if it had no more items.
      await known(id);
    },

    stop: (id) => moved(id, "stopped", () => ledger.move(id, "stopped", clock.now())),
    resume: (id) => moved(id, "resumed", () => ledger.move(id, "in_progress", clock.now(), ["stopped"])),

    async retry(id, { code, idempotency } = {}) {
      const now = clock.now();
      if (idempotency) {
        await forgetOldKeys(now);
        const replay = await replayed(idempotency);
        if (replay) return replay;
      }
      const before = await batches.get(id);
      const operation = parts.operation(before.operation, before.target);
      const begun = async (generation: number, transaction: LedgerTransaction) => {
        if (!before.dryRun) await operation?.accepted?.({ batchId: id, generation }, transaction);
        if (!idempotency) return;
        const answer = JSON.stringify(await ledger.get(id, transaction));
        const entry = { ...idempotency, batchId: id, answer, createdAt: now };
        if (await ledger.remember(entry, transaction)) throw new Replay();
      };
      try {
        if ((await ledger.retry(id, now, { code, begun })) === 0) throw notRetryable(before, code);
      } catch (error) {
        // A repeat that came at the same moment was first.
        const replay = idempotency && (await replayed(idempotency));
        if (replay) return replay;
        throw error;
      }
      const answer = await batches.get(id);
      parts.notify();
      return answer;
    },

    prune: (options) => ledger.prune(options),

    watch: (id, options) => watchBatch(() => batches.get(id), clock, options),

    async wait(id, { signal, pollMs = 50 } = {}) {
      for (;;) {
        signal?.throwIfAborted();
        const batch = await batches.get(id);
        if (isFinished(batch.status)) return batch;
        await clock.sleep(pollMs, signal);
      }
    },
  };

  /** A ledger that is full cannot store that its batches wait, so the processes that notice it add that. */
  function withStorageWait(batch: Batch): Batch {
    if (isFinished(batch.status)) return batch;
    const wait = runner.storageWait(batch.id);
    if (wait) return { ...batch, nextAllowedAt: wait.from, waitingFor: "storage" };
    return database.storage.fault() === undefined ? batch : { ...batch, waitingFor: "storage" };
  }

  async function known(id: number): Promise<void> {
    if (!(await ledger.head(id))) throw new ReinstateError("unknown_batch", `There is no batch ${id}`);
  }

  return batches;
}

/** A pace is kept by the engine, which can wait. */
function mustWait(operation: AnyOperation, dryRun: boolean, now: number): boolean {
  const { pace } = operation;
  return pace?.concurrency !== undefined || pace?.perSecond !== undefined || allowedFrom(operation, dryRun, now) > now;
}

/** A batch that was worked off while it was accepted, as the ledger would tell it. */
function completed(id: number, batch: NewBatch, settled: Settlement[], refused: number, now: number): Batch {
  const counts = { ...noCounts(), failed: refused };
  const tally: Record<string, number> = {};
  for (const settlement of settled) {
    for (const outcome of Object.keys(counts) as OutcomeWord[]) counts[outcome] += settlement.counts[outcome];
    for (const [name, sum] of Object.entries(settlement.tally)) tally[name] = (tally[name] ?? 0) + sum;
  }
  const { stopRule: _, dryRun = false, ...rest } = batch;
  return {
    ...{ ...rest, id, dryRun, counts, tally },
    ...{ status: "completed", progress: 100, generation: 0, error: null, nextAllowedAt: null, waitingFor: null },
    ...{ createdAt: now, updatedAt: now, startedAt: now, finishedAt: now },
  };
}

function notRetryable({ id, status }: Batch, code: string | undefined): ReinstateError {
  if (status !== "completed" && status !== "failed") {
    return new ReinstateError("wrong_state", `Batch ${id} is ${status} and cannot be retried`);
  }
  const which = code === undefined ? "failed items" : `failed items with the code ${JSON.stringify(code)}`;
  return new ReinstateError("wrong_state", `Batch ${id} is ${status} and has no ${which} that could be run again`);
}

/** Rolls back work whose idempotency key another call has used meanwhile. */
class Replay extends Error {}

/** Returns the first item of each key, in ascending order if the items are integers, so that chunks are ranges. */
async function distinct(operation: AnyOperation, items: unknown[]): Promise<unknown[]> {
  // Performance: a set stops for long whenever it grows beyond some hundred thousand keys.
  if (items.length > sortedAtOnce && items.every(Number.isSafeInteger) && operation.key(1) === 1) {
    return dropRepeated(await sortIntegers(items as number[]));
  }
  const seen = new Set<ItemKey>();
  const kept: unknown[] = [];
  let integers = true;
  for (const [index, item] of items.entries()) {
    if (index % itemsPerSlice === itemsPerSlice - 1) await setImmediate();
    const key = operation.key(item);
    if (seen.has(key)) continue;
    seen.add(key);
    kept.push(item);
    integers &&= typeof item === "number";
  }
  return integers ? dropRepeated(await sortIntegers(kept as number[])) : kept;
}

/** Integers that are sorted before others get a turn. */
const sortedAtOnce = 100_000;

/**
 * Sorts integers, with turns of the event loop in between: runs of them first, and then pairs of runs.
 * Performance: a typed array is sorted many times faster than an array with a comparison function.
 */
async function sortIntegers(integers: readonly number[]): Promise<Float64Array> {
  let runs: Float64Array[] = [];
  for (let start = 0; start < integers.length; start += sortedAtOnce) {
    if (start > 0) await setImmediate();
    runs.push(Float64Array.from(integers.slice(start, start + sortedAtOnce)).sort());
  }
  while (runs.length > 1) {
    const longer: Float64Array[] = [];
    for (let at = 0; at < runs.length; at += 2) {
      await setImmediate();
      longer.push(mergeRuns(runs[at] as Float64Array, runs[at + 1] ?? new Float64Array()));
    }
    runs = longer;
  }
  return runs[0] ?? new Float64Array();
}

/** Performance: `Array.from` would walk a typed array by its iterator, which takes many times longer. */
async function dropRepeated(sorted: Float64Array): Promise<number[]> {
  const kept: number[] = [];
  for (let index = 0; index < sorted.length; index++) {
    if (index % sortedAtOnce === sortedAtOnce - 1) await setImmediate();
    if (index === 0 || sorted[index] !== sorted[index - 1]) kept.push(sorted[index] as number);
  }
  return kept;
}

function mergeRuns(one: Float64Array, other: Float64Array): Float64Array {
  const merged = new Float64Array(one.length + other.length);
  for (let at = 0, left = 0, right = 0; at < merged.length; at++) {
    const isLeft = right === other.length || (left < one.length && (one[left] as number) <= (other[right] as number));
    merged[at] = (isLeft ? one[left++] : other[right++]) as number;
  }
  return merged;
}

/** Characters of a rejected item, as JSON, that are kept at most. */
const mostRejectedCharacters = 10_000;

/** Returns a rejected item as its batch keeps it: one that is very long as the beginning of its JSON. */
function toBounded(item: unknown): unknown {
  if (typeof item === "number") return item;
  const json = JSON.stringify(item) ?? "null";
  return json.length <= mostRejectedCharacters ? item : `${json.slice(0, mostRejectedCharacters)}…`.toWellFormed();
}

async function* chunksOf(
  operation: AnyOperation,
  items: unknown[],
  refused: readonly Refused[],
): AsyncGenerator<NewChunk, void, undefined> {
  const perSlice = Math.ceil(itemsPerSlice / operation.chunkSize);
  let made = 0;
  for (let start = 0; start < items.length; start += operation.chunkSize) {
    if (++made % perSlice === 0) await setImmediate();
    yield { packed: pack(items.slice(start, start + operation.chunkSize)) };
  }
  for (let start = 0; start < refused.length; start += operation.chunkSize) {
    if (++made % perSlice === 0) await setImmediate();
    const slice = refused.slice(start, start + operation.chunkSize);
    const keys = slice.map((_, index) => index);
    const outcomes = slice.map(({ code, message }, key) => ({ key, outcome: "failed" as const, code, message }));
    // Not as integers, which would be sorted: the reasons go by position.
    const packed = pack(
      slice.map(({ item }) => toBounded(item)),
      "json",
    );
    yield { packed, refused: settle(keys, outcomes) };
  }
}
