import type { Batch, Estimate, OutcomeWord } from "@reinstate/batch-core";

/** The content of the page of a batch. */
export interface BatchPage {
  batch: Batch;
  failures: readonly Failure[];
  history: readonly HistoryEntry[];
  /** The name of the key that submitted it. */
  actor: string | undefined;
  vendor: string;
  /** The estimate of the real run; undefined if there is nothing to run. */
  estimate: Estimate | undefined;
  /** The actions that the operation of this batch supports. */
  can: BatchAbilities;
  /** A new idempotency key for each form. */
  newKey(): string;
}

export interface BatchAbilities {
  undo: boolean;
  reexamine: boolean;
}

/** The items that share an outcome and a code. */
export interface Failure {
  outcome: Exclude<OutcomeWord, "done">;
  code: string;
  count: number;
  /** The message of one of them. */
  message: string | null;
}

/** One line of the history of a batch. */
export interface HistoryEntry {
  at: number;
  verb: string;
  /** The name of the key; undefined for what the process did itself. */
  actor: string | undefined;
  note: string | null;
  generation: number;
  /** The code to which a retry or a mark was limited. */
  code: string | null;
  /** The number of items that were retried, reexamined or marked. */
  items: number | null;
  /** The batch that undoes this one. */
  batch: number | null;
}
