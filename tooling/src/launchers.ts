import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename, delimiter, sep } from "node:path";

/**
 * Returns the ids of the processes between this one and the outermost package manager that started it, the nearest first.
 *
 * @returns `undefined` if npx started this process and has ended since.
 */
export function findLaunchers(): number[] | undefined {
  // Windows has no signals to pass on: its console ends every process in it.
  if (process.platform === "win32") return [];
  const ancestors: number[] = [];
  let launchers: number[] = [];
  let npxLives = false;
  for (let pid = process.ppid; pid > 0; ) {
    const ancestor = readProcess(pid);
    if (!ancestor) break;
    ancestors.push(pid);
    if (["npm", "npx", "pnpm"].includes(ancestor.program)) launchers = [...ancestors];
    npxLives ||= ancestor.program.startsWith("np");
    pid = ancestor.parent;
  }
  const startedByNpx = (process.env.PATH ?? "").split(delimiter).some((folder) => folder.includes(`${sep}_npx${sep}`));
  return startedByNpx && !npxLives ? undefined : launchers;
}

/** Returns whether a process lives. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // It lives and belongs to another user.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function readProcess(pid: number): { parent: number; program: string } | undefined {
  try {
    const [parent, command] = process.platform === "linux" ? readProc(pid) : readPs(pid);
    // A script's own name follows the interpreter; npm replaces its arguments by one title.
    const [program = "", script = ""] = command
      .split(/[\0 ]+/)
      .map((word) => basename(word).replace(/(-cli)?\.c?js$/, ""));
    return { parent, program: program === "node" ? script : program };
  } catch {
    return undefined;
  }
}

function readProc(pid: number): [parent: number, command: string] {
  const [, parent] = /\) \S (\d+)[^)]*$/.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
  return [Number(parent), readFileSync(`/proc/${pid}/cmdline`, "utf8")];
}

function readPs(pid: number): [parent: number, command: string] {
  const [, parent, command = ""] =
    /^\s*(\d+)\s+(.*)/.exec(execFileSync("ps", ["-o", "ppid=,command=", "-p", String(pid)], { encoding: "utf8" })) ??
    [];
  return [Number(parent), command];
}
