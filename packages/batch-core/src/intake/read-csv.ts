import { invalidRequest } from "../errors/errors.ts";
import { showValue } from "../text/show-value.ts";
import { countQuotes, findSeparator, splitCells } from "./cells.ts";
import type { RecordParser, Row } from "./record.ts";
import { type Line, longestLine } from "./split-lines.ts";

/** Maximum number of cells in a record. */
export const mostColumns = 1000;

/** Reads a row of cells as a value, or returns its fault. */
export type CellsReader = (cells: readonly string[]) => { value: unknown; second?: () => unknown } | { fault: string };

/** How the rows of a CSV file are read. */
export interface Table {
  read: CellsReader;
  /** The first record is a row, not a header. */
  isHeaderless?: boolean;
}

/** Returns the reader of the rows under this header. Throws `invalid_request` if the header is invalid. */
export type OpenTable = (header: readonly string[], line: number) => Table;

const quoteFault = "a quote stands where none can, or is never closed";

const describeQuoteFault = (text: string) => `${quoteFault}; the line is ${showValue(text)}`;

/** A line that names the separator, as in spreadsheets. */
const separatorLine = /^\s*"?sep=(.)"?\s*$/i;

/**
 * Parses a table whose first record names the columns. A quoted cell may span lines. A quote that is never closed affects only its own
 * line, so no record is lost in a cell of another one.
 */
export function createCsvParser(open: OpenTable): RecordParser {
  /** The lines from the start of the open record; `next` is the next one to examine. */
  let lines: Line[] = [];
  let start = 0;
  let next = 0;
  let size = 0;
  let quotes = 0;
  let ended = false;
  let separator: string | undefined;
  let table: Table | undefined;
  let columns = 0;
  /** The first record of a table without a header, which is also a row. */
  let first: Row | undefined;

  function beginAt(place: number): void {
    start = place;
    next = place;
    size = 0;
    quotes = 0;
    // Performance: drops finished lines in blocks, so the cost is linear in their number.
    if (start < lines.length && (start < 1024 || 2 * start < lines.length)) return;
    lines = lines.slice(start);
    start = 0;
    next = 0;
  }

  /** Returns the row of the lines from `start` to `next`; undefined if they are none. */
  function endRecord(): Row | undefined {
    const { number } = lines[start] as Line;
    const count = next - start;
    const contents = lines.slice(start, next).map((line) => ("content" in line ? line.content : ""));
    const isClosed = quotes % 2 === 0;
    if (isClosed && table && columns === 1 && count === 1 && typeof contents[0] === "number") {
      beginAt(next);
      return toRow(number, [String(contents[0])], String(contents[0]), table);
    }
    const text = contents.join("\n");
    const named = table || count > 1 ? null : separatorLine.exec(text);
    if (named) {
      separator = named[1];
      beginAt(next);
      return undefined;
    }
    if (text.trim() === "") {
      beginAt(next);
      return undefined;
    }
    separator ??= findSeparator(text);
    const cells = isClosed ? splitCells(text, separator, mostColumns + 1) : undefined;
    // A missing quote may pair with another one far below.
    if (!cells || (table && count > 1 && cells.length !== columns)) {
      beginAt(start + 1);
      const fault = describeQuoteFault(contents[0] as string);
      if (!table) throw invalidRequest({ path: `line ${number}`, message: fault });
      return { line: number, fault };
    }
    beginAt(next);
    if (table) return cells.every((cell) => cell === "") ? undefined : toRow(number, cells, text, table);
    openTable(cells, text, number);
    return undefined;
  }

  function openTable(header: string[], text: string, line: number): void {
    if (header.length > mostColumns) {
      throw invalidRequest({ path: `line ${line}`, message: `has more than ${mostColumns} columns` });
    }
    table = open(header, line);
    columns = header.length;
    if (table.isHeaderless) first = toRow(line, header, text, table);
  }

  function toRow(line: number, cells: string[], text: string, { read }: Table): Row {
    if (cells.length === columns) return { line, ...read(cells) };
    const count = cells.length > mostColumns ? `more than ${mostColumns}` : cells.length;
    const hint = columns === 1 ? "; quote a cell that holds the separator, and format numbers as text" : "";
    return { line, fault: `has ${count} cells, and the header has ${columns}${hint}; it is ${showValue(text)}` };
  }

  return {
    add: (line) => void lines.push(line),
    end() {
      ended = true;
    },
    next() {
      while (next < lines.length) {
        const line = lines[next] as Line;
        if ("fault" in line) {
          if (next > start) {
            const { number, content } = lines[start] as Exclude<Line, { fault: string }>;
            beginAt(start + 1);
            return { line: number, fault: describeQuoteFault(String(content)) };
          }
          if (!table) throw invalidRequest({ path: `line ${line.number}`, message: line.fault });
          beginAt(next + 1);
          return { line: line.number, fault: line.fault };
        }
        next++;
        if (typeof line.content === "string") {
          size += line.content.length + 1;
          quotes += countQuotes(line.content);
        }
        if (quotes % 2 === 1 && size <= longestLine) continue;
        const row = endRecord() ?? first;
        first = undefined;
        if (row) return row;
      }
      if (!ended || next === start) return undefined;
      const row = endRecord() ?? first;
      first = undefined;
      return row ?? this.next();
    },
  };
}
