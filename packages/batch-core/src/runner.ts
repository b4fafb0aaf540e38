import { sql } from "kysely";
import { mostlyFails, type WaitReason } from "./batch.ts";
import type { Clock } from "./clock.ts";
import type { Database } from "./database.ts";
import { isStorageFault, isUnavailable, messageOf, publicMessageOf } from "./errors.ts";
import { judge, pauseAfter, storagePauseMs } from "./failure.ts";
import { type Lease, underLease } from "./lease.ts";
import type { BatchHead, ClaimedChunk, Holder, Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { AnyOperation, LedgerTransaction, Outcome, Target, Work } from "./operation.ts";
import { allowedFrom } from "./pace.ts";
import { unpack } from "./pack.ts";
import { type Fate, type Settlement, settle, settleAll } from "./settle.ts";

/** How often a batch with a stop rule is counted, at most. */
const countEveryMs = 200;

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

/**
 * `ran`: a chunk was worked off. `idle`: nothing to do there now; a batch without work left is closed on the way. A time:
 * the batch waits until then, for its pace or for the reason that is named.
 */
export type Turn = "ran" | "idle" | Wait;

interface Wait {
  from: number;
  waitingFor?: WaitReason | undefined;
}

/** Works off chunks: claim, apply, settle, commit. */
export interface Runner {
  /** One chunk of the batch. */
  runNext(batchId: number): Promise<Turn>;
  /** Returns a wait for storage in this process; undefined if there is none. A ledger that is full cannot store it. */
  storageWait(batchId: number): Wait | undefined;
  /** A chunk of a batch that is being accepted, inside the transaction that accepts it. An error undoes the whole. */
  runWithin(
    transaction: LedgerTransaction,
    batch: Omit<BatchHead, "id" | "status">,
    chunk: ClaimedChunk,
  ): Promise<Settlement>;
  /** A claim from now on. Its name is used once, so that whoever lost it cannot be taken for whoever has it now. */
  newLease(): Lease;
  /**
   * The chunks that were claimed under `lease` when the batch was accepted, one try each. What may have had its effect, or
   * may not run now, is put back for the engine.
   */
  runClaimed(batch: Omit<BatchHead, "status">, chunks: readonly ClaimedChunk[], lease: Lease): Promise<void>;
}

/** A batch at work in this process: what of it does not change, so that a chunk need not ask again. */
interface Known {
  head: Omit<BatchHead, "status">;
  operation: AnyOperation;
  countedAt: number;
  /** The time that this process wrote down in the ledger for it; undefined while it has written none. */
  waitsUntil: number | null | undefined;
  /** A vendor asked for patience, or for another hour, or there is no storage. */
  paused: Wait;
  /** Closed with its last chunk. */
  closed: boolean;
}

/** Batches kept in mind. Those that another process closed are never heard of again, so the whole is dropped now and then. */
const knownLimit = 1000;

/** The signal of work that nobody can take over. */
const never = new AbortController().signal;

const unanswered: Fate = {
  outcome: "unknown",
  code: "no_answer",
  message: "The operation gave no answer for this item, and it cannot be sent again",
};

export function createRunner(parts: RunnerParts): Runner {
  const { ledger, database, clock, log, worker, leaseMs, random } = parts;
  const known = new Map<number, Known>();
  const storageWaits = new Map<number, Wait>();
  let leases = 0;

  async function know(batchId: number): Promise<Known | undefined> {
    const before = known.get(batchId);
    if (before) return before;
    const head = await ledger.head(batchId);
    const operation = head && parts.operation(head.operation, head.target);
    if (!head || !operation) return undefined;
    const batch = begun(head, operation);
    if (head.status === "pending") await ledger.move(batchId, "in_progress", clock.now());
    if (known.size >= knownLimit) known.clear();
    known.set(batchId, batch);
    return batch;
  }

  function begun(head: Known["head"], operation: AnyOperation): Known {
    return { head, operation, countedAt: -Infinity, waitsUntil: undefined, paused: { from: -Infinity }, closed: false };
  }

  function operationOf({ operation: name, target }: Pick<BatchHead, "operation" | "target">): AnyOperation {
    const operation = parts.operation(name, target);
    if (!operation) throw new Error(`There is no operation ${name} here`);
    return operation;
  }

  async function applyChunk(
    { head, operation }: Pick<Known, "head" | "operation">,
    chunk: ClaimedChunk,
    transaction: LedgerTransaction | undefined,
    signal: AbortSignal,
  ): Promise<Settlement> {
    const items = unpack(chunk.codec, chunk.packed);
    const keys = items.map((item) => operation.key(item));
    const work: Work<unknown, unknown> = {
      batchId: head.id,
      seq: chunk.seq,
      generation: chunk.generation,
      account: head.account,
      actor: head.actor,
      params: head.params,
      items,
      attempt: chunk.attempt,
      interrupted: chunk.interrupted,
      transaction: transaction as LedgerTransaction,
      tally: {},
      signal,
      log,
    };
    const outcomes = await carryOut(operation, work, chunk.interrupted, head.dryRun);
    const sendable = operation.effects === "ledger" || operation.repeatable || head.dryRun;
    return settle(keys, outcomes, work.tally, sendable ? undefined : unanswered);
  }

  async function carryOut(
    operation: AnyOperation,
    work: Work<unknown, unknown>,
    interrupted: boolean,
    dryRun: boolean,
  ): Promise<Outcome[]> {
    if (dryRun && operation.effects === "ledger") {
      await sql`savepoint dry_run`.execute(work.transaction);
      const outcomes = await operation.apply(work);
      await sql`rollback to savepoint dry_run`.execute(work.transaction);
      return outcomes;
    }
    if (dryRun) {
      if (!operation.preview) throw new Error(`${operation.name} cannot be tried without effects`);
      return operation.preview(work);
    }
    if (!interrupted || operation.repeatable) return operation.apply(work);
    if (operation.reconcile) return operation.reconcile(work);
    const message = "The work on this item was interrupted and its effect cannot be found out";
    return work.items.map((item) => ({ key: operation.key(item), outcome: "unknown", code: "interrupted", message }));
  }

  /** What becomes of a chunk whose operation threw; `lease` where it is claimed. */
  async function afterFailure(
    batch: Known,
    chunk: ClaimedChunk,
    error: unknown,
    { once = false, lease }: { once?: boolean; lease?: Lease } = {},
  ): Promise<Turn> {
    const { head, operation } = batch;
    const { seq, attempt } = chunk;
    const verdict = judge(error, chunk, operation, { dryRun: head.dryRun, once, now: clock.now(), random });
    if (verdict.again) {
      const { at, wholeBatch, counted, interrupted, waitingFor } = verdict;
      const fields = { batch: head.id, chunk: seq, attempt, error: messageOf(error) };
      if (waitingFor) log.warn({ ...fields, waitingFor }, "chunk waits");
      else if (counted) log.warn(fields, "a chunk will be tried again");
      await ledger.putBack(chunk, at, lease ? { worker: lease.name } : { held: true }, { counted, interrupted });
      if (wholeBatch && at > batch.paused.from) batch.paused = { from: at, waitingFor };
      return counted ? "ran" : { from: at, waitingFor };
    }
    log.error({ batch: head.id, chunk: seq, attempt, error: messageOf(error) }, "a chunk was given up");
    const message = publicMessageOf(error);
    // The caller can try again at once what was not tried again here.
    const code = once && verdict.outcome === "failed" && isUnavailable(error) ? "unavailable" : "gave_up";
    const settlement = settleAll(chunk.count, verdict.outcome, code, message);
    await database.transaction(async (transaction) => {
      const by = lease ? { worker: lease.name, transaction } : { transaction };
      // Whoever took it over has his own say about the batch.
      if (await ledger.finish(chunk, settlement, clock.now(), by)) await ledger.note(head.id, message, transaction);
    });
    await obeyStopRule(batch, settlement);
    return "ran";
  }

  async function runHeld(batch: Known): Promise<Turn> {
    let chunk: ClaimedChunk | undefined;
    let settlement: Settlement | undefined;
    try {
      const turn = await database.transaction<Turn>(async (transaction) => {
        const held = await ledger.hold(batch.head.id, clock.now(), transaction);
        if (!held) return "idle";
        const from = await admit(batch, held.count, transaction);
        if (from !== undefined) return { from, waitingFor: "rate_limit" };
        chunk = held;
        settlement = await applyChunk(batch, held, transaction, never);
        await ledger.finish(held, settlement, clock.now(), { transaction });
        return "ran";
      });
      if (turn !== "ran") return turn;
    } catch (error) {
      // The rollback has released the chunk, and there may be nowhere to store anything about it.
      if (!chunk || isStorageFault(error)) throw error;
      return afterFailure(batch, chunk, error);
    }
    if (settlement) await obeyStopRule(batch, settlement);
    return "ran";
  }

  function newLease(): Lease {
    return { name: `${worker}.${++leases}`, until: clock.now() + leaseMs };
  }

  async function runLeased(
    batch: Known,
    chunk: ClaimedChunk,
    lease: Lease,
    lost: AbortSignal,
    once: boolean,
  ): Promise<Turn> {
    let settlement: Settlement;
    if (lost.aborted) {
      // The claim took longer to be answered than it lasts: nothing was sent, and nothing may be.
      const how = { counted: false, interrupted: chunk.interrupted };
      await ledger.putBack(chunk, clock.now(), { worker: lease.name }, how);
      return "ran";
    }
    try {
      settlement = await applyChunk(batch, chunk, undefined, lost);
    } catch (error) {
      return insist(batch, lost, () => afterFailure(batch, chunk, error, { once, lease }));
    }
    const ours = await insist(batch, lost, () =>
      // Who waits for the answer waits for the close too, so both are one commit.
      once
        ? database.transaction((transaction) => finish(batch, chunk, settlement, { worker: lease.name, transaction }))
        : ledger.finish(chunk, settlement, clock.now(), { worker: lease.name }),
    );
    if (!ours) log.warn({ batch: batch.head.id, chunk: chunk.seq }, "a chunk was taken over before it was finished");
    await obeyStopRule(batch, settlement);
    return "ran";
  }

  /** Finishes a chunk, and its batch where it was the last. */
  async function finish(batch: Known, chunk: ClaimedChunk, settlement: Settlement, by: Holder): Promise<boolean> {
    const now = clock.now();
    if (!(await ledger.finish(chunk, settlement, now, by))) return false;
    batch.closed = await ledger.close(chunk.batchId, now, by.transaction);
    return true;
  }

  /** What became of a chunk is known: a ledger that is away for a moment must not make it unknown while the lease lasts. */
  async function insist<Result>({ head }: Known, lost: AbortSignal, write: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await write();
      } catch (error) {
        if (lost.aborted || !isUnavailable(error)) throw error;
        log.warn({ error: messageOf(error) }, "the ledger could not be reached; what became of a chunk waits");
        if (isStorageFault(error)) waitForStorage(head.id);
        await clock.sleep(1 + pauseAfter(attempt, random), lost);
        if (lost.aborted) throw error;
      }
    }
  }

  async function admit(
    { operation }: Known,
    items: number,
    transaction: LedgerTransaction,
  ): Promise<number | undefined> {
    const { pace } = operation;
    if (!pace || (pace.perSecond === undefined && pace.concurrency === undefined)) return undefined;
    const cost = pace.requests?.(items) ?? 1;
    return ledger.admit(operation, pace, cost, clock.now(), transaction);
  }

  async function obeyStopRule(batch: Known, { counts: latest }: Settlement): Promise<void> {
    const { stopRule, id, total } = batch.head;
    if (!stopRule || latest.failed === 0) return;
    const small = total <= batch.operation.chunkSize * 200;
    if (!small && clock.now() - batch.countedAt < countEveryMs) return;
    batch.countedAt = clock.now();
    const counts = (await ledger.get(id))?.counts;
    const reason = counts && mostlyFails(counts, stopRule);
    if (reason && (await ledger.end(id, reason, clock.now())))
      log.warn({ batch: id, reason }, "a batch was ended by its stop rule");
  }

  /** Makes a wait visible, and its end too. */
  async function show(batch: Known, wait: Wait | null): Promise<void> {
    // A wait is said anew each time, for a stop and a resume in between have wiped it.
    if (wait === null && batch.waitsUntil === null) return;
    batch.waitsUntil = wait?.from ?? null;
    await ledger.waitUntil(batch.head.id, batch.waitsUntil, wait?.waitingFor);
  }

  /** The wait of a batch that this process could not continue, because nothing could be stored. */
  function waitForStorage(batchId: number): Wait {
    const wait: Wait = { from: clock.now() + storagePauseMs, waitingFor: "storage" };
    if (storageWaits.size >= knownLimit) storageWaits.clear();
    storageWaits.set(batchId, wait);
    const batch = known.get(batchId);
    if (batch) Object.assign(batch, { paused: wait, waitsUntil: wait.from });
    return wait;
  }

  async function turn(batch: Known): Promise<Turn> {
    const { head, operation, paused } = batch;
    const now = clock.now();
    const hour = allowedFrom(operation, head.dryRun, now);
    if (paused.from > now && paused.from >= hour) return paused;
    if (hour > now) return { from: hour, waitingFor: "office_hours" };
    if (operation.effects === "ledger") return runHeld(batch);
    const admission = (transaction: LedgerTransaction, items: number) => admit(batch, items, transaction);
    const lease = newLease();
    const chunk = await ledger.claim(head.id, lease.name, now, lease.until, operation.pace && admission);
    if (chunk === undefined) return "idle";
    if ("from" in chunk) return { ...chunk, waitingFor: "rate_limit" };
    return underLease(parts, lease, (lost) => runLeased(batch, chunk, lease, lost, false));
  }

  async function runChunk(batchId: number): Promise<Turn> {
    const batch = await know(batchId);
    if (!batch) return "idle";
    const result = await turn(batch);
    if (result === "ran") await show(batch, null);
    else if (result === "idle") {
      await ledger.close(batchId, clock.now());
      known.delete(batchId);
    } else await show(batch, result);
    if (typeof result !== "object" || result.waitingFor !== "storage") storageWaits.delete(batchId);
    return result;
  }

  return {
    async runNext(batchId) {
      try {
        return await runChunk(batchId);
      } catch (error) {
        if (!isStorageFault(error)) throw error;
        log.warn({ batch: batchId, error: messageOf(error) }, "batch waits for storage");
        const wait = waitForStorage(batchId);
        // There may be room for this one, so that other processes see it too.
        await ledger.waitUntil(batchId, wait.from, "storage").catch(() => {});
        return wait;
      }
    },

    storageWait: (batchId) => storageWaits.get(batchId),

    runWithin(transaction, batch, chunk) {
      const head = { ...batch, id: chunk.batchId };
      return applyChunk({ head, operation: operationOf(head) }, chunk, transaction, never);
    },

    newLease,

    async runClaimed(head, chunks, lease) {
      const batch = begun(head, operationOf(head));
      await underLease(parts, lease, async (lost) => {
        for (const chunk of chunks) {
          if (lost.aborted) return;
          await runLeased(batch, chunk, lease, lost, true);
        }
      });
      if (!batch.closed) await ledger.close(head.id, clock.now());
    },
  };
}
