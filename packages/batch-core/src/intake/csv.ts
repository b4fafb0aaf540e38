import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { CsvError, parse } from "csv-parse";
import { invalidRequest } from "../errors.ts";
import { cellReader, fieldsReader, pickColumn, type RowReader } from "./columns.ts";
import type { Desk } from "./desk.ts";
import type { ItemShape } from "./item-schema.ts";
import { createLineCutter, longestLine, plainInteger, textOf } from "./lines.ts";

/**
 * Reads a table whose header names the columns, separated by commas, semicolons or tabs. Items that are objects have their
 * fields in the columns; others stand in one column: the one named by `column`, or `id`, or the only one. A file of nothing
 * but integers needs no header.
 */
export async function readCsv(
  source: AsyncIterable<Uint8Array>,
  desk: Desk,
  shape: ItemShape,
  column: string | undefined,
): Promise<void> {
  const { first, all } = await peek(source);
  const delimiter = [",", ";", "\t"].find((sign) => first.includes(sign));
  if (shape.integers && delimiter === undefined) return readOneColumn(all, desk, column);
  await readTable(all, desk, shape, column, delimiter ?? ",");
}

async function readOneColumn(source: AsyncIterable<Uint8Array>, desk: Desk, column: string | undefined): Promise<void> {
  let begun = false;
  const lines = createLineCutter(
    (bytes, start, end, number) => {
      const integer = plainInteger(bytes, start, end);
      if (!Number.isNaN(integer) && begun) return desk.take(integer, number);
      const text = textOf(bytes, start, end);
      if (text === undefined) return desk.refuse(number, "is not UTF-8");
      const cell = text.trim().replace(/^"(.*)"$/, "$1");
      if (cell === "") return;
      // What begins with a digit is rather a bad item than a name, and no item may be lost as a header.
      const isHeader = !begun && (column !== undefined || /^[\p{L}_]/u.test(cell));
      begun = true;
      if (isHeader) pickColumn([cell], column);
      else desk.take(isIntegerText(cell) ? Number(cell) : cell, number);
    },
    (number) => desk.refuse(number, `is longer than ${longestLine} bytes`),
  );
  for await (const part of source) if (!desk.full()) lines.write(part);
  lines.end();
}

const isIntegerText = (text: string) => /^-?\d+$/.test(text);

async function readTable(
  source: AsyncIterable<Uint8Array>,
  desk: Desk,
  shape: ItemShape,
  column: string | undefined,
  delimiter: string,
): Promise<void> {
  const parser = parse({
    ...{ delimiter, info: true, bom: true, trim: true, relax_column_count: true },
    ...{ skip_empty_lines: true, skip_records_with_empty_values: true, max_record_size: longestLine },
  });
  let reader: RowReader | undefined;
  let columns = 0;
  try {
    await pipeline(Readable.from(utf8Only(source)), parser, async (rows: AsyncIterable<Row>) => {
      for await (const { record, info } of rows) {
        if (!reader) {
          columns = record.length;
          reader = shape.objects ? fieldsReader(record, shape, column) : cellReader(record, shape, column);
        } else if (record.length !== columns) {
          desk.refuse(info.lines, `has ${record.length} cells, and the header has ${columns}`);
        } else if (!desk.full()) {
          const { item, second } = reader(record);
          desk.take(item, info.lines, second);
        }
      }
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    desk.refuse((error as CsvError & { lines?: number }).lines ?? 1, error.message);
  }
}

interface Row {
  record: string[];
  info: { lines: number };
}

/** The first line that is not blank, and everything again from the start. */
async function peek(source: AsyncIterable<Uint8Array>) {
  const parts = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  let ended = false;
  let found: RegExpMatchArray | null = null;
  while (!ended && !found && head.length <= longestLine) {
    const { value, done } = await parts.next();
    if (done) ended = true;
    else head = Buffer.concat([head, value]);
    found = Buffer.from(head)
      .toString("latin1")
      .match(/[^\s\u00ef\u00bb\u00bf][^\r\n]*(?=[\r\n])/);
  }
  async function* all() {
    yield head;
    for (;;) {
      const { value, done } = await parts.next();
      if (done) return;
      yield value;
    }
  }
  return { first: found?.[0] ?? Buffer.from(head).toString("latin1"), all: all() };
}

async function* utf8Only(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const check = (part: Uint8Array, stream: boolean) => {
    try {
      decoder.decode(part, { stream });
    } catch {
      const issue = { path: "body", message: "is not UTF-8; most programs can save a table as “CSV UTF-8”" };
      throw invalidRequest(issue);
    }
  };
  for await (const part of source) {
    check(part, true);
    yield part;
  }
  check(new Uint8Array(), false);
}
