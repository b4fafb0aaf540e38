import { invalidRequest, ReinstateError } from "../errors/errors.ts";
import type { AnyOperation } from "../operation/operation.ts";
import type { Issue } from "../text/issue.ts";
import { itemTable } from "./csv-columns.ts";
import { createIntegerSink } from "./integer-sink.ts";
import { createItemCollector, type ItemCollector } from "./item-collector.ts";
import { describeItem, type ItemShape } from "./item-shape.ts";
import { type RecordFormat, readRecords } from "./read-records.ts";
import type { Sink } from "./sink.ts";
import { createSpoolSink } from "./spool-sink.ts";
import type { Intake } from "./validate-items.ts";

/** Options of reading items from an upload. */
export interface ReadItemsOptions {
  /** The format: one JSON value per line, or a table. */
  format: "ndjson" | "csv";
  /** The column of the items, in a table of items that are not objects. */
  column?: string | undefined;
}

/**
 * Reads and validates the items of a batch as they arrive, in any number. Resolves when the source has ended and every item is valid.
 * Call `close` on the result after its chunks have been read.
 *
 * @throws ReinstateError `invalid_request` with the first 100 invalid lines; also any error of the source. Nothing is left behind then.
 */
export function readItems(
  operation: AnyOperation,
  source: AsyncIterable<Uint8Array>,
  { format, column }: ReadItemsOptions,
): Promise<Intake> {
  const none = { path: "body", message: "A batch needs at least one item" };
  return filled(operation, none, async (collector, shape) => {
    const columns = { own: operation.columns ?? [], named: column };
    const records: RecordFormat =
      format === "csv"
        ? { format: "csv", table: itemTable(shape, columns) }
        : { format: "ndjson", integers: shape.integers };
    let isBlank = true;
    let hasLineEnd = false;
    async function* seen() {
      for await (const part of source) {
        hasLineEnd ||= part.includes(lineFeed) || part.includes(carriageReturn);
        isBlank &&= part.every((byte) => byte === space);
        yield part;
      }
    }
    const rows = readRecords(seen(), records);
    const issue = { path: "line 1", message: glued };
    try {
      let read = await rows.next();
      for (; !read.done; read = await rows.next()) for (const row of read.value) collector.accept(row);
      hasLineEnd = read.value.hasLineEnd;
    } catch (error) {
      // A header that is the only line, and that names no column, may be a header with its rows.
      if (ReinstateError.is(error, "invalid_request") && !hasLineEnd) throw invalidRequest(issue, ...error.issues);
      throw error;
    }
    // Joined lines may form the id of another item. A single object cannot be two.
    const mayBeGlued = format === "csv" || shape.integers || !collector.isClean();
    if (!hasLineEnd && !isBlank && mayBeGlued) collector.reject(issue);
  });
}

const space = 0x20;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

const glued =
  "is the only line and does not end with a line feed, so lines may have been lost: curl removes line feeds with -d; send the file with --data-binary, and end each line with a line feed";

/** Reads and validates the items that a filter finds. Throws `none` if there are none. */
export function readFoundItems(
  operation: AnyOperation,
  pages: AsyncIterable<readonly unknown[]>,
  none: Issue = { path: "filter", message: "finds nothing" },
): Promise<Intake> {
  return filled(operation, none, async (collector) => {
    let line = 0;
    for await (const page of pages) for (const value of page) collector.accept({ line: ++line, value });
  });
}

async function filled(
  operation: AnyOperation,
  none: Issue,
  fill: (collector: ItemCollector, shape: ItemShape) => Promise<void>,
): Promise<Intake> {
  const shape = describeItem(operation);
  const sink: Sink<never> = shape.integers ? createIntegerSink() : createSpoolSink(operation.key);
  try {
    const collector = createItemCollector(operation, sink as Sink<unknown>);
    await fill(collector, shape);
    collector.assertClean();
    const sealed = await sink.finish();
    if (sealed.total > 0) return { ...sealed, close: sink.close };
    throw invalidRequest(none);
  } catch (error) {
    sink.close();
    throw error;
  }
}
