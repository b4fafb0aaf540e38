import type { Connection } from "mysql2/promise";
import type { RowImage } from "./journal.ts";
import { type Duplicates, readDuplicates, readImages, readReasons } from "./lead-rows.ts";
import type { Plan } from "./plan.ts";
import { noStatement, type Results, runStatements, type Statement, type StatementResult } from "./query.ts";
import type { Statements } from "./statements.ts";
import { findTriggers, refuseTriggers, showTables, toFingerprint } from "./table-shape.ts";

/** The leads in both tables at one moment. */
export interface Snapshot {
  /** Source rows by lead id. */
  images: Map<number, RowImage>;
  /** Leads that the target holds too. */
  duplicates: Duplicates;
  /** By lead id: why the target cannot hold a value. */
  unkept: Map<number, string>;
}

/** Rows locked against concurrent changes. On row locks the work is one transaction. */
export interface Locked extends Snapshot {
  /** Milliseconds for which the locks had been held when the rows had been read. */
  heldMs: number;
  /** Runs the last statements and releases the locks. On row locks this commits. */
  commit<const Last extends readonly Statement[]>(...last: Last): Promise<Results<Last>>;
}

/** Thrown if the tables no longer match the plan; a new plan is needed. */
export class TablesAltered extends Error {
  constructor() {
    super("The VICIdial tables were altered while leads were moved");
  }
}

/** Seconds of silence after which the server drops the connection: between two moves, and while locks are held. */
const dropAfterSeconds = { idle: 28_800, locked: 10 };

/** Measures how long a lock is held, without the wait for it, by the server's clock. */
const serverTime = "SELECT UNIX_TIMESTAMP(SYSDATE(6)) * 1000";
const readTime = ({ rows }: StatementResult) => Number(rows[0]?.[0]);

const dropAfter = (seconds: number) => `SET SESSION wait_timeout = ${seconds}`;

const snapshotStatements = (
  { images, duplicates, unkept }: Statements,
  ids: readonly number[],
  lock = (statement: string) => statement,
): [Statement, Statement, Statement] => [
  [lock(images), ids],
  [lock(duplicates), ids],
  unkept === undefined ? noStatement : [unkept, ids],
];

function readSnapshot([images, duplicates, unkept]: readonly [
  StatementResult,
  StatementResult,
  StatementResult,
]): Snapshot {
  const rows = readImages(images);
  // Rows inserted after the first statement have no before-image, so this move excludes them.
  const known = <Value>(found: Map<number, Value>) => new Map([...found].filter(([id]) => rows.has(id)));
  return {
    images: rows,
    duplicates: known(readDuplicates(duplicates)),
    unkept: known(readReasons(unkept)),
  };
}

/** Reads the leads without a lock. */
export async function takeSnapshot(
  connection: Connection,
  statements: Statements,
  ids: readonly number[],
): Promise<Snapshot> {
  return readSnapshot(await runStatements(connection, ...snapshotStatements(statements, ids)));
}

/**
 * Runs `work` while holding the locks of the plan. `wait_timeout` is lowered meanwhile, so that the server drops the locks of a
 * dead or unreachable client after seconds instead of hours. If `work` throws or does not commit, a transaction is rolled back.
 *
 * @throws TablesAltered if the tables no longer match the plan.
 * @throws MoveRefused if a table has a trigger.
 */
export async function underLocks<Result>(
  connection: Connection,
  plan: Plan,
  statements: Statements,
  ids: readonly number[],
  work: (locked: Locked) => Promise<Result>,
  lockedSilence = dropAfterSeconds.locked,
): Promise<Result> {
  const isTransactional = plan.locking === "rows";
  const release = (end: string) => [isTransactional ? end : "UNLOCK TABLES", dropAfter(dropAfterSeconds.idle)];
  let committed = false;
  try {
    // The locking reads lock the rows of each table in the order of the ids, which avoids deadlocks between movers.
    const lock = (statement: string) => (isTransactional ? `${statement} FOR UPDATE` : statement);
    const [, , from, images, duplicates, unkept, until, ...tables] = await runStatements(
      connection,
      dropAfter(lockedSilence),
      isTransactional ? "START TRANSACTION" : statements.lockTables,
      serverTime,
      ...snapshotStatements(statements, ids, lock),
      serverTime,
      ...showTables,
      findTriggers,
    );
    const [live, archive, triggers] = tables;
    if (toFingerprint([live, archive]) !== plan.fingerprint) throw new TablesAltered();
    refuseTriggers(triggers);
    return await work({
      ...readSnapshot([images, duplicates, unkept]),
      heldMs: Math.max(0, readTime(until) - readTime(from)),
      async commit<const Last extends readonly Statement[]>(...last: Last) {
        const returned = await runStatements(connection, ...last, ...release("COMMIT"));
        committed = true;
        return returned.slice(0, last.length) as Results<Last>;
      },
    });
  } finally {
    // A connection that cannot release its locks must not keep them.
    if (!committed) {
      await runStatements(connection, ...release("ROLLBACK")).catch(() => connection.destroy());
    }
  }
}
