import type { Clock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import type { WaitReason } from "../errors/wait-reason.ts";
import type { BatchHead, Ledger } from "../ledger/ledger.ts";
import type { Log } from "../log.ts";
import type { Observer } from "../observer.ts";
import type { AnyOperation } from "../operation/operation.ts";
import type { Tracer } from "../trace.ts";

/** The dependencies of every execution step. */
export interface ExecutionParts {
  ledger: Ledger;
  database: Database;
  clock: Clock;
  random(): number;
  log: Log;
  observer: Observer;
  tracer?: Tracer | undefined;
}

/** A batch that does not run before a time. */
export interface Wait {
  from: number;
  waitingFor?: WaitReason | undefined;
}

/**
 * The result of one step. `ran`: a chunk was executed. `idle`: the batch has no chunk for this process now; a batch without
 * unfinished chunks was closed. A wait: the batch does not run before a time.
 */
export type RunResult = "ran" | "idle" | Wait;

/** A batch that this process works on: its constant fields, and the state of this process for it. */
export interface ActiveBatch {
  head: Omit<BatchHead, "status">;
  operation: AnyOperation;
  /** The time at which the stop rule last counted the batch. */
  countedAt: number;
  /** The wait that this process last stored in the ledger; undefined before the first. */
  waitsUntil: number | null | undefined;
  /** The wait that the vendor, an operation or the storage has caused. */
  paused: Wait;
  /** The batch was closed with its last chunk. */
  closed: boolean;
}

export function createActiveBatch(head: ActiveBatch["head"], operation: AnyOperation): ActiveBatch {
  return {
    head,
    operation,
    countedAt: Number.NEGATIVE_INFINITY,
    waitsUntil: undefined,
    paused: { from: Number.NEGATIVE_INFINITY },
    closed: false,
  };
}
