import type { ChunkResult } from "../batch/chunk-result.ts";
import type { Clock } from "../clock.ts";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { isStorageFault, toMessage } from "../errors/errors.ts";
import type { BatchHead, ClaimedChunk, Ledger } from "../ledger/ledger.ts";
import type { Log } from "../log.ts";
import { allowedFrom } from "../operation/limits.ts";
import type { AnyOperation, Target } from "../operation/operation.ts";
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
  /** How long a claimed chunk stays ours without a sign of life, in milliseconds. */
  leaseMs: number;
}

/** Works off chunks: claim, apply, settle, commit. */
export interface Runner {
  /** One chunk of the batch. */
  runNext(batchId: number): Promise<RunResult>;
  /** Returns a wait for storage in this process; undefined if there is none. A ledger that is full cannot store it. */
  storageWait(batchId: number): Wait | undefined;
  /** A chunk of a batch that is being accepted, inside the transaction that accepts it. An error undoes the whole. */
  runWithin(
    transaction: LedgerTransaction,
    batch: Omit<BatchHead, "id" | "status">,
    chunk: ClaimedChunk,
  ): Promise<ChunkResult>;
  /** A claim from now on. Its name is used once, so that whoever lost it cannot be taken for whoever has it now. */
  newLease(): Lease;
  /**
   * The chunks that were claimed under `lease` when the batch was accepted, one try each. What may have had its effect, or
   * may not run now, is put back for the engine.
   */
  runClaimed(batch: Omit<BatchHead, "status">, chunks: readonly ClaimedChunk[], lease: Lease): Promise<void>;
}

/** Batches kept in mind. Those that another process closed are never heard of again, so the whole is dropped now and then. */
const activeBatchLimit = 1000;

export function createRunner(parts: RunnerParts): Runner {
  const { ledger, clock, log, worker, leaseMs } = parts;
  const activeBatches = new Map<number, ActiveBatch>();
  const storageWaits = new Map<number, Wait>();
  const leased = { ...parts, waitForStorage };
  let leases = 0;

  async function loadBatch(batchId: number): Promise<ActiveBatch | undefined> {
    const before = activeBatches.get(batchId);
    if (before) return before;
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
    if (!operation) throw new Error(`There is no operation ${name} here`);
    return operation;
  }

  function newLease(): Lease {
    return { name: `${worker}.${++leases}`, until: clock.now() + leaseMs };
  }

  /** Makes a wait visible, and its end too. */
  async function recordWait(batch: ActiveBatch, wait: Wait | null): Promise<void> {
    // A wait is said anew each time, for a stop and a resume in between have wiped it.
    if (wait === null && batch.waitsUntil === null) return;
    batch.waitsUntil = wait?.from ?? null;
    await ledger.waitUntil(batch.head.id, batch.waitsUntil, wait?.waitingFor);
  }

  /** The wait of a batch that this process could not continue, because nothing could be stored. */
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
    const hour = allowedFrom(operation, head.dryRun, now);
    if (paused.from > now && paused.from >= hour) return paused;
    if (hour > now) return { from: hour, waitingFor: "office_hours" };
    if (operation.effects === "ledger") return runInTransaction(parts, batch);
    const admit = (transaction: LedgerTransaction, items: number) => admitChunk(parts, batch, items, transaction);
    const lease = newLease();
    const chunk = await ledger.claim(head.id, lease.name, now, lease.until, operation.limits && admit);
    if (chunk === undefined) return "idle";
    if ("from" in chunk) return { ...chunk, waitingFor: "rate_limit" };
    return underLease(parts, lease, (lost) => runUnderLease(leased, batch, chunk, { lease, lost, once: false }));
  }

  async function runChunk(batchId: number): Promise<RunResult> {
    const batch = await loadBatch(batchId);
    if (!batch) return "idle";
    const result = await runOnce(batch);
    if (result === "ran") await recordWait(batch, null);
    else if (result === "idle") {
      await ledger.closeBatch(batchId, clock.now());
      activeBatches.delete(batchId);
    } else await recordWait(batch, result);
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
        // There may be room for this one, so that other processes see it too.
        await ledger.waitUntil(batchId, wait.from, "storage").catch(() => {});
        return wait;
      }
    },

    storageWait: (batchId) => storageWaits.get(batchId),

    runWithin(transaction, batch, chunk) {
      const head = { ...batch, id: chunk.batchId };
      return applyChunk({ head, operation: findOperation(head) }, chunk, { transaction, signal: neverAborted, log });
    },

    newLease,

    async runClaimed(head, chunks, lease) {
      const batch = createActiveBatch(head, findOperation(head));
      await underLease(parts, lease, async (lost) => {
        for (const chunk of chunks) {
          if (lost.aborted) return;
          await runUnderLease(leased, batch, chunk, { lease, lost, once: true });
        }
      });
      if (!batch.closed) await ledger.closeBatch(head.id, clock.now());
    },
  };
}
