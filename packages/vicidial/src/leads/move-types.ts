/** `dearchive` moves leads from the archive to the live table, `archive` moves them back. */
export type Verb = "dearchive" | "archive";

/** A move of a set of leads. The order is always insert, update, delete. */
export interface Move {
  verb: Verb;
  /** Distinct ids, ascending. */
  ids: readonly number[];
  insert: boolean;
  /** Archive only: overwrites a differing copy in the archive with the live row, but never a row of another lead. */
  update: boolean;
  delete: boolean;
  /**
   * Refuses the whole move if one lead is missing from the source, or if the target cannot hold one. Both tables stay as they are,
   * and the move throws an `AllOrNothingRefused`. A lead whose copies differ refuses nothing: it stays, and the rest moves. Leads on a
   * call never get here; they stay too.
   */
  allOrNothing?: boolean;
}

/** The result of a move for one lead. */
export interface LeadResult {
  id: number;
  /** True if the source held the lead before the move. */
  source: boolean;
  /** True if the target held the lead before the move. */
  target: boolean;
  inserted: boolean;
  updated: boolean;
  deleted: boolean;
  /** If both copies remain and differ: the differing columns. */
  differs: readonly string[];
  /** The reason, if the lead was kept because the target cannot hold one of its values. */
  unfit?: string | undefined;
}

/** The state of one lead in the two tables of a verb. */
export interface LeadState {
  id: number;
  source: boolean;
  target: boolean;
  /** If both tables hold the lead: the differing columns. */
  differs: readonly string[];
  /** Why the target cannot hold one of its values; undefined if it can, as far as that can be predicted. */
  unfit?: string | undefined;
}

/** The leads that earlier attempts at a chunk may have moved, by id. `copied`: the lead was to be inserted into the target. */
export type JournaledMoves = Map<number, { copied: boolean }>;

/** Rows found, inserted, changed and deleted, under the names of the vendor's answer. */
export interface Counts {
  select_count: number;
  insert_count: number;
  update_count: number;
  delete_count: number;
}

/** The result of a move of leads. */
export interface Moved {
  counts: Counts;
  /** One result for every requested id. */
  results: LeadResult[];
}

/** Adds the counts of one part of a move to the sum. */
export function addCounts(sum: Counts, part: Counts): void {
  for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += part[name];
}

export const noCounts = (): Counts => ({ select_count: 0, insert_count: 0, update_count: 0, delete_count: 0 });
