import type { Clock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import type { WaitReason } from "../errors/errors.ts";
import type { BatchHead, Ledger } from "../ledger/ledger.ts";
import type { Log } from "../log.ts";
import type { AnyOperation } from "../operation/operation.ts";

/** The dependencies of every execution step. */
export interface ExecutionParts {
  ledger: Ledger;
  database: Database;
  clock: Clock;
  random(): number;
  log: Log;
}

/** A batch that does not run before a time. */
export interface Wait {
  from: number;
  waitingFor?: WaitReason | undefined;
}

/**
 * The result of one step. `ran`: a chunk was executed. `idle`: the batch has no chunk for this process now; a batch without work
 * left was closed. A time: the batch waits until then, for its pace or for the reason that is named.
 */
export type RunResult = "ran" | "idle" | Wait;

/** A batch that this process works on: its constant fields, and what this process has noticed about it. */
export interface ActiveBatch {
  head: Omit<BatchHead, "status">;
  operation: AnyOperation;
  countedAt: number;
  /** The time that this process stored in the ledger for it; undefined while it has stored none. */
  waitsUntil: number | null | undefined;
  /** The vendor asked for patience or another hour, or there is no storage. */
  paused: Wait;
  /** Closed with its last chunk. */
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
