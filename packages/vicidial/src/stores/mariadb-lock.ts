import type { Connection } from "mysql2/promise";
import type { Image } from "./journal.ts";
import { type Given, imagesOf, say, type Twins, twinsOf } from "./mariadb-rows.ts";
import type { Statements } from "./mariadb-statements.ts";
import { findTriggers, fingerprintOf, type Plan, refuseTriggers, showTables } from "./mariadb-tables.ts";

/** Rows under the plan's locks. On row locks the work is one transaction. */
export interface Locked {
  /** The rows of the source, by lead id, as nobody else can change them now. */
  images: Map<number, Image>;
  /** For how many milliseconds the locks had been held when the images were told. */
  heldMs: number;
  /**
   * Comes while the work is at the images: which of them have a twin, and the way to write, once the tables are known to be as
   * the plan says. Throws `TablesAltered`, and a `MoveRefused` where there is a trigger.
   */
  checked: Promise<{ twins: Twins; finish: Finish }>;
}

/** Says the last statements and lets go: on row locks with a commit. */
export type Finish = (...last: Parameters<typeof say>[1][]) => Promise<Given[]>;

/** The tables are not as the plan knows them: a new plan is needed. */
export class TablesAltered extends Error {
  constructor() {
    super("The VICIdial tables were altered while leads were moved");
  }
}

/** Seconds of silence after which the server hangs up on us: between two moves, and while we hold locks. */
const silence = { idle: 28_800, locked: 10 };

/** How long the locks were waited for is not what they were held for, so it is the server that is asked. */
const serverTime = "SELECT UNIX_TIMESTAMP(SYSDATE(6)) * 1000";
const timeOf = ({ rows }: Given) => Number(rows[0]?.[0]);

const hangUpAfter = (seconds: number) => `SET SESSION wait_timeout = ${seconds}`;

/**
 * Does the work under the plan's locks. Who falls silent under them, be it that his machine or the line is gone, loses them
 * soon: by itself the server would keep them for hours. Where it throws, or does not finish, a transaction is rolled back.
 */
export async function underLocks<Result>(
  connection: Connection,
  plan: Plan,
  statements: Statements,
  ids: readonly number[],
  work: (locked: Locked) => Promise<Result>,
  lockedSilence = silence.locked,
): Promise<Result> {
  const { fingerprint } = plan;
  const byTable = plan.locking === "tables";
  const letGo = [byTable ? "UNLOCK TABLES" : "COMMIT", hangUpAfter(silence.idle)];
  let finished = false;
  try {
    // The locking reads take the rows of each table in the order of the ids.
    const locking = (statement: string) => (byTable ? statement : `${statement} FOR UPDATE`);
    const [, , from, rows, until] = (await say(
      connection,
      hangUpAfter(lockedSilence),
      byTable ? statements.lockTables : "START TRANSACTION",
      serverTime,
      [locking(statements.images), ids],
      serverTime,
    )) as [Given, Given, Given, Given, Given];
    const images = imagesOf(rows);
    const looking = say(connection, [locking(statements.twins), ids], ...showTables, findTriggers);
    const checked = looking.then((seen) => {
      const [twins, live, archive, triggers] = seen as [Given, Given, Given, Given];
      if (fingerprintOf([live, archive]) !== fingerprint) throw new TablesAltered();
      refuseTriggers(triggers);
      const finish: Finish = async (...last) => {
        const results = await say(connection, ...last, ...letGo);
        finished = true;
        return results;
      };
      // A row that came into the source since then has no image, so this move leaves it alone.
      return { twins: new Map([...twinsOf(twins)].filter(([id]) => images.has(id))), finish };
    });
    // Work that fails before it asks has an error of its own.
    checked.catch(() => {});
    return await work({ images, heldMs: Math.max(0, timeOf(until) - timeOf(from)), checked });
  } finally {
    // A connection that cannot let go must not live on with its locks.
    if (!finished) {
      await say(connection, byTable ? "UNLOCK TABLES" : "ROLLBACK", hangUpAfter(silence.idle)).catch(() =>
        connection.destroy(),
      );
    }
  }
}
