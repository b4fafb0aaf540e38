import { createInterface } from "node:readline/promises";
import { exitStatus } from "../terminal/exit-statuses.ts";
import { CommandFailure } from "../terminal/failure.ts";
import { formatItems } from "../terminal/numbers.ts";
import { isInteractive } from "../terminal/paint.ts";

/** Number of records above which a command asks. */
export const askAbove = 10_000;

/** Asks once before many records are changed. Throws if the answer is not yes, or if there is no person to ask. */
export async function confirmMany(
  { verb, total, resume }: { verb: string; total: number; resume: string },
  signal: AbortSignal,
): Promise<void> {
  if (total <= askAbove) return;
  const unchanged = `the batch is stored and has changed nothing; ${resume} starts it`;
  if (!process.stdin.isTTY || !isInteractive(process.stderr)) {
    const what = `${formatItems(total)} are more than ${formatItems(askAbove)}, and there is no terminal to ask`;
    throw new CommandFailure({ what, why: unchanged, fix: "add --yes", status: exitStatus.wrongUse });
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${verb} ${formatItems(total)}? [y/N] `, { signal }).catch(() => "");
  lines.close();
  if (/^y(es)?$/i.test(answer.trim())) return;
  throw new CommandFailure({ what: "Not started", why: unchanged, status: exitStatus.interrupted });
}
