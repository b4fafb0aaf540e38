import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { wrongUse } from "../terminal/failure.ts";
import { openIdRanges } from "./id-ranges.ts";
import type { Input, InputFormat } from "./input.ts";
import { splitJsonArray } from "./json-array.ts";
import { spool } from "./spool.ts";

export interface InputOptions {
  file?: string | undefined;
  ids?: string | undefined;
  format?: InputFormat | undefined;
}

/** Bytes from the beginning whose encoding is checked before anything is sent. */
const headBytes = 64 * 1024;
/** Bytes per read of a digest. */
const hashBytes = 1024 * 1024;

/** Opens the items of a command: a file, standard input, or ids on the command line. */
export async function openInput({ file, ids, format }: InputOptions): Promise<Input> {
  if (file !== undefined && ids !== undefined) throw wrongUse("--file and --ids are both given", "keep one of them");
  if (ids !== undefined) return openIdRanges(ids);
  if (file === undefined) {
    throw wrongUse("No records are named", "add --file FILE, --file - for standard input, or --ids 1-5000,7001");
  }
  const isStandard = file === "-";
  if (isStandard && process.stdin.isTTY) {
    throw wrongUse("--file - reads standard input, which is this terminal", "pipe the ids in, or name a file");
  }
  const name = isStandard ? "standard input" : file;
  // What can be read only once is stored first: the digest reads it too.
  const once = isStandard ? process.stdin : isRegular(file) ? undefined : createReadStream(file);
  const spooled = once && (await spool(once));
  const path = spooled?.path ?? file;
  try {
    const { size } = statSync(path);
    const { head, source } = await readHead(createReadStream(path, { highWaterMark: headBytes }), name);
    const found = format ?? findFormat(file, head.text);
    const lines = endLastLine(source, head.encoding);
    const common = { name, size, digest: () => hashFile(path), close: () => spooled?.remove() };
    if (found !== "json") return { ...common, format: found, unit: "line", source: lines };
    const elements = splitJsonArray(toUtf8(lines, head.encoding), name);
    return { ...common, format: "ndjson", unit: "element", source: elements };
  } catch (error) {
    spooled?.remove();
    throw error;
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of createReadStream(path, { highWaterMark: hashBytes })) hash.update(part as Buffer);
  return hash.digest("hex");
}

/** Reports whether a path is a file, and not for example a named pipe. */
function isRegular(path: string): boolean {
  let found: ReturnType<typeof statSync>;
  try {
    found = statSync(path);
  } catch (error) {
    throw unreadable(path, (error as NodeJS.ErrnoException).code);
  }
  if (found.isDirectory()) throw wrongUse(`${path} is a folder`, "name a file in it");
  return found.isFile();
}

const unreadable = (path: string, code: string | undefined) => {
  const reasons: Record<string, string> = { ENOENT: "there is no such file", EACCES: "this user may not read it" };
  return wrongUse(`${path} cannot be read`, "check the path and its permissions", reasons[code ?? ""] ?? code);
};

type Encoding = "utf-8" | "utf-16le" | "utf-16be";

/** The beginning of a file: its encoding and its text. */
interface Head {
  encoding: Encoding;
  text: string;
}

/** Reads the beginning of a stream and checks its encoding. Returns the whole stream too. */
async function readHead(
  stream: AsyncIterable<Uint8Array>,
  name: string,
): Promise<{ head: Head; source: AsyncIterable<Uint8Array> }> {
  const parts = stream[Symbol.asyncIterator]();
  const read = async () => {
    try {
      return await parts.next();
    } catch (error) {
      throw unreadable(name, (error as NodeJS.ErrnoException).code);
    }
  };
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < headBytes) {
    const { value, done } = await read();
    if (done) break;
    first.push(value);
    length += value.length;
  }
  const bytes = Buffer.concat(first);
  const head = decodeHead(bytes.subarray(0, headBytes), name);
  async function* source() {
    if (bytes.length > 0) yield bytes;
    for (let next = await read(); !next.done; next = await read()) yield next.value;
  }
  return { head, source: source() };
}

function decodeHead(bytes: Uint8Array, name: string): Head {
  const [first, second] = bytes;
  const encoding: Encoding =
    first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  try {
    return { encoding, text: new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true }) };
  } catch {
    const fix = "save it as “CSV UTF-8”, or convert it: iconv -f WINDOWS-1252 -t UTF-8";
    throw wrongUse(`${name} is not UTF-8`, fix, `line ${findBadLine(bytes, encoding)} holds bytes of another encoding`);
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
function findFormat(file: string, text: string): InputFormat {
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
