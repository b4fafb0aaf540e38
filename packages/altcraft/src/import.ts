import { Readable } from "node:stream";
import { ReinstateError } from "@reinstate/batch-core";
import { decodeUtf8 } from "@reinstate/batch-core/http";
import { CsvError, parse } from "csv-parse";
import type { Altcraft } from "./create.ts";
import { csvRowOf, isIgnored, unknownColumn } from "./csv-row.ts";
import { withoutNulls } from "./nulls.ts";
import { describeIssue, type SubscriptionRead, subscriptionImport } from "./schemas.ts";
import { XmlError } from "./xml.ts";

/** A line that was not brought in, and why. */
export interface RefusedLine {
  /** From 1 on; of a CSV record over several lines the last one. */
  line: number;
  message: string;
}

export interface ImportOptions {
  /**
   * `ndjson`: a subscription a line, as `subscriptions/set` takes it, with `is_delete`. `csv`: a header with the same names,
   * `cc_data.id` and `custom_fields.size` for what is inside, `;` between categories. What the vendor makes itself, as
   * `hash_id`, may stand there and is passed over.
   */
  format: "ndjson" | "csv";
  /** The channel of every line that names none: a file of one channel needs no such column. */
  channel?: string;
  /** Called for every line that is refused. */
  onRefused?(refused: RefusedLine): void;
}

export interface Imported {
  /** Subscriptions read, and refused ones with them. */
  read: number;
  added: number;
  /** Were there already, and stay as they are. */
  kept: number;
  refused: number;
  /** The first hundred of the refused. */
  firstRefused: RefusedLine[];
}

/** Subscriptions per transaction. */
const portion = 1000;
const longestLine = 1024 * 1024;

/** A line with what stands on it, or why it cannot be read. */
type Read = { line: number; given: unknown } | RefusedLine;

/**
 * Brings subscriptions in from a stream of any length, in memory that does not grow with it. What is there already stays,
 * what was erased does not come back; a line that is not valid is refused, with its number, and the others go on. Throws
 * `invalid_request` where a CSV has a column that nothing is known about, or one twice.
 */
export async function importSubscriptions(
  altcraft: Pick<Altcraft, "loadRead">,
  stream: AsyncIterable<Uint8Array | string>,
  { format, channel, onRefused = () => {} }: ImportOptions,
): Promise<Imported> {
  const sum: Imported = { read: 0, added: 0, kept: 0, refused: 0, firstRefused: [] };
  let waiting: { line: number; subscription: SubscriptionRead }[] = [];

  function refuse(refused: RefusedLine): void {
    sum.refused++;
    if (sum.firstRefused.length < 100) sum.firstRefused.push(refused);
    onRefused(refused);
  }

  async function load(): Promise<void> {
    if (waiting.length === 0) return;
    const lines = waiting;
    waiting = [];
    const { added, kept, erased } = await altcraft.loadRead(lines.map(({ subscription }) => subscription));
    sum.added += added;
    sum.kept += kept;
    for (const place of erased) refuse({ line: lines[place]?.line ?? 0, message: "Subscription was erased" });
  }

  for await (const read of format === "csv" ? csvRows(stream, channel) : jsonLines(stream)) {
    sum.read++;
    if ("message" in read) {
      refuse(read);
      continue;
    }
    const { line, given } = read;
    const whole = isMembers(given) ? { ...(channel !== undefined && { channel }), ...withoutNulls(given) } : given;
    const parsed = subscriptionImport.safeParse(whole, { reportInput: true });
    if (parsed.success) waiting.push({ line, subscription: parsed.data });
    else refuse({ line, message: describeIssue(parsed.error.issues[0]) });
    if (waiting.length === portion) await load();
  }
  await load();
  return sum;
}

const isMembers = (given: unknown): given is object =>
  typeof given === "object" && given !== null && !Array.isArray(given);

async function* jsonLines(stream: AsyncIterable<Uint8Array | string>): AsyncGenerator<Read, void, undefined> {
  for await (const { line, bytes } of linesOf(stream)) {
    if (bytes === undefined) {
      yield { line, message: `is longer than ${longestLine} bytes` };
      continue;
    }
    const text = decodeUtf8(bytes);
    if (text === undefined) yield { line, message: "is not UTF-8" };
    else if (text.trim() !== "") yield jsonOf(line, text);
  }
}

function jsonOf(line: number, text: string): Read {
  try {
    return { line, given: JSON.parse(text) };
  } catch {
    return { line, message: "is not JSON" };
  }
}

/** The lines of a stream; without its bytes where one is too long to be kept. */
async function* linesOf(stream: AsyncIterable<Uint8Array | string>) {
  let line = 1;
  let begun: Uint8Array[] = [];
  let size = 0;
  const add = (part: Uint8Array) => {
    size += part.byteLength;
    if (size <= longestLine) begun.push(part);
    else begun = [];
  };
  const end = () => {
    const ended = { line: line++, bytes: size <= longestLine ? Buffer.concat(begun) : undefined };
    begun = [];
    size = 0;
    return ended;
  };
  for await (const part of stream) {
    const bytes = typeof part === "string" ? Buffer.from(part) : part;
    let start = 0;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, start)) {
      add(bytes.subarray(start, at));
      start = at + 1;
      yield end();
    }
    add(bytes.subarray(start));
  }
  if (size > 0) yield end();
}

async function* csvRows(
  stream: AsyncIterable<Uint8Array | string>,
  channel: string | undefined,
): AsyncGenerator<Read, void, undefined> {
  const unreadable: RefusedLine[] = [];
  const parser = parse({
    bom: true,
    info: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    max_record_size: longestLine,
    trim: true,
    columns(header: string[]) {
      const wrong = (column: string, what: string) => {
        const message = `The column ${JSON.stringify(column)} ${what}`;
        return new ReinstateError("invalid_request", message, { issues: [{ path: column, message }] });
      };
      const stranger = header.find(unknownColumn);
      if (stranger !== undefined) throw wrong(stranger, "is not known");
      const twice = header.find((column, index) => header.indexOf(column) < index);
      if (twice !== undefined) throw wrong(twice, "stands there twice");
      return header.map((column) => (isIgnored(column) ? undefined : column));
    },
  });
  parser.on("skip", (error: CsvError) => {
    const line = Number(error.lines);
    // A record may be wrong in more ways than one.
    if (unreadable.at(-1)?.line !== line) unreadable.push({ line, message: error.message });
  });
  const source = Readable.from(stream, { objectMode: false });
  source.on("error", (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const { record, info } of parser as AsyncIterable<{
      record: Record<string, string>;
      info: { lines: number };
    }>) {
      // The parser is ahead of what it hands out.
      while (unreadable[0] && unreadable[0].line <= info.lines) yield unreadable.shift() as RefusedLine;
      yield csvGiven(info.lines, { ...record, channel: record.channel || (channel ?? "") });
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const message = `The CSV cannot be read on: ${error.message}`;
    throw new ReinstateError("invalid_request", message, { issues: [{ path: "csv", message }] });
  } finally {
    source.destroy();
  }
  yield* unreadable;
}

function csvGiven(line: number, record: Record<string, string>): Read {
  try {
    return { line, given: csvRowOf(record) };
  } catch (error) {
    if (error instanceof XmlError) return { line, message: error.message };
    throw error;
  }
}
