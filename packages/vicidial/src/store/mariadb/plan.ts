import type { Connection } from "mysql2/promise";
import { MoveRefused } from "../../leads/move-errors.ts";
import type { Verb } from "../../leads/move-types.ts";
import { archive, live } from "./names.ts";
import { runStatements } from "./query.ts";
import { buildStatements, type Statements } from "./statements.ts";
import {
  findTable,
  findTriggers,
  readKeys,
  readTables,
  refuseTriggers,
  showTables,
  type Table,
  toFingerprint,
  withKey,
} from "./table-shape.ts";

/** How the two tables are locked, and the statements of each verb, built from the column names. */
export interface Plan {
  /** The definition of both tables. A different text means that they have been altered. */
  fingerprint: string;
  /**
   * The locks, on which everything depends that differs between the engines:
   *
   * - `rows`, if both tables are InnoDB: row locks in one transaction (`locks.ts`). A slice that loses a deadlock starts again
   *   (`slice.ts`), and a failed move is rolled back (`move.ts`). After a crash all writes are there or none (`recover.ts`).
   * - `tables`, for every other pair, such as MyISAM or Aria: table locks, and every statement commits by itself (`locks.ts`).
   *   All-or-nothing copies are undone by statements (`slice.ts`). After a crash recovery refuses damaged tables, finishes the
   *   move and restores lost rows (`recover.ts`), also of moves that had finished before the server's start
   *   (`exclusive-session.ts`).
   */
  locking: "rows" | "tables";
  /**
   * True for Aria beside another engine. Aria makes copies durable only when the lock ends, but the other engine deletes at once.
   * So the lock is released before the delete, which verifies the copies itself.
   */
  unlocksBeforeDelete: boolean;
  /** The statements of a verb, or the reason why it is refused. */
  verbs: Record<Verb, Statements | MoveRefused>;
}

/**
 * Returns the statements of a verb.
 *
 * @throws MoveRefused if the plan refuses the verb.
 */
export function statementsFor({ verbs }: Plan, verb: Verb): Statements {
  const statements = verbs[verb];
  if (MoveRefused.is(statements)) throw new MoveRefused(statements.message);
  return statements;
}

/** True if the plan refuses the verb. */
export const isRefused = ({ verbs }: Plan, verb: Verb) => MoveRefused.is(verbs[verb]);

/**
 * Reads the shape of both tables.
 *
 * @throws MoveRefused if leads cannot be moved safely in either direction.
 */
export async function preflight(connection: Connection): Promise<Plan> {
  // Read until two plans agree: an ALTER in between would leave old columns under the new fingerprint.
  for (let before: string | undefined; ; ) {
    const plan = await readPlan(connection);
    if (plan.fingerprint === before) return plan;
    before = plan.fingerprint;
  }
}

async function readPlan(connection: Connection): Promise<Plan> {
  const tables = await readTables(connection);
  const found = [findTable(tables, live), findTable(tables, archive)] as const;
  const fingerprint = toFingerprint(await runStatements(connection, ...showTables));
  const keys = await readKeys(connection);
  const [first, second] = [withKey(found[0], keys), withKey(found[1], keys)];
  const [triggers] = await runStatements(connection, findTriggers);
  refuseTriggers(triggers);
  const engines = new Set([first, second].map(({ engine }) => engine.toLowerCase()));
  return {
    fingerprint,
    locking: engines.size === 1 && engines.has("innodb") ? "rows" : "tables",
    unlocksBeforeDelete: engines.size > 1 && engines.has("aria"),
    verbs: { dearchive: statementsOrRefusal(second, first), archive: statementsOrRefusal(first, second) },
  };
}

function statementsOrRefusal(from: Table, to: Table): Statements | MoveRefused {
  try {
    return buildStatements(from, to);
  } catch (error) {
    if (MoveRefused.is(error)) return error;
    throw error;
  }
}
