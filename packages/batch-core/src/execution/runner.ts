import type { ChunkResult } from "../batch/chunk-result.ts";
import type { Clock } from "../clock.ts";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { isStorageFault, toMessage } from "../errors/errors.ts";
import type { BatchHead, ClaimedChunk, Ledger } from "../ledger/ledger.ts";
import { type Log, withFields } from "../log.ts";
import { type Observer, silentObserver } from "../observer.ts";
import { allowedFrom } from "../operation/limits.ts";
import type { AnyOperation, Target } from "../operation/operation.ts";
import { runInTrace, type Tracer } from "../trace.ts";
import { type ActiveBatch, createActiveBatch, type RunResult, type Wait } from "./active-batch.ts";
import { applyChunk } from "./apply-chunk.ts";
import { type Lease, underLease } from "./lease.ts";
import { storagePauseMs } from "./retry-policy.ts";
import { admitChunk, neverAborted, runInTransaction } from "./run-in-transaction.ts";
import { runUnderLease } from "./run-under-lease.ts";

export type { RunResult } from "./active-batch.ts";

export interface RunnerParts {
  ledger: Ledger;
  database: Database;
  operation(name: string, target: Target): AnyOperation | undefined;
  clock: Clock;
  random(): number;
  log: Log;
  /** Names this process in the ledger. */
  worker: string;
  /** Duration of a lease without a renewal, in milliseconds. */
  leaseMs: number;
  observer?: Observer | undefined;
  tracer?: Tracer | undefined;
}

/** Executes chunks: claim, apply, finish, commit. */
export interface Runner {
  /** Runs the next chunk of a batch. */
  runNext(batchId: number): Promise<RunResult>;
  /** Returns this process's wait for storage, which a full ledger cannot store; undefined if there is none. */
  storageWait(batchId: number): Wait | undefined;
  /** Runs a chunk in the transaction that accepts its batch. An error rolls back the whole batch. */
  runWithin(
    transaction: LedgerTransaction,
    batch: Omit<BatchHead, "id" | "status">,
    chunk: ClaimedChunk,
  ): Promise<ChunkResult>;
  /** Creates a lease from now on. Its name is never used again, so a former owner cannot be mistaken for the current one. */
  newLease(): Lease;
  /**
   * Makes one attempt at each chunk that was claimed under `lease` when its batch was accepted. Chunks that may have had their effect,
   * or may not run now, are released for the engine.
   */
  runClaimed(batch: Omit<BatchHead, "status">, chunks: readonly ClaimedChunk[], lease: Lease): Promise<void>;
}

/** Size of the cache of active batches. Entries that other processes close are not evicted, so a full cache is cleared. */
const activeBatchLimit = 1000;

