import type { LedgerTransaction } from "@reinstate/batch-core";
import type { JournaledMoves, LeadState, Move, Moved, Verb } from "../leads/move-types.ts";
import type { RelatedRecords } from "../leads/related-records.ts";
import type { LeadFilter } from "../schemas.ts";
import type { DialerTables } from "./dialer-tables.ts";

/** The context of a move. */
export interface MoveWork {
  /** The transaction for the writes of a store whose effects are `ledger`. */
  transaction: LedgerTransaction;
  /** Aborted when another worker may have taken over the chunk. */
  signal?: AbortSignal;
  /** Pauses after each lock for as long as it was held. */
  throttled?: boolean;
  /** Names the chunk of a batch. All attempts at the chunk have the same name. */
  chunk?: string;
}

/**
 * The two lead tables, `vicidial_list` and its archive. Every adapter guarantees:
 *
 * - A lead is copied by column name. An existing copy is overwritten only by `update`.
 * - A row is deleted only by a statement that also verifies that the other table holds an equal row. NULL equals only NULL, and
 *   text is compared byte by byte. Two exceptions: a generated column is not compared, because the target generates its own value.
 *   An empty `modify_date` equals any value if the target needs one, because the copy was filled.
 * - If a move ends early, by an error or a crash, each of its leads is complete in at least one table. Repeating the move leads
 *   to the same result as if it had not ended early.
 * - An all-or-nothing move has moved all leads that do not differ or none, at the latest before the next answer about leads.
 */
export interface LeadStore {
  /** `ledger`: moves commit in the chunk's transaction. `elsewhere`: they commit in another database. */
  readonly effects: "ledger" | "elsewhere";
  /**
   * Returns the ids that are in the source table of the verb.
   *
   * @throws MoveRefused possibly, if leads cannot be moved safely. A move always throws it then.
   */
  findInSource(verb: Verb, ids: readonly number[]): Promise<Set<number>>;
  /**
   * Returns the state of each lead, in the order of `ids`. Changes nothing.
   *
   * @throws MoveRefused as a move does.
   */
  inspect(verb: Verb, ids: readonly number[]): Promise<LeadState[]>;
  /**
   * Moves leads. After any error that is not listed here, some of the leads may have been moved.
   *
   * @throws MoveRefused if leads cannot be moved safely between these tables. Nothing was written.
   * @throws RetryableMove if the same move may succeed in a moment. Nothing was written.
   * @throws AllOrNothingRefused if an all-or-nothing move cannot move all of its leads. Both tables are as before.
   * @throws TablesDamaged if a table must be repaired first.
   */
  move(move: Move, work: MoveWork): Promise<Moved>;
  /** Returns the leads that earlier attempts at a chunk may have moved. Absent if moves commit with their outcomes. */
  journaledMoves?(chunk: string): Promise<JournaledMoves>;
  /** Yields the ids of source leads that match a filter, ascending, a page at a time. */
  select(verb: Verb, filter: LeadFilter): AsyncIterable<number[]>;
  /** Returns the leads on a running call, whose result will be written to the live table. */
  onCall(ids: readonly number[]): Promise<Set<number>>;
  /** Counts the related records of leads in the verb's source or target. Leads without any are omitted. */
  relatedRecords(verb: Verb, side: "source" | "target", ids: readonly number[]): Promise<Map<number, RelatedRecords>>;
  /** Restores the callbacks of live leads. Returns how many. */
  restoreCallbacks(ids: readonly number[]): Promise<number>;
  /** Adds a move to `vicidial_admin_log`, if the store has one. */
  logMove?: DialerTables["logMove"];
  /** Resolves if leads can be moved; rejects with the reason if not. */
  ready(): Promise<void>;
  close(): Promise<void>;
}
