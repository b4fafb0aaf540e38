import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { sqliteDatabase } from "@reinstate/tooling/databases";
import { collectOutput, environment, programCommand, temporaryFolder } from "./gateway-process.ts";

export interface RunOptions {
  settings?: Record<string, string>;
  /** Text for standard input; none by default. */
  input?: string | undefined;
  /** Standard input stays open after the text, for more of it. */
  isInputOpen?: boolean;
  cwd?: string | undefined;
}

export interface Run {
  status: number | null;
  out: string;
  err: string;
}

/** A process of the command line whose output is read while it runs. */
export interface RunningCommand {
  child: ChildProcess;
  output: { out: string; err: string };
  /** Resolves at its end. */
  ended: Promise<Run>;
}

/** Starts a command of the command line. */
export function startCommand(
  args: readonly string[],
  { settings = {}, input, isInputOpen = false, cwd }: RunOptions = {},
): RunningCommand {
  const [program = "", ...before] = programCommand;
  const child = spawn(program, [...before, ...args], {
    env: environment(settings),
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    ...(cwd !== undefined && { cwd }),
  });
  return collect(child, input, isInputOpen);
}

/** Starts a command in a pseudo-terminal. Both streams come in `out`. */
export function startInTerminal(
  args: readonly string[],
  { settings = {}, input, cwd, columns = 80 }: RunOptions & { columns?: number } = {},
): RunningCommand {
  const quote = (word: string) => `'${word.replaceAll("'", `'\\''`)}'`;
  const line = `stty cols ${columns} -echo; exec ${[...programCommand, ...args].map(quote).join(" ")}`;
  const child = spawn("script", ["--quiet", "--flush", "--return", "--command", line, "/dev/null"], {
    env: { TERM: "xterm-256color", SHELL: "/bin/sh", ...environment(settings) },
    stdio: ["pipe", "pipe", "pipe"],
    ...(cwd !== undefined && { cwd }),
  });
  return collect(child, input, true);
}

function collect(child: ChildProcess, input: string | undefined, isInputOpen: boolean): RunningCommand {
  const output = collectOutput(child);
  if (input !== undefined) {
    // A command may end without reading its input.
    child.stdin?.on("error", () => {});
    child.stdin?.write(input);
    if (!isInputOpen) child.stdin?.end();
  }
  const ended = once(child, "close").then(([status]) => ({ status: status as number | null, ...output }));
  return { child, output, ended };
}

/** Runs a command of the command line to its end. */
export const runCommand = (args: readonly string[], options: RunOptions = {}): Promise<Run> =>
  startCommand(args, options).ended;

/** A folder with an own ledger that holds the demo records, in which commands run. */
export function openWorkplace(more: Record<string, string> = {}) {
  const folder = temporaryFolder();
  const database = sqliteDatabase();
  const settings = { REINSTATE_DEMO: "true", REINSTATE_DATABASE_URL: database.url, ...more };
  return {
    folder: folder.path,
    settings,
    databaseUrl: database.url,
    /** Writes a file into the folder, and returns its name. */
    write(name: string, content: string | Uint8Array): string {
      writeFileSync(join(folder.path, name), content);
      return name;
    },
    path: (name: string) => join(folder.path, name),
    run: (args: readonly string[], options: RunOptions = {}) =>
      runCommand(args, { cwd: folder.path, ...options, settings: { ...settings, ...options.settings } }),
    start: (args: readonly string[], options: RunOptions = {}) =>
      startCommand(args, { cwd: folder.path, ...options, settings: { ...settings, ...options.settings } }),
    terminal: (args: readonly string[], options: RunOptions & { columns?: number } = {}) =>
      startInTerminal(args, { cwd: folder.path, ...options, settings: { ...settings, ...options.settings } }),
    async [Symbol.asyncDispose]() {
      await folder[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

export type Workplace = ReturnType<typeof openWorkplace>;

/** The lines of a JSON output. */
export const readEvents = (out: string): Record<string, unknown>[] =>
  out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
