import { isTimeout, wasRolledBack } from "../errors/errors.ts";
import type { Database, LedgerTransaction } from "./database.ts";

type Work<Result> = (transaction: LedgerTransaction) => Promise<Result>;

/** A unit of work that waits to run, with the callbacks of its caller. */
interface Waiting {
  work: Work<unknown>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** The dependencies of a group commit. */
export interface GroupCommitParts {
  transaction: Database["transaction"];
  /** Maximum number of open shared transactions. Work that arrives meanwhile shares the next one. */
  maxConcurrent: number;
  /** Runs the works in one transaction. Rejects if one fails, but only after all have ended. */
  runAll(works: readonly Work<unknown>[], transaction: LedgerTransaction): Promise<unknown[]>;
  /** Calls back after concurrent callers had the chance to submit their work. */
  schedule(run: () => void): void;
}

/** Maximum number of works in one transaction. It bounds the wait of each. */
const maxGroupSize = 50;

/**
 * Performance: skips the delay if there is no concurrency. After 4 solo transactions in a row, up to 8 start immediately, and then the
 * next one waits again for work to group with. The limit leaves other tasks of the process their share of the event loop.
 */
const soloStreakThreshold = 4;
const maxImmediateStarts = 8;

/**
 * Creates a group commit: short concurrent works share one transaction, and so one durable commit, which costs more than the writes of
 * a small batch.
 *
 * Protocol: if one unit of work fails, the shared transaction rolls back and every unit is retried in its own transaction. A unit must
 * therefore be repeatable after a rollback. If the result of the commit is lost, nothing is retried and every unit fails.
 */
export function createGroupCommit({
  transaction,
  maxConcurrent,
  runAll,
  schedule,
}: GroupCommitParts): Database["groupCommit"] {
  let waiting: Waiting[] = [];
  let open = 0;
  let isScheduled = false;
  /** Number of consecutive transactions with a single unit of work. */
  let soloStreak = 0;
  /** Number of works that started without a delay since the last scheduled one. */
  let startedImmediately = 0;

  async function runAlone({ work, resolve, reject }: Waiting): Promise<void> {
    await transaction(work).then(resolve, reject);
  }

  async function commitTogether(group: Waiting[]): Promise<void> {
    let committing = false;
    try {
      const results = await transaction(async (shared) => {
        const results = await runAll(
          group.map(({ work }) => work),
          shared,
        );
        committing = true;
        return results;
      });
      for (const [index, { resolve }] of group.entries()) resolve(results[index]);
    } catch (error) {
      // After a timeout, a hanging server would make every retry wait again.
      const isRepeatable = (!committing || wasUndone(error)) && !isTimeout(error);
      if (isRepeatable) await Promise.all(group.map(runAlone));
      else for (const { reject } of group) reject(error);
    }
  }

  function begin(): number {
    const group = waiting.slice(0, maxGroupSize);
    waiting = waiting.slice(maxGroupSize);
    open++;
    const [first] = group;
    const ended = first && group.length === 1 ? runAlone(first) : commitTogether(group);
    void ended.then(() => {
      open--;
      startIfPossible();
    });
    return group.length;
  }

  function startIfPossible(): void {
    if (isScheduled || waiting.length === 0 || open >= maxConcurrent) return;
    if (soloStreak >= soloStreakThreshold && startedImmediately < maxImmediateStarts) {
      startedImmediately++;
      begin();
      return;
    }
    isScheduled = true;
    schedule(() => {
      isScheduled = false;
      startedImmediately = 0;
      soloStreak = begin() === 1 ? soloStreak + 1 : 0;
      startIfPossible();
    });
  }

  return <Result>(work: Work<Result>) =>
    new Promise<Result>((resolve, reject) => {
      waiting.push({ work, resolve: resolve as Waiting["resolve"], reject });
      startIfPossible();
    });
}

/** Reports whether the database rolled back instead of committing. A PostgreSQL ERROR always means that; a FATAL may follow a commit. */
function wasUndone(error: unknown): boolean {
  return wasRolledBack(error) || (error as { severity?: unknown } | undefined)?.severity === "ERROR";
}
