import type { LedgerTransaction } from "@reinstate/batch-core";
import type { JournaledMoves, LeadState, Move, Moved, Verb } from "../leads/move.ts";
import type { RelatedRecords } from "../leads/related-records.ts";
import type { LeadFilter } from "../schemas.ts";
import type { VicidialDatabase } from "./vicidial-database.ts";

/** In whose name a move is made. */
export interface MoveWork {
  /** Where the moves are written when the effects are `ledger`. */
  transaction: LedgerTransaction;
  /** Aborted when somebody else may be at the same work by now. */
  signal?: AbortSignal;
  /** Pauses between two locks, for as long as each was held. */
  throttled?: boolean;
  /** Names the chunk of a batch, the same at every try of it. */
  chunk?: string;
}

/**
 * The two lead tables, `vicidial_list` and its archive. Every adapter keeps these promises:
 *
 * - A lead is copied column by column, by name; a copy that is there already is never overwritten, but for `update`.
 * - A row is deleted only by a statement that itself verifies that the other table holds the same lead with the same
 *   content: NULL is equal to NULL alone, text is compared byte by byte.
 * - Whenever a move ends early, by an error or a crash, each of its leads lies whole in at least one table, and the same
 *   move asked again ends as it would have ended. Of an all-or-nothing move all leads have moved or none, at the latest before the
 *   next answer about leads.
 */
export interface LeadStore {
  /** Where the moves are written: in the chunk's transaction, or in another database. */
  readonly effects: "ledger" | "elsewhere";
  /**
   * Which of the ids lie in the source table of the verb. May throw a `MoveRefused` where the tables cannot be worked on; a
   * move does so in any case.
   */
  findInSource(verb: Verb, ids: readonly number[]): Promise<Set<number>>;
  /** How each lead lies, in the order asked. Changes nothing. Throws a `MoveRefused` as a move does. */
  inspect(verb: Verb, ids: readonly number[]): Promise<LeadState[]>;
  /**
   * Throws a `MoveRefused` where the tables cannot be worked on, and a `NothingMoved` where they may be in a moment; nothing
   * was written then. Throws a `TablesDamaged` where a table must be repaired first. After any other error some of the
   * leads may have been moved.
   */
  move(move: Move, work: MoveWork): Promise<Moved>;
  /** What earlier tries of a chunk were about to move; where moves commit with their outcomes there is no such thing. */
  journaledMoves?(chunk: string): Promise<JournaledMoves>;
  /** The ids of the source's leads that a filter finds, ascending, a page at a time. */
  select(verb: Verb, filter: LeadFilter): AsyncIterable<number[]>;
  /** Which of the leads somebody is on a call with: what comes of the call is written to the live table. */
  onCall(ids: readonly number[]): Promise<Set<number>>;
  /** What else hangs on the leads of the verb's source, or of its target; leads with nothing to tell are left out. */
  relatedRecords(verb: Verb, side: "source" | "target", ids: readonly number[]): Promise<Map<number, RelatedRecords>>;
  /** Brings the callbacks of live leads back; how many. */
  restoreRelatedRecords(ids: readonly number[]): Promise<number>;
  /** Adds a move to the log of VICIdial's administrators, if there is one. */
  logMove?: VicidialDatabase["logMove"];
  /** Rejects while the tables cannot be worked on. */
  ready(): Promise<void>;
  close(): Promise<void>;
}
