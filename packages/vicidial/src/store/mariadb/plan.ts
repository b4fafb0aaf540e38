import type { Connection } from "mysql2/promise";
import type { Verb } from "../../leads/move.ts";
import { MoveRefused } from "../../leads/move-errors.ts";
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

/** How the two tables are locked, and the statements of each verb, all built from the names of the columns. */
export interface Plan {
  /** What was read of the tables; another text means that they have been altered since. */
  fingerprint: string;
  /** Row locks in one transaction where both tables have them; else table locks, each statement committed by itself. */
  locking: "rows" | "tables";
  /**
   * Aria beside another engine: what was copied into it comes with the end of the lock alone, and a delete elsewhere at once. So
   * the lock is let go of before the delete, which looks for itself whether the copies are there.
   */
  copiesFirst: boolean;
  /** The statements of a verb, or why leads cannot be moved that way. */
  verbs: Record<Verb, Statements | MoveRefused>;
}

/** Returns the statements of a verb. Throws a `MoveRefused` if leads cannot be moved that way. */
export function statementsFor({ verbs }: Plan, verb: Verb): Statements {
  const statements = verbs[verb];
  if (MoveRefused.is(statements)) throw new MoveRefused(statements.message);
  return statements;
}

/** True if leads cannot be moved that way between the tables as the plan knows them. */
export const isRefused = ({ verbs }: Plan, verb: Verb) => MoveRefused.is(verbs[verb]);

/** Reads both tables' shape. Throws a `MoveRefused` if leads cannot be moved between them safely in either direction. */
export async function preflight(connection: Connection): Promise<Plan> {
  // An ALTER while the columns are read would leave a plan that knows the old columns under the new shape.
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
    copiesFirst: engines.size > 1 && engines.has("aria"),
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
