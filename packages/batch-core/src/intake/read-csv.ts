import { invalidRequest } from "../errors/errors.ts";
import { countQuotes, findSeparator, splitCells } from "./cells.ts";
import type { RecordParser, Row } from "./record.ts";
import { type Line, longestLine } from "./split-lines.ts";

/** Cells of a record at most. */
export const mostColumns = 1000;

/** Reads a row of cells as a value, or reports why it has none. */
export type CellsReader = (cells: readonly string[]) => { value: unknown; second?: () => unknown } | { fault: string };

export interface Table {
  read: CellsReader;
  /** The first record is no header, but a row. */
  isHeaderless?: boolean;
}

/** Returns how the rows under this header are read; throws `invalid_request` when the header cannot be used. */
export type OpenTable = (header: readonly string[], line: number) => Table;

const quoteFault = "a quote stands where none can, or is never closed";

/** A line that names the separator, as spreadsheets write and read it. */
const separatorLine = /^\s*"?sep=(.)"?\s*$/i;

/**
 * Parses a table whose first record names the columns. A quoted cell may go over several lines; a quote that is never closed
 * takes only its own line along, so no record is lost in a cell of another one.
 */
export function createCsvParser(open: OpenTable): RecordParser {
  /** Lines from the open record's first on; `next` is the one to look at. */
  let lines: Line[] = [];
  let start = 0;
  let next = 0;
  let size = 0;
  let quotes = 0;
  let ended = false;
  let separator: string | undefined;
  let table: Table | undefined;
  let columns = 0;
  /** The first record of a table without a header, which is a row too. */
  let first: Row | undefined;

  function beginAt(place: number): void {
    start = place;
    next = place;
    size = 0;
    quotes = 0;
    // Performance: finished lines are dropped in blocks, so the cost stays in proportion to their number.
    if (start < lines.length && (start < 1024 || 2 * start < lines.length)) return;
    lines = lines.slice(start);
    start = 0;
    next = 0;
  }

  /** The row of the lines from `start` to `next`; undefined for one that is none. */
  function endRecord(): Row | undefined {
    const { number } = lines[start] as Line;
    const count = next - start;
    const contents = lines.slice(start, next).map((line) => ("content" in line ? line.content : ""));
    const isClosed = quotes % 2 === 0;
    if (isClosed && table && columns === 1 && count === 1 && typeof contents[0] === "number") {
      beginAt(next);
      return toRow(number, [String(contents[0])], table);
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
    // A quote that was forgotten may find another one far below.
    if (!cells || (table && count > 1 && cells.length !== columns)) {
      beginAt(start + 1);
      if (!table) throw invalidRequest({ path: `line ${number}`, message: quoteFault });
      return { line: number, fault: quoteFault };
    }
    beginAt(next);
    if (table) return cells.every((cell) => cell === "") ? undefined : toRow(number, cells, table);
    openTable(cells, number);
    return undefined;
  }

  function openTable(header: string[], line: number): void {
    if (header.length > mostColumns) {
      throw invalidRequest({ path: `line ${line}`, message: `has more than ${mostColumns} columns` });
    }
    table = open(header, line);
    columns = header.length;
    if (table.isHeaderless) first = toRow(line, header, table);
  }

  function toRow(line: number, cells: string[], { read }: Table): Row {
    if (cells.length === columns) return { line, ...read(cells) };
    const count = cells.length > mostColumns ? `more than ${mostColumns}` : cells.length;
    const hint = columns === 1 ? "; quote a cell that holds the separator, and format numbers as text" : "";
    return { line, fault: `has ${count} cells, and the header has ${columns}${hint}` };
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
            const { number } = lines[start] as Line;
            beginAt(start + 1);
            return { line: number, fault: quoteFault };
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
