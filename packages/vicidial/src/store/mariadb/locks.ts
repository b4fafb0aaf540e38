import type { Connection } from "mysql2/promise";
import type { RowImage } from "./journal.ts";
import { type Duplicates, readDuplicates, readImages, readReasons } from "./lead-rows.ts";
import type { Plan } from "./plan.ts";
import { noStatement, type Results, runStatements, type Statement, type StatementResult } from "./query.ts";
import type { Statements } from "./statements.ts";
import { findTriggers, refuseTriggers, showTables, toFingerprint } from "./table-shape.ts";

/** How leads lie in the two tables at one moment. */
export interface Snapshot {
  /** The rows of the source, by lead id. */
  images: Map<number, RowImage>;
  /** Of these the leads that the target holds too. */
  duplicates: Duplicates;
  /** By lead id, why the target cannot keep a value. */
  unkept: Map<number, string>;
}

/** Rows under the plan's locks. On row locks the work is one transaction. */
export interface Locked extends Snapshot {
  /** For how many milliseconds the locks had been held when the rows had been read. */
  heldMs: number;
  /** Runs the last statements and releases the locks: on row locks with a commit. */
  commit<const Last extends readonly Statement[]>(...last: Last): Promise<Results<Last>>;
}

/** The tables are not as the plan knows them: a new plan is needed. */
export class TablesAltered extends Error {
  constructor() {
    super("The VICIdial tables were altered while leads were moved");
  }
}

/** Seconds of silence after which the server drops our connection: between two moves, and while we hold locks. */
const silence = { idle: 28_800, locked: 10 };

/** The wait for a lock is not part of the time for which it is held, so the server's clock is read. */
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
  // A row that came into the source in between has no image, so this move leaves it alone.
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
 * Does the work under the plan's locks. If the client falls silent under them, because its machine or the line is gone, the server
 * drops the connection soon: by itself it would keep the locks for hours. If the work throws, or does not commit, a transaction is
 * rolled back. Throws `TablesAltered`, and a `MoveRefused` if there is a trigger.
 */
export async function underLocks<Result>(
  connection: Connection,
  plan: Plan,
  statements: Statements,
  ids: readonly number[],
  work: (locked: Locked) => Promise<Result>,
  lockedSilence = silence.locked,
): Promise<Result> {
  const byTable = plan.locking === "tables";
  const release = (end: string) => [byTable ? "UNLOCK TABLES" : end, dropAfter(silence.idle)];
  let committed = false;
  try {
    // The locking reads take the rows of each table in the order of the ids.
    const lock = (statement: string) => (byTable ? statement : `${statement} FOR UPDATE`);
    const [, , from, images, duplicates, unkept, until, ...tables] = await runStatements(
      connection,
      dropAfter(lockedSilence),
      byTable ? statements.lockTables : "START TRANSACTION",
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
    // A connection that cannot release its locks must not live on with them.
    if (!committed) {
      await runStatements(connection, ...release("ROLLBACK")).catch(() => connection.destroy());
    }
  }
}
