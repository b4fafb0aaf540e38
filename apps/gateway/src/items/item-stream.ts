import type { ItemFault } from "./item-fault.ts";
import { splitJsonArray } from "./json-array.ts";

/** The forms of items: a table, one JSON value per line, or a JSON array. */
export const itemFormats = ["csv", "ndjson", "json"] as const;
export type ItemFormat = (typeof itemFormats)[number];

/** Items from a file, an upload or a text, in a form that `readItems` accepts. */
export interface ItemStream {
  format: "csv" | "ndjson";
  /** A line of the stream is a line of the source, or an element of its JSON array. */
  unit: "line" | "element";
  source: AsyncIterable<Uint8Array>;
}

export interface ItemStreamOptions {
  /** The name of the file, whose ending may name the format. */
  name?: string;
  /** Default: found by the name and the content. */
  format?: ItemFormat | undefined;
  fault: ItemFault;
}

/** Bytes from the beginning that decide the format, and whose encoding is checked before anything is passed on. */
const headBytes = 64 * 1024;

/** Opens items in any of the formats. Memory is constant. */
export async function openItemStream(
  parts: AsyncIterable<Uint8Array>,
  { name = "", format, fault }: ItemStreamOptions,
): Promise<ItemStream> {
  const { head, source } = await readHead(parts, fault);
  const found = format ?? findFormat(name, head.text);
  const lines = endLastLine(source, head.encoding);
  if (found !== "json") return { format: found, unit: "line", source: lines };
  return { format: "ndjson", unit: "element", source: splitJsonArray(toUtf8(lines, head.encoding), fault) };
}

type Encoding = "utf-8" | "utf-16le" | "utf-16be";

/** The beginning of a file: its encoding and its text. */
interface Head {
  encoding: Encoding;
  text: string;
}

/** Reads the beginning of a stream and checks its encoding. Returns the whole stream too. */
async function readHead(
  stream: AsyncIterable<Uint8Array>,
  fault: ItemFault,
): Promise<{ head: Head; source: AsyncIterable<Uint8Array> }> {
  const parts = stream[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < headBytes) {
    const { value, done } = await parts.next();
    if (done) break;
    first.push(value);
    length += value.length;
  }
  const bytes = Buffer.concat(first);
  const head = decodeHead(bytes.subarray(0, headBytes), fault);
  async function* source() {
    if (bytes.length > 0) yield bytes;
    for (let next = await parts.next(); !next.done; next = await parts.next()) yield next.value;
  }
  return { head, source: source() };
}

function decodeHead(bytes: Uint8Array, fault: ItemFault): Head {
  const [first, second] = bytes;
  const encoding: Encoding =
    first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  try {
    return { encoding, text: new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true }) };
  } catch {
    const fix = "save it as “CSV UTF-8”, or convert it: iconv -f WINDOWS-1252 -t UTF-8";
    throw fault("is not UTF-8", fix, `line ${findBadLine(bytes, encoding)} holds bytes of another encoding`);
  }
}

/** Returns the number of the first line that cannot be decoded. */
function findBadLine(bytes: Uint8Array, encoding: Encoding): number {
  if (encoding !== "utf-8") return 1;
  let line = 1;
  let start = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, start)) {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start, at));
    } catch {
      return line;
    }
    start = at + 1;
    line++;
  }
  return line;
}

/** Finds the format by the name of the file, then by its content. */
function findFormat(file: string, text: string): ItemFormat {
  const first = /\S/.exec(text.replace(/^\ufeff/, ""))?.[0];
  const ending = /\.(\w+)$/.exec(file)?.[1]?.toLowerCase();
  if (ending === "csv" || ending === "tsv") return "csv";
  if (first === "[") return "json";
  if (first === "{" || ending === "ndjson" || ending === "jsonl") return "ndjson";
  return "csv";
}

/** Ends the last line, as a file from an editor may not. */
async function* endLastLine(source: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncGenerator<Uint8Array> {
  const lineEnd = encoding === "utf-8" ? [0x0a] : encoding === "utf-16le" ? [0x0a, 0] : [0, 0x0a];
  let last: Uint8Array = new Uint8Array();
  for await (const part of source) {
    yield part;
    last = part.length > 1 ? part.subarray(-2) : Buffer.concat([last, part]).subarray(-2);
  }
  const isEnded = last.length === 0 || lineEnd.every((byte, at) => last.at(at - lineEnd.length) === byte);
  if (!isEnded) yield Uint8Array.from(lineEnd);
}

/** Converts a stream to UTF-8 without a byte order mark. */
async function* toUtf8(source: AsyncIterable<Uint8Array>, encoding: Encoding): AsyncGenerator<Uint8Array> {
  const decoder = new TextDecoder(encoding);
  for await (const part of source) yield Buffer.from(decoder.decode(part, { stream: true }));
}
