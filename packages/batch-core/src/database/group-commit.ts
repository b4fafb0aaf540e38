import { isTimeout, wasRolledBack } from "../errors/errors.ts";
import type { Database, LedgerTransaction } from "./database.ts";

type Work<Result> = (transaction: LedgerTransaction) => Promise<Result>;

/** A work that waits for its turn, and whoever waits for the work. */
interface Waiting {
  work: Work<unknown>;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

/** How a database takes several works in one transaction. */
export interface GroupCommitParts {
  transaction: Database["transaction"];
  /** How many shared transactions may be open at a time; what is asked for meanwhile shares the next one. */
  maxConcurrent: number;
  /** Carries out the works in the one transaction; rejects when one of them fails, and not before all have come to an end. */
  runAll(works: readonly Work<unknown>[], transaction: LedgerTransaction): Promise<unknown[]>;
  /** Calls back when those who are to ask at this moment have asked. */
  schedule(run: () => void): void;
}

/** No transaction is shared by more, so that none of them waits long. */
const most = 50;

/**
 * Who is alone does not wait for others: after so many works that nobody shared, a few begin at once, and then there is a look
 * again. A few only, so that whoever asks time and again leaves everybody else in the process their turn.
 */
const soloStreakThreshold = 4;
const maxImmediateStarts = 8;

/**
 * Lets short works that are asked for at the same moment share one transaction, and with it the durable commit, which costs
 * more than all that a small batch writes.
 *
 * Who fails must not take the others along: all is undone then, and each is done again in a transaction of its own. So a work
 * has to be such that it can be done again after its transaction was undone. Where the answer of the commit is lost, nobody
 * knows, and all are told so.
 */
export function createGroupCommit({
  transaction,
  maxConcurrent: atOnce,
  runAll: each,
  schedule: soon,
}: GroupCommitParts): Database["groupCommit"] {
  let waiting: Waiting[] = [];
  let open = 0;
  let called = false;
  /** So many times in a row nobody else had asked. */
  let soloStreak = 0;
  /** So many works were begun since without a look whether others ask. */
  let startedImmediately = 0;

  async function alone({ work, resolve, reject }: Waiting): Promise<void> {
    await transaction(work).then(resolve, reject);
  }

  async function commitTogether(group: Waiting[]): Promise<void> {
    let committing = false;
    try {
      const results = await transaction(async (shared) => {
        const results = await each(
          group.map(({ work }) => work),
          shared,
        );
        committing = true;
        return results;
      });
      for (const [index, { resolve }] of group.entries()) resolve(results[index]);
    } catch (error) {
      // A server that fell silent would keep each of them waiting once more.
      const again = (!committing || wasUndone(error)) && !isTimeout(error);
      if (again) await Promise.all(group.map(alone));
      else for (const { reject } of group) reject(error);
    }
  }

  function begin(): number {
    const group = waiting.slice(0, most);
    waiting = waiting.slice(most);
    open++;
    const [first] = group;
    const ended = first && group.length === 1 ? alone(first) : commitTogether(group);
    void ended.then(() => {
      open--;
      call();
    });
    return group.length;
  }

  function call(): void {
    if (called || waiting.length === 0 || open >= atOnce) return;
    if (soloStreak >= soloStreakThreshold && startedImmediately < maxImmediateStarts) {
      startedImmediately++;
      begin();
      return;
    }
    called = true;
    soon(() => {
      called = false;
      startedImmediately = 0;
      soloStreak = begin() === 1 ? soloStreak + 1 : 0;
      call();
    });
  }

  return <Result>(work: Work<Result>) =>
    new Promise<Result>((resolve, reject) => {
      waiting.push({ work, resolve: resolve as Waiting["resolve"], reject });
      call();
    });
}

/** True where the database answered the commit by undoing it. An ERROR of PostgreSQL always does; a FATAL may come too late. */
function wasUndone(error: unknown): boolean {
  return wasRolledBack(error) || (error as { severity?: unknown } | undefined)?.severity === "ERROR";
}
