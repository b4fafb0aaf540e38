import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type RootCommand, script } from "@bomb.sh/tab";
import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";
import { vendorNames } from "../../load-vendors.ts";
import { print } from "../terminal/output.ts";

/** The script of the library needs a function of the package bash-completion, which many machines lack. */
const bashFallback = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
    _get_comp_words_by_ref() {
        words=("\${COMP_WORDS[@]}")
        cword=$COMP_CWORD
        cur=\${COMP_WORDS[COMP_CWORD]}
        prev=\${COMP_WORDS[COMP_CWORD-1]}
    }
fi
`;

/** Prints the completion script of a shell. */
export function printCompletion(shell: string): void {
  if (shell === "bash") print(bashFallback);
  script(shell, "reinstate", "reinstate");
}

/** Options whose value is a path, and arguments that are one. */
const pathOptions = ["--file", "--report", "--output"];
const pathArguments = ["backup"];

/** Prints the completions of a line that is being typed, as the scripts read them. `words`: all of it after the program's name. */
export async function complete(program: Command, words: readonly string[]): Promise<void> {
  const current = words.at(-1) ?? "";
  const previous = words.at(-2) ?? "";
  if (pathOptions.includes(previous) || (words.length === 2 && pathArguments.includes(previous))) {
    for (const path of listPaths(current)) print(path);
    // No directive: a shell may complete the name of a file in its own way too.
    return print(":0");
  }
  const known = tab(withoutCompletion(program), { completionCommandName: "completion" });
  for (const name of ["restore", "archive", "find", "doctor"]) offer(known, name, vendorNames);
  if (words[0] === "batches" && words.length === 3) {
    const ids = await listBatchIds();
    for (const [name, command] of known.commands) {
      if (name.startsWith("batches ") && command.arguments.has("id")) offer(known, name, ids);
    }
  }
  known.parse([...words]);
}

/** Offers values for the first argument of a command. */
function offer(known: RootCommand, command: string, values: readonly string[]): void {
  const [argument] = known.commands.get(command)?.arguments.values() ?? [];
  if (!argument) return;
  argument.handler = (complete) => {
    for (const value of values) complete(value, "");
  };
}

/** The library adds these commands itself. */
function withoutCompletion(program: Command): Command {
  const commands = program.commands as Command[];
  for (const name of ["complete", "completion"]) {
    const at = commands.findIndex((command) => command.name() === name);
    if (at >= 0) commands.splice(at, 1);
  }
  return program;
}

function listPaths(current: string): string[] {
  const folder = current.endsWith("/") ? current : dirname(current);
  const beginning = current.endsWith("/") ? "" : basename(current);
  const prefix = current.includes("/") ? folder : "";
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter(({ name }) => name.startsWith(beginning) && (beginning !== "" || !name.startsWith(".")))
      .map((entry) => join(prefix, entry.name) + (entry.isDirectory() ? "/" : ""));
  } catch {
    return [];
  }
}

/** Number of batches that are offered. */
const offered = 20;

/** Lists the newest batches of the ledger of the settings. Without one, nothing is offered. */
async function listBatchIds(): Promise<string[]> {
  try {
    const { openLocal } = await import("../service/local.ts");
    const service = await openLocal([]);
    try {
      const { batches } = await service.get<{ batches: { id: number }[] }>(`/v1/batches?limit=${offered}`);
      return batches.map(({ id }) => String(id));
    } finally {
      await service.close();
    }
  } catch {
    return [];
  }
}
