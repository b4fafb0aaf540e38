import { chmodSync, closeSync, existsSync, mkdirSync, openSync, readdirSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";

/** Creates the folder of a database file if it is missing, accessible to this user only. */
export function makeFolder(file: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
}

/**
 * Removes the access of other users to a database file and its side files, because they hold digests of keys and personal data. If the
 * folder holds nothing else, removes the access to it too.
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

/** Ignores failures: a file of another user, or a file system without modes. SQLite reports a file that it cannot open. */
function attempt(work: () => void): void {
  try {
    work();
  } catch {
    // See above.
  }
}
