import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

/** A file that only this user may read, and that is deleted with the process. */
export interface Spooled {
  path: string;
  remove(): void;
}

/** Stores a stream in a temporary file, so that it can be read twice. */
export async function spool(source: NodeJS.ReadableStream): Promise<Spooled> {
  const folder = mkdtempSync(join(tmpdir(), "reinstate-"));
  const remove = () => {
    process.removeListener("exit", remove);
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", remove);
  const path = join(folder, "input");
  try {
    await pipeline(source, createWriteStream(path, { mode: 0o600 }));
    return { path, remove };
  } catch (error) {
    remove();
    throw error;
  }
}
