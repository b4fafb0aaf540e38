import type { Verb } from "../../../leads/move-types.ts";

/** One column of a lead table, as information_schema reports it. */
export interface ColumnFacts {
  name: string;
  /** The full type: `varchar(30)`, `enum('Y','N')`. */
  type: string;
  nullable: boolean;
  default: string | null;
  extra: string;
  charset: string | null;
  collation: string | null;
  comment: string;
  /** True if the column is part of a key. */
  indexed: boolean;
}

/** One lead table. */
export interface TableFacts {
  name: string;
  engine: string;
  columns: ColumnFacts[];
  /** True if there is a unique key on `lead_id` alone. */
  unique: boolean;
  /** The number of ids that occur more than once or are NULL; 0 if there is a unique key; undefined if they were not counted. */
  doubled?: number;
  /** The number of rows without a `modify_date`; undefined if they were not counted. */
  unstamped?: number;
  triggers: string[];
}

/** A finding of the doctor, and the statements that fix it. The doctor never runs them. */
export interface Finding {
  /** `refused`: no lead can be moved. `risk`: some leads cannot be moved, or their times may change. `note`: for information. */
  severity: "refused" | "risk" | "note";
  /** The refused verb. Absent if both or neither are refused. */
  verb?: Verb;
  /** The message. */
  what: string;
  /** Statements that end with a semicolon. They change no stored value in any SQL mode. */
  advice?: string;
}

/** The result of the doctor. */
export interface Diagnosis {
  findings: Finding[];
  /** The numbers of leads in both tables; undefined if the tables cannot be compared. */
  duplicates?: { equal: number; differing: number; collisions: number };
}
