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
export interface LeadResult {
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
export interface LeadState {
  id: number;
  source: boolean;
  target: boolean;
  /** Where both tables hold it: the columns that differ. */
  differs: readonly string[];
  /** Why the target cannot keep one of its times, if it cannot. */
  unfit?: string | undefined;
}

/** What earlier tries of a chunk may have moved, by lead: was it to be copied to the target? */
export type JournaledMoves = Map<number, { copied: boolean }>;

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
  results: LeadResult[];
}

/** Adds the counts of one part of a move to those of the whole. */
export function addCounts(sum: Counts, part: Counts): void {
  for (const name of Object.keys(sum) as (keyof Counts)[]) sum[name] += part[name];
}

export const noCounts = (): Counts => ({ select_count: 0, insert_count: 0, update_count: 0, delete_count: 0 });
