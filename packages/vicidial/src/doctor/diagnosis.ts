import type { Verb } from "../leads/move.ts";

/** One column of a lead table, as information_schema tells it. */
export interface ColumnFacts {
  name: string;
  /** With its width and its values: `varchar(30)`, `enum('Y','N')`. */
  type: string;
  nullable: boolean;
  default: string | null;
  extra: string;
  charset: string | null;
  collation: string | null;
  comment: string;
  /** Is it part of a key? */
  indexed: boolean;
}

export interface TableFacts {
  name: string;
  engine: string;
  columns: ColumnFacts[];
  /** Is there a unique key on `lead_id` alone? */
  unique: boolean;
  /** Ids that lie in it more than once, or are NULL, where there is no such key. */
  doubled: number;
  /** Rows without a `modify_date`; undefined where nobody counted them. */
  unstamped?: number;
  triggers: string[];
}

/** What is not as it should be, and the statements that we would advise, each ended by a semicolon; none is ever run. */
export interface Finding {
  /** `refused`: leads cannot be moved so. `risk`: some leads cannot be moved, or only with a loss of time. `note`: good to know. */
  severity: "refused" | "risk" | "note";
  /** Which of the two verbs is refused; absent if both are, and if none is. */
  verb?: Verb;
  what: string;
  /** Whatever the server's SQL mode, no value that stands in the tables is changed by it. */
  advice?: string;
}

export interface Diagnosis {
  findings: Finding[];
  /** Leads that lie in both tables; undefined where the tables cannot be compared. */
  duplicates?: { equal: number; differing: number; collisions: number };
}
