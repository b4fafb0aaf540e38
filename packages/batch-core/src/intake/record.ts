import type { Line } from "./split-lines.ts";

/** A record with the number of its first line, from 1; or why it cannot be read. `second` is another reading of the same cells. */
export type Row =
  | { line: number; value: unknown; second?: () => unknown; fault?: undefined }
  | { line: number; fault: string };

/** Makes rows of lines. */
export interface RecordParser {
  add(line: Line): void;
  /** No more lines will come. */
  end(): void;
  /** The next row that the lines so far make; undefined when they make none. */
  next(): Row | undefined;
}
