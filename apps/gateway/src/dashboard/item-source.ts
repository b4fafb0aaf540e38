import { invalidInput } from "./invalid-input.ts";

/** Items as they were pasted or uploaded, in one of the formats of the core. */
export interface ItemSource {
  format: "ndjson" | "csv";
  parts: AsyncIterable<Uint8Array>;
}

/** Bytes that are read before the format is decided. */
const headBytes = 64 * 1024;
/** Maximum size of a JSON list, which is parsed as a whole. */
const listBytes = 16 * 1024 * 1024;

/**
 * Recognizes the format of items: a table with a header, one JSON value or id per line, or a JSON list.
 *
 * @throws ReinstateError `invalid_request` for a JSON list that is malformed or too long
 */
export async function openItems(parts: AsyncIterable<Uint8Array>): Promise<ItemSource> {
  const source = parts[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  let isOver = false;
  while (!isOver && head.length < headBytes) {
    const { value, done } = await source.next();
    if (done) isOver = true;
    else head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  async function* all() {
    yield head;
    if (!isOver) yield* { [Symbol.asyncIterator]: () => source };
  }
  const format = recognize(decodeHead(head));
  if (format === "list") return { format: "ndjson", parts: readList(all()) };
  return { format, parts: endLastLine(all(), isUtf16(head)) };
}

const isUtf16 = ([first, second]: Uint8Array): boolean =>
  (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);

function decodeHead(head: Uint8Array): string {
  const encoding = !isUtf16(head) ? "utf-8" : head[0] === 0xff ? "utf-16le" : "utf-16be";
  return new TextDecoder(encoding).decode(head);
}

/** Decides by the first line that is not blank. */
function recognize(head: string): "ndjson" | "csv" | "list" {
  const text = head.trimStart();
  if (text.startsWith("[")) return "list";
  const [line = ""] = text.split(/[\r\n]/, 1);
  return /^(-?\d+|\{.*|"[^"]*")\s*$/.test(line) ? "ndjson" : "csv";
}

/** Ends the last line, as an editor may not have done. */
async function* endLastLine(parts: AsyncIterable<Uint8Array>, isUtf16: boolean): AsyncGenerator<Uint8Array> {
  let last: number | undefined;
  for await (const part of parts) {
    last = part.at(-1) ?? last;
    yield part;
  }
  if (!isUtf16 && last !== undefined && last !== 0x0a && last !== 0x0d) yield Buffer.from("\n");
}

async function* readList(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const read: Uint8Array[] = [];
  let size = 0;
  for await (const part of parts) {
    size += part.length;
    if (size > listBytes) {
      throw invalidInput(
        "items",
        `a JSON list may have at most ${listBytes / 1024 / 1024} MB; put one value on each line`,
      );
    }
    read.push(part);
  }
  let list: unknown;
  try {
    list = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(read)));
  } catch (error) {
    throw invalidInput("items", `is not a JSON list: ${(error as Error).message.slice(0, 200)}`);
  }
  for (const value of list as unknown[]) yield Buffer.from(`${JSON.stringify(value)}\n`);
}

/** Yields a pasted text. Ids with commas or spaces between them get a line each. */
export async function* readPasted(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(/^[\d\s,;]+$/.test(text) ? `${text.trim().replace(/[\s,;]+/g, "\n")}\n` : text);
}
