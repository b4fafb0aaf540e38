import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";

/** Makes the folder of a database file where it is missing. A new folder is for this user alone. */
export function makeFolder(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
}

/**
 * Keeps a database file, and what SQLite puts beside it, from other users: the file holds digests of keys and personal data. A
 * folder that holds nothing else is closed to them too.
 */
export function keepPrivate(file: string): void {
  // SQLite gives its other files the mode of this one.
  attempt(() => closeSync(openSync(file, "a", 0o600)));
  for (const path of [file, `${file}-wal`, `${file}-shm`]) restrict(path, 0o600);
  const name = basename(file);
  attempt(() => {
    if (readdirSync(dirname(file)).every((other) => other.startsWith(name))) restrict(dirname(file), 0o700);
  });
}

function restrict(path: string, mode: number): void {
  attempt(() => {
    if (existsSync(path) && (statSync(path).mode & 0o077) !== 0) chmodSync(path, mode);
  });
}

/** Another user's file, or a file system without modes, stays as it is. SQLite reports a file that it cannot open. */
function attempt(work: () => void): void {
  try {
    work();
  } catch {
    // As said above.
  }
}
