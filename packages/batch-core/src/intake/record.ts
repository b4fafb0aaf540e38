import type { Line } from "./split-lines.ts";

/** A record or its fault, with the number of its first line from 1. `second` is another reading of the same cells. */
export type Row =
  | { line: number; value: unknown; second?: () => unknown; fault?: undefined }
  | { line: number; fault: string };

/** Parses lines into rows. If a record spans several lines, the parser joins them. */
export interface RecordParser {
  add(line: Line): void;
  /** Ends the input. */
  end(): void;
  /** Returns the next complete row; undefined if there is none yet. */
  next(): Row | undefined;
}
