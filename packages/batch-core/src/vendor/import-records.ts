import { ReinstateError } from "../errors/errors.ts";
import type { OpenTable } from "../intake/read-csv.ts";
import { readRecords } from "../intake/read-records.ts";
import type { Row } from "../intake/record.ts";
import { findFlagFault } from "../safety-flags/safety-flags.ts";
import type { ImportCounts, ImportFormat } from "./vendor.ts";

/** A line that was not imported, and why. */
export interface RefusedLine {
  /** From 1; of a record over several lines the first. */
  line: number;
  message: string;
}

/** How the records of a vendor are read and stored. */
export interface RecordImport<Item> {
  format: ImportFormat;
  /** Reads the columns of a CSV file; left out by a vendor that takes none. */
  table?: OpenTable;
  /** Fields whose content is data: no safety flag is looked for in them. */
  data?: readonly string[];
  /** Records that are stored at once. */
  setSize: number;
  /** Returns the item of a record, or why the line is rejected. */
  parse(value: unknown): { item: Item } | { fault: string };
  /** Stores a set. Returns for each item, in order, why it is rejected; undefined for an item that is stored. */
  store(items: readonly Item[]): Promise<readonly (string | undefined)[]>;
  /** Called for each line that is rejected, in order. */
  onRefused?(refused: RefusedLine): void;
  /** Called after each set. */
  onProgress?(counts: ImportCounts): void;
  signal?: AbortSignal | undefined;
}

/**
 * Imports records from a stream of any length, set by set, in memory that does not grow with it. A line that cannot be imported is
 * reported and skipped. Rejects if the stream breaks; the sets before that stay.
 *
 * @throws `invalid_request` for a header that cannot be used.
 * @example
 * await importRecords(createReadStream("tickets.ndjson"), {
 *   format: "ndjson",
 *   table: ticketTable,
 *   setSize: 500,
 *   parse: (value) => { const { data, error } = ticket.safeParse(value); return data ? { item: data } : { fault: describe(error) }; },
 *   store: async (tickets) => { await store.add(tickets); return []; },
 *   onRefused: ({ line, message }) => console.error(`line ${line}: ${message}`),
 * });
 */
export async function importRecords<Item>(
  source: AsyncIterable<Uint8Array | string>,
  { format, table, data = [], setSize, parse, store, onRefused, onProgress, signal }: RecordImport<Item>,
): Promise<ImportCounts> {
  const counts: ImportCounts = { imported: 0, refused: 0 };
  let set: { line: number; read: { item: Item } | { fault: string } }[] = [];

  async function flush(): Promise<void> {
    const items = set.flatMap(({ read }) => ("item" in read ? [read.item] : []));
    const faults = items.length > 0 ? await store(items) : [];
    let next = 0;
    for (const { line, read } of set) {
      const message = "item" in read ? faults[next++] : read.fault;
      if (message === undefined) counts.imported++;
      else {
        counts.refused++;
        onRefused?.({ line, message });
      }
    }
    set = [];
    onProgress?.({ ...counts });
  }

  function read(row: Row): { item: Item } | { fault: string } {
    const fault = row.fault ?? findFlagFault(row.value, data);
    return fault === undefined ? parse((row as Extract<Row, { value: unknown }>).value) : { fault };
  }

  if (format === "csv" && !table) throw new ReinstateError("invalid_request", "CSV is not supported here; use NDJSON");
  const records = readRecords(source, format === "csv" && table ? { format, table } : { format: "ndjson" });
  for await (const rows of records) {
    for (const row of rows) {
      signal?.throwIfAborted();
      set.push({ line: row.line, read: read(row) });
      if (set.length === setSize) await flush();
    }
  }
  if (set.length > 0) await flush();
  return counts;
}