export function createRunner({ observer = silentObserver, ...given }: RunnerParts): Runner {
  const parts = { ...given, observer };
  const { ledger, clock, log, worker, leaseMs } = parts;
  const activeBatches = new Map<number, ActiveBatch>();
  const storageWaits = new Map<number, Wait>();
  const leased = { ...parts, waitForStorage };
  let leases = 0;

  /** Returns the parts with a log that names the batch. */
  const withBatch = ({ id }: Pick<BatchHead, "id">) => ({ ...parts, log: withFields(log, { batch: id }) });

  async function loadBatch(batchId: number): Promise<ActiveBatch | undefined> {
    const cached = activeBatches.get(batchId);
    if (cached) return cached;
    const head = await ledger.head(batchId);
    const operation = head && parts.operation(head.operation, head.target);
    if (!head || !operation) return undefined;
    const batch = createActiveBatch(head, operation);
    if (head.status === "pending") await ledger.move(batchId, "in_progress", clock.now());
    if (activeBatches.size >= activeBatchLimit) activeBatches.clear();
    activeBatches.set(batchId, batch);
    return batch;
  }

  function findOperation({ operation: name, target }: Pick<BatchHead, "operation" | "target">): AnyOperation {
    const operation = parts.operation(name, target);
    if (!operation) throw new Error(`Operation ${name} is not registered in this process`);
    return operation;
  }

  function newLease(): Lease {
    return { name: `${worker}.${++leases}`, until: clock.now() + leaseMs };
  }

  /** Stores the wait of a batch, or its end, for readers. */
  async function recordWait(batch: ActiveBatch, wait: Wait | null): Promise<void> {
    // A wait is stored every time, because a stop and a resume in between have cleared it.
    if (wait === null && batch.waitsUntil === null) return;
    batch.waitsUntil = wait?.from ?? null;
    await ledger.waitUntil(batch.head.id, batch.waitsUntil, wait?.waitingFor);
  }

  /** Makes a batch wait in this process, because nothing can be stored. */
  function waitForStorage(batchId: number): Wait {
    const wait: Wait = { from: clock.now() + storagePauseMs, waitingFor: "storage" };
    if (storageWaits.size >= activeBatchLimit) storageWaits.clear();
    storageWaits.set(batchId, wait);
    const batch = activeBatches.get(batchId);
    if (batch) Object.assign(batch, { paused: wait, waitsUntil: wait.from });
    return wait;
  }

  async function runOnce(batch: ActiveBatch): Promise<RunResult> {
    const { head, operation, paused } = batch;
    const now = clock.now();
    const allowedAt = allowedFrom(operation, head.dryRun, now);
    if (paused.from > now && paused.from >= allowedAt) return paused;
    if (allowedAt > now) return { from: allowedAt, waitingFor: "office_hours" };
    if (operation.effects === "ledger") return runInTransaction(parts, batch);
    const admit = (transaction: LedgerTransaction, items: number) => admitChunk(parts, batch, items, transaction);
    const lease = newLease();
    const chunk = await ledger.claim(head.id, lease.name, now, lease.until, operation.limits && admit);
    if (chunk === undefined) return "idle";
    if ("from" in chunk) return { ...chunk, waitingFor: "rate_limit" };
    return underLease(withBatch(head), lease, (lost) =>
      runUnderLease(leased, batch, chunk, { lease, lost, once: false }),
    );
  }

  /** Closes a batch without a chunk for this process, or makes it wait for the next attempt of a chunk. */
  async function afterLastChunk(batch: ActiveBatch): Promise<RunResult> {
    const { id } = batch.head;
    storageWaits.delete(id);
    const isClosed = await ledger.closeBatch(id, clock.now());
    const from = isClosed ? undefined : await ledger.nextAttempt(id);
    if (from !== undefined && from > clock.now()) {
      const wait: Wait = { from, waitingFor: "backoff" };
      await recordWait(batch, wait);
      return wait;
    }
    if (!isClosed) await recordWait(batch, null);
    activeBatches.delete(id);
    return "idle";
  }

  async function runChunk(batchId: number): Promise<RunResult> {
    const batch = await loadBatch(batchId);
    if (!batch) return "idle";
    const result = await runInTrace(batch.head.trace, () => runOnce(batch));
    if (result === "ran") await recordWait(batch, null);
    else if (result === "idle") return afterLastChunk(batch);
    else await recordWait(batch, result);
    if (typeof result !== "object" || result.waitingFor !== "storage") storageWaits.delete(batchId);
    return result;
  }

  return {
    async runNext(batchId) {
      try {
        return await runChunk(batchId);
      } catch (error) {
        if (!isStorageFault(error)) throw error;
        log.warn({ batch: batchId, error: toMessage(error) }, "batch waits for storage");
        const wait = waitForStorage(batchId);
        // May fail too. If it succeeds, other processes see the wait.
        await ledger.waitUntil(batchId, wait.from, "storage").catch(() => {});
        return wait;
      }
    },

    storageWait: (batchId) => storageWaits.get(batchId),

    runWithin(transaction, batch, chunk) {
      const head = { ...batch, id: chunk.batchId };
      const active = { head, operation: findOperation(head) };
      return applyChunk(active, chunk, { ...parts, transaction, signal: neverAborted });
    },

    newLease,

    async runClaimed(head, chunks, lease) {
      const batch = createActiveBatch(head, findOperation(head));
      await underLease(withBatch(head), lease, async (lost) => {
        for (const chunk of chunks) {
          if (lost.aborted) return;
          await runUnderLease(leased, batch, chunk, { lease, lost, once: true });
        }
      });
      if (!batch.closed) await ledger.closeBatch(head.id, clock.now());
    },
  };
}
