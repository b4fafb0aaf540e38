import { type Batch, isFinished } from "../batch/batch.ts";
import type { CodeCount } from "../batch/codes.ts";
import type { BatchEvent } from "../batch/event.ts";
import type { Clock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import { invalidRequest, ReinstateError } from "../errors/errors.ts";
import type { Runner } from "../execution/runner.ts";
import { readFoundItems } from "../intake/read-items.ts";
import { type Intake, parseItems, parseParams, toIssues } from "../intake/validate-items.ts";
import type { IdempotencyKey } from "../ledger/idempotency-keys.ts";
import type { BatchFilter, Ledger } from "../ledger/ledger.ts";
import type { Pruned, PruneOptions } from "../ledger/prune.ts";
import type { Observer } from "../observer.ts";
import type { AnyOperation, OutcomeWord, Target } from "../operation/operation.ts";
import { type ItemOutcome, type ItemsPage, type ItemsQuery, itemPages, itemsPage } from "../results/items.ts";
import { createWatch, type WatchBatch } from "../results/progress.ts";
import { findTextIssues } from "../text/own-text.ts";
import { acceptBatch, type ItemSource } from "./accept-batch.ts";
import type { AccountCheck, AccountRequest } from "./account-check.ts";
import { type BatchChanges, createChanges } from "./change-batches.ts";
import { type Estimate, type EstimateRequest, estimateBatch } from "./estimate.ts";
import { createItemSearch, type ItemSearch } from "./find-item.ts";
import { type BatchesFromBatches, createFromBatch } from "./from-batch.ts";
import { listDistinct, packChunks } from "./item-chunks.ts";
import { createReplays } from "./replay.ts";
import type { AcceptedRequest, Request, Submission, Submitted } from "./request.ts";

/**
 * Submits and reads batches. Methods that take the id of a batch throw `unknown_batch` if there is none.
 *
 * @example
 * const { id } = await host.batches.submit({ operation: "demo.people.greet", items: ["Ada", "Grace"] });
 * await host.batches.wait(id);
 * const { items } = await host.batches.items(id, { outcome: "failed" });
 */
export interface Batches extends BatchesFromBatches, BatchChanges, ItemSearch {
  /**
   * Accepts a batch. When it resolves, the batch is on disk with all its items, and a small batch is finished. If it throws, nothing
   * has changed.
   *
   * @throws ReinstateError `invalid_request` with the path of every invalid item, or of an invalid account; `unknown_operation`;
   * `idempotency_mismatch`; `idempotency_running`; `duplicate_content`, with the first batch, unless `again` is set
   */
  submit(submission: Submission): Promise<Submitted>;
  /** Accepts a batch of items from an upload that were validated by `readItems`. The intake is not closed. Throws like `submit`. */
  submitIntake(request: Request, intake: Intake): Promise<Submitted>;
  /**
   * Accepts a batch over all items that the operation's `selection` finds now. The list is fixed from then on, and the filter is stored
   * as `filter` in the params.
   *
   * @throws ReinstateError like `submit`, and `invalid_request` if the operation has no such filter or the filter finds nothing
   */
  submitFiltered(request: Request & { filter: unknown }): Promise<Submitted>;
  /**
   * Returns the batch that was created with an idempotency key, as it was first returned; undefined if the key is new.
   *
   * @throws ReinstateError `idempotency_mismatch` or `idempotency_running`
   */
  recall(idempotency: IdempotencyKey): Promise<Submitted | undefined>;
  /**
   * Stores the body of the first reply to an idempotency key, for an API whose body cannot be derived from the batch later. Returns the
   * stored body. Every replay of the key has it as `reply`. It is deleted with the key.
   */
  storeReply(idempotency: IdempotencyKey, reply: string): Promise<string>;
  /**
   * Checks the account of a request, as every submit does. Call it before a long upload.
   *
   * @throws ReinstateError `invalid_request`
   */
  checkAccount(request: AccountRequest): Promise<void>;
  /**
   * Returns a registered operation. `target` is `local` by default.
   *
   * @throws ReinstateError `unknown_operation`
   */
  operation(name: string, target?: Target): AnyOperation;
  /** Returns a batch. */
  get(id: number): Promise<Batch>;
  /** Returns the newest real batch that was submitted with this content since a time; undefined if there is none. */
  findContent(content: string, options: { since: number }): Promise<Batch | undefined>;
  /**
   * Estimates what a real batch of a number of items takes under the limits of its operation, as they are now.
   *
   * @throws ReinstateError `unknown_operation`
   */
  estimate(request: EstimateRequest): Promise<Estimate>;
  /** Returns batches, newest first. */
  list(filter: BatchFilter): Promise<Batch[]>;
  /** Returns a page of items, each with its latest outcome. `cursor` is the `next` of the previous page. */
  items(id: number, query?: ItemsQuery): Promise<ItemsPage>;
  /** Returns the number of items that are not done by outcome and code, the largest first, each with a sample of their messages. */
  failures(id: number): Promise<Failures[]>;
  /** Returns what happened to a batch, oldest first: who did what, when and why. */
  history(id: number): Promise<BatchEvent[]>;
  /** Yields all items in order, each with its latest outcome. Holds one page of chunks in memory. */
  everyItem(id: number): AsyncGenerator<ItemOutcome, void, undefined>;
  /** Yields all items in pages, which is faster for millions of items. */
  everyPage(id: number): AsyncGenerator<ItemOutcome[], void, undefined>;
  /**
   * Deletes batches that are completed or failed and ended before a time, with their items. Their ids are unknown from then on. The
   * newest batch stays.
   */
  prune(options: PruneOptions): Promise<Pruned>;
  /** Yields the progress of a batch until its end. All readers in this process share two reads of the ledger a second. */
  watch: WatchBatch;
  /** Resolves when the batch is completed, failed or stopped. */
  wait(id: number, options?: { signal?: AbortSignal; pollMs?: number }): Promise<Batch>;
}

/** The items of a batch with one outcome and code. */
export interface Failures extends CodeCount {
  outcome: Exclude<OutcomeWord, "done">;
}

export interface BatchesParts {
  ledger: Ledger;
  database: Database;
  runner: Runner;
  operation(name: string, target: Target): AnyOperation | undefined;
  checkAccount: AccountCheck["check"];
  clock: Clock;
  /** Retention of idempotency keys in milliseconds. */
  keepKeysMs: number;
  /** Notifies the engine of new work. */
  notify(): void;
  observer?: Observer | undefined;
}

export function createBatches(parts: BatchesParts): Batches {
  const { ledger, database, runner, clock } = parts;
  const replays = createReplays({ ledger, clock, keepKeysMs: parts.keepKeysMs, get: (id) => batches.get(id) });
  const accepting = { ...parts, replays, get: (id: number) => batches.get(id) };

  function findOperation(name: string, target: Target = "local"): AnyOperation {
    const operation = parts.operation(name, target);
    if (operation) return operation;
    throw new ReinstateError("unknown_operation", `There is no operation "${name}" for the target "${target}"`);
  }

  function acceptIntake(request: AcceptedRequest, operation: AnyOperation, intake: Intake) {
    return acceptBatch(accepting, request, operation, {
      items: intake.total,
      total: intake.total,
      duplicates: intake.duplicates,
      chunks: () => intake.chunks(operation.chunkSize),
      repeatable: false,
    });
  }

  const batches: Batches = {
    ...createChanges(accepting),
    ...createItemSearch({ ...accepting, findOperation }),
    ...createFromBatch({ ...accepting, checkExists, findOperation, acceptIntake }),

    async submit(submission) {
      const operation = findOperation(submission.operation, submission.target);
      await parts.checkAccount(submission);
      const refused = submission.refused ?? [];
      const { items: parsed, issues } = await parseItems(operation, submission.params, submission.items);
      if (parsed.length === 0 && issues.length === 0 && refused.length === 0) {
        issues.push({ path: "items", message: "A batch needs at least one item" });
      }
      if (issues.length > 0) {
        throw invalidRequest(...issues);
      }
      const items = await listDistinct(operation, parsed);
      const source: ItemSource = {
        items: items.length,
        total: items.length + refused.length,
        duplicates: parsed.length - items.length,
        chunks: () => packChunks(operation, items, refused),
        repeatable: true,
      };
      return acceptBatch(accepting, submission, operation, source);
    },

    async submitIntake(request, intake) {
      const operation = findOperation(request.operation, request.target);
      await parts.checkAccount(request);
      return acceptIntake(request, operation, intake);
    },

    async submitFiltered(request) {
      const operation = findOperation(request.operation, request.target);
      await parts.checkAccount(request);
      const { selection } = operation;
      if (!selection)
        throw invalidRequest({ path: "filter", message: `is not for ${operation.name}, which takes items` });
      const read = selection.filter.safeParse(request.filter);
      const issues = read.success ? findTextIssues(read.data, "filter") : toIssues(read.error, "filter");
      if (!read.success || issues.length > 0) throw invalidRequest(...issues);
      // Checked before a search that may be long.
      parseParams(operation, request.params);
      const intake = await readFoundItems(operation, selection.select(read.data, request.account ?? ""));
      try {
        return await acceptIntake({ ...request, filter: read.data }, operation, intake);
      } finally {
        intake.close();
      }
    },

    recall: replays.find,

    storeReply: ({ scope, key }, reply) => ledger.storeReply(scope, key, reply),

    checkAccount: parts.checkAccount,

    operation: findOperation,

    async get(id) {
      const batch = await ledger.get(id);
      if (!batch) throw unknownBatch(id);
      return withStorageWait(batch);
    },

    async findContent(content, { since }) {
      const id = await ledger.findContent(content, since);
      return id === undefined ? undefined : batches.get(id);
    },

    estimate: (request) => estimateBatch({ database, clock, findOperation }, request),

    async list(filter) {
      return (await ledger.list(filter)).map(withStorageWait);
    },

    async items(id, query = {}) {
      await checkExists(id);
      return itemsPage(ledger, id, query);
    },

    async *everyItem(id) {
      for await (const page of batches.everyPage(id)) yield* page;
    },

    async *everyPage(id) {
      const { generation } = await batches.get(id);
      yield* itemPages(ledger, id, generation);
      // If the batch was pruned meanwhile, the stream must not end as if it were complete.
      await checkExists(id);
    },

    async failures(id) {
      const codes = await ledger.codes(id);
      if (!codes) throw unknownBatch(id);
      return codes.flatMap(({ outcome, ...rest }) => (outcome === "done" ? [] : [{ outcome, ...rest }]));
    },

    async history(id) {
      await checkExists(id);
      return ledger.history(id);
    },

    prune: (options) => ledger.prune(options),

    watch: createWatch((id) => batches.get(id), clock),

    async wait(id, { signal, pollMs = 50 } = {}) {
      for (;;) {
        signal?.throwIfAborted();
        const batch = await batches.get(id);
        if (isFinished(batch.status)) return batch;
        await clock.sleep(pollMs, signal);
      }
    },
  };

  /** Adds a wait for storage that this process knows of. A full ledger cannot store it. */
  function withStorageWait(batch: Batch): Batch {
    if (isFinished(batch.status)) return batch;
    const wait = runner.storageWait(batch.id);
    if (wait) return { ...batch, nextAllowedAt: wait.from, waitingFor: "storage" };
    return database.storage.fault() === undefined ? batch : { ...batch, waitingFor: "storage" };
  }

  async function checkExists(id: number): Promise<void> {
    if (!(await ledger.head(id))) throw unknownBatch(id);
  }

  return batches;
}

const unknownBatch = (id: number) => new ReinstateError("unknown_batch", `There is no batch ${id}`);
