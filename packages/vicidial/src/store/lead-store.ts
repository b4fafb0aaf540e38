import { isMarked, type LedgerTransaction, publicMessage } from "@reinstate/batch-core";
import type { Diagnosis } from "../doctor/diagnose.ts";
import type { LeadFilter } from "../schemas.ts";
import type { Site } from "./mariadb/site.ts";

/** Dearchive moves from the archive to the live table; archive the other way. */
export type Verb = "dearchive" | "archive";

/** What is asked for a set of leads. The order of work is always insert, update, delete. */
export interface Move {
  verb: Verb;
  /** Distinct, ascending. */
  ids: readonly number[];
  insert: boolean;
  /** Archive only: a copy in the archive that differs is overwritten with the live row; one of another lead never is. */
  update: boolean;
  delete: boolean;
  /**
   * All of the leads or none: if one is not in the source, or the target cannot hold one that is to be copied, both tables stay as
   * they are, and a `NoneMoved` is thrown.
   */
  allOrNothing?: boolean;
}

/** What was seen and done with one lead. `source` and `target` are how it lay before the move. */
export interface Fate {
  id: number;
  source: boolean;
  target: boolean;
  inserted: boolean;
  updated: boolean;
  deleted: boolean;
  /** Where both copies are left and differ: the columns in which they do. */
  differs: readonly string[];
  /** The lead was kept because the target cannot hold one of its values: what the database says of it. */
  unfit?: string | undefined;
}

/** How one lead lies in the two tables of a verb. */
export interface Standing {
  id: number;
  source: boolean;
  target: boolean;
  /** Where both tables hold it: the columns that differ. */
  differs: readonly string[];
  /** Why the target cannot keep one of its times, if it cannot. */
  unfit?: string | undefined;
}

/** What else hangs on a lead and was not moved with it: how many of each. */
export const companionNames = [
  /** Callbacks that VICIdial has put away because the lead was not live. */
  "archived_callbacks",
  /** Custom fields whose table or row is gone. */
  "lost_custom_fields",
  "alt_phones",
  /** The lead's list is not active, or not there: it is not dialled. */
  "inactive_lists",
  /** The lead's number is in the list of those not to be called. */
  "dnc_numbers",
] as const;
export type Companions = Record<(typeof companionNames)[number], number>;

export const noCompanions = (): Companions => Object.fromEntries(companionNames.map((name) => [name, 0])) as Companions;

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

/** What earlier tries of a chunk may have moved, by lead: was it to be copied to the target? */
export type EarlierMoves = Map<number, { copied: boolean }>;

/** Rows really found, inserted, changed and deleted, under the names of the vendor's answer. */
export interface Counts {
  select_count: number;
  insert_count: number;
  update_count: number;
  delete_count: number;
}

export interface Moved {
  counts: Counts;
  /** One for every id that was asked. */
  fates: Fate[];
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
  existing(verb: Verb, ids: readonly number[]): Promise<Set<number>>;
  /** How each lead lies, in the order asked. Changes nothing. Throws a `MoveRefused` as a move does. */
  look(verb: Verb, ids: readonly number[]): Promise<Standing[]>;
  /**
   * Throws a `MoveRefused` where the tables cannot be worked on, and a `NothingMoved` where they may be in a moment; nothing
   * was written then. Throws a `TablesDamaged` where a table must be repaired first. After any other error some of the
   * leads may have been moved.
   */
  move(move: Move, work: MoveWork): Promise<Moved>;
  /** What earlier tries of a chunk were about to move; where moves commit with their outcomes there is no such thing. */
  movedBefore?(chunk: string): Promise<EarlierMoves>;
  /** The ids of the source's leads that a filter finds, ascending, a page at a time. */
  select(verb: Verb, filter: LeadFilter): AsyncIterable<number[]>;
  /** Which of the leads somebody is on a call with: what comes of the call is written to the live table. */
  onCall(ids: readonly number[]): Promise<Set<number>>;
  /** What else hangs on the leads of the verb's source, or of its target; leads with nothing to tell are left out. */
  companions(verb: Verb, side: "source" | "target", ids: readonly number[]): Promise<Map<number, Companions>>;
  /** Brings the callbacks of live leads back; how many. */
  restoreCompanions(ids: readonly number[]): Promise<number>;
  /** What lies around the tables of a real VICIdial database. */
  site?: Site;
  /** Examines the tables of a real VICIdial database. Changes nothing. */
  diagnose?(): Promise<Diagnosis>;
  /** Rejects while the tables cannot be worked on. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

const marker = Symbol.for("reinstate.vicidial.move-refused");

/** The tables are not such that leads could be moved safely: a column without a counterpart, no unique key, a trigger. */
export class MoveRefused extends Error {
  readonly [marker] = true;
  readonly [publicMessage] = true;

  static is(value: unknown): value is MoveRefused {
    return isMarked(value, marker);
  }
}

/** Nothing was written, and the same move may succeed in a moment: the tables are busy, or the database is away. */
export class NothingMoved extends Error {
  readonly [publicMessage] = true;
  /** How the batches know it. */
  readonly retryable = true;
}

/** A fault of the VICIdial database, in words for a caller; the cause keeps those of the server. */
export class SiteFault extends Error {
  readonly [publicMessage] = true;
}

const noneMovedMarker = Symbol.for("reinstate.vicidial.none-moved");

/** Some leads keep an all-or-nothing move from being carried out. Both tables are as they were before. */
export class NoneMoved extends Error {
  readonly [noneMovedMarker] = true;
  /** Leads that are not in the source. */
  readonly missing: readonly number[];
  /** By lead id, why the target cannot hold a lead. */
  readonly unfit: ReadonlyMap<number, string>;

  constructor(missing: readonly number[], unfit: ReadonlyMap<number, string> = new Map()) {
    super("Leads of this move are not in the source, or do not fit into the target");
    this.missing = missing;
    this.unfit = unfit;
  }

  static is(value: unknown): value is NoneMoved {
    return isMarked(value, noneMovedMarker);
  }
}

const damagedMarker = Symbol.for("reinstate.vicidial.tables-damaged");

/** A lead table is damaged, as MyISAM tables can be after a crash of the server: until somebody repairs it, it cannot be worked on. */
export class TablesDamaged extends Error {
  readonly [damagedMarker] = true;
  readonly [publicMessage] = true;
  /** Might leads have been moved before that was seen? */
  readonly written: boolean;

  constructor(message: string, written: boolean) {
    super(message);
    this.written = written;
  }

  static is(value: unknown): value is TablesDamaged {
    return isMarked(value, damagedMarker);
  }
}

/** Adds the counts of one part of a move to those of the whole. */
export function addCounts(sum: Counts, part: Counts): void {
  for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += part[name];
}

export const noCounts = (): Counts => ({ select_count: 0, insert_count: 0, update_count: 0, delete_count: 0 });
