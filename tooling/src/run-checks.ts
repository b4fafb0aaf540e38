import { spawnSync } from "node:child_process";

/** A name, and the program that checks it, with its arguments. */
export type Check = [name: string, command: string, ...args: string[]];

/**
 * Runs every check in the order given, whatever fails.
 *
 * @returns the checks that failed.
 */
export function runChecks(folder: string, checks: Check[]): Check[] {
  return checks.filter(
    ([, command, ...args]) => spawnSync(command, args, { cwd: folder, stdio: "inherit" }).status !== 0,
  );
}
