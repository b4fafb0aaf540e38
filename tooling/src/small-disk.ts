import { execFileSync } from "node:child_process";
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of its own size, for what happens when it is full. */
export interface SmallDisk extends Disposable {
  path: string;
  /** Takes all the room that is left. */
  fill(): void;
  /** Gives it back. */
  empty(): void;
}

/** Mounts a file system in memory; undefined if this user may mount none, by root's rights or by `sudo` without a password. */
export function mountSmallDisk(megabytes: number): SmallDisk | undefined {
  const path = mkdtempSync(join(tmpdir(), "reinstate-disk-"));
  const asRoot = (...command: string[]) => {
    const [program = "", ...args] = process.getuid?.() === 0 ? command : ["sudo", "-n", ...command];
    execFileSync(program, args, { stdio: "ignore" });
  };
  try {
    asRoot("mount", "-t", "tmpfs", "-o", `size=${megabytes}m,mode=777`, "tmpfs", path);
  } catch {
    rmSync(path, { recursive: true, force: true });
    return undefined;
  }
  chmodSync(path, 0o777);
  const ballast = join(path, "ballast");
  return {
    path,
    fill() {
      const file = openSync(ballast, "w");
      try {
        for (let size = 1024 * 1024; size >= 512; ) {
          try {
            writeSync(file, Buffer.alloc(size));
          } catch {
            size /= 2;
          }
        }
      } finally {
        closeSync(file);
      }
    },
    empty: () => rmSync(ballast, { force: true }),
    [Symbol.dispose]() {
      // Lazily, because a server that was killed a moment ago may still hold a file.
      asRoot("umount", "-l", path);
      rmSync(path, { recursive: true, force: true });
    },
  };
}
