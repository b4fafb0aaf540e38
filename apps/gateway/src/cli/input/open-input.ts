import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import type { ItemFault } from "../../items/item-fault.ts";
import { type ItemFormat, openItemStream } from "../../items/item-stream.ts";
import { wrongUse } from "../terminal/failure.ts";
import { openIdRanges } from "./id-ranges.ts";
import type { Input } from "./input.ts";
import { spool } from "./spool.ts";

export interface InputOptions {
  file?: string | undefined;
  ids?: string | undefined;
  format?: ItemFormat | undefined;
}

/** Bytes per read of the items. */
const readBytes = 64 * 1024;
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
  // A stream that can be read only once is stored first, because the digest reads it too.
  const once = isStandard ? process.stdin : isRegular(file) ? undefined : createReadStream(file);
  const spooled = once && (await spool(once));
  const path = spooled?.path ?? file;
  try {
    const { size } = statSync(path);
    const fault: ItemFault = (what, fix, why) => wrongUse(`${name} ${what}`, fix, why);
    const items = await openItemStream(readFile(path, name), { name: file, format, fault });
    return { ...items, name, size, digest: () => hashFile(path), close: () => spooled?.remove() };
  } catch (error) {
    spooled?.remove();
    throw error;
  }
}

async function* readFile(path: string, name: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { highWaterMark: readBytes }) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw unreadable(name, (error as NodeJS.ErrnoException).code);
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
