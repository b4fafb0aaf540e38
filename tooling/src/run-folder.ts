import { accessSync, chmodSync, constants, mkdtempSync, readdirSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { isAlive } from "./launchers.ts";

/** Free bytes below which a file system in memory is not used: a test of a million items fills some hundred megabytes. */
const leastFreeBytes = 4 * 2 ** 30;
/** Followed by the id of the process that runs the tests. */
const namePrefix = "reinstate-run-";

/**
 * Makes the folder of a whole test run, in memory if there is room: no test cuts the power, so none needs the disk.
 * Processes of the run find it by {@link runFolder}.
 *
 * @returns what removes it.
 */
export function makeRunFolder(): () => void {
  const parent = memoryFolder() ?? tmpdir();
  removeAbandoned(parent);
  const folder = mkdtempSync(join(parent, `${namePrefix}${process.pid}-`));
  // A private PostgreSQL, which runs as a user of its own, keeps its data below.
  chmodSync(folder, 0o711);
  process.env.TEST_RUN_FOLDER = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}

/** Returns the folder of the test run, or `undefined` outside of one. */
export const runFolder = (): string | undefined => process.env.TEST_RUN_FOLDER;

/** Returns the name of the test run: the id of the process that runs it, and in a run a random part. */
export const runName = (): string => basename(runFolder() ?? String(process.pid)).replace(namePrefix, "");

/** Makes an empty folder with a unique name: in the run's folder, or on the disk outside of a run. */
export const makeFolder = (prefix: string): string => mkdtempSync(join(runFolder() ?? tmpdir(), prefix));

/** Removes the folders of runs that were killed: in memory nothing else does before the machine stops. */
function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, pid] = /^reinstate-run-(\d+)-/.exec(name) ?? [];
    if (pid && !isAlive(Number(pid))) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

function memoryFolder(): string | undefined {
  const folder = "/dev/shm";
  try {
    accessSync(folder, constants.W_OK);
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize >= leastFreeBytes ? folder : undefined;
  } catch {
    return undefined;
  }
}
