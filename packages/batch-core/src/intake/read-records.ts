import { yieldIfDue } from "../text/time-slice.ts";
import { utf8Slices } from "./encoding.ts";
import { createCsvParser, type OpenTable } from "./read-csv.ts";
import { createNdjsonParser } from "./read-ndjson.ts";
import type { RecordParser, Row } from "./record.ts";
import { createLineSplitter } from "./split-lines.ts";

/** The format of the records in a file. */
export type RecordFormat =
  | {
      format: "ndjson";
      /** A line that is a number must be written as an integer, by the rule of `parseInteger`. */
      integers?: boolean;
    }
  | {
      format: "csv";
      table: OpenTable;
    };

/** Properties of a stream that are known once it has been read. */
export interface StreamShape {
  /** At least one line ended with a line end. */
  hasLineEnd: boolean;
}

/** Rows per yielded set. */
const rowsAtOnce = 100;

/**
 * Reads records from a stream of any length, as NDJSON or CSV, and yields small sets of rows. Memory is constant, time is linear, and
 * the event loop runs in between.
 *
 * - Encoding: UTF-8, or UTF-16 with a byte order mark.
 * - Line ends: line feed, carriage return or both.
 * - Separators: comma, semicolon or tab.
 *
 * An invalid line is a row with a `fault`. Returns properties of the stream.
 *
 * @throws ReinstateError `invalid_request` if the header is invalid; also any error of the source
 * @example
 * for await (const rows of readRecords(createReadStream("leads.ndjson"), { format: "ndjson" })) {
 *   for (const row of rows) console.log(row.line, row.fault ?? row.value);
 * }
 */
export async function* readRecords(
  source: AsyncIterable<Uint8Array | string>,
  format: RecordFormat,
): AsyncGenerator<Row[], StreamShape, undefined> {
  const parser = format.format === "csv" ? createCsvParser(format.table) : createNdjsonParser(format.integers ?? false);
  const cutter = createLineSplitter(parser.add);
  for await (const { bytes, isUtf16 } of utf8Slices(source)) {
    cutter.write(bytes, isUtf16);
    yield* readRows(parser);
  }
  cutter.end();
  parser.end();
  yield* readRows(parser);
  return { hasLineEnd: cutter.hasLineEnd() };
}

async function* readRows(parser: RecordParser): AsyncGenerator<Row[]> {
  for (;;) {
    await yieldIfDue();
    const rows: Row[] = [];
    for (let row = parser.next(); row; row = rows.length < rowsAtOnce ? parser.next() : undefined) rows.push(row);
    if (rows.length === 0) return;
    yield rows;
  }
}
