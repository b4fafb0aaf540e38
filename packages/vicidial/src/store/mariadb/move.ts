import { addCounts, type LeadResult, type Move, type Moved, noCounts } from "../../leads/move-types.ts";
import type { MoveWork } from "../lead-store.ts";
import { type Plan, statementsFor } from "./plan.ts";
import type { Session } from "./session.ts";
import { type MoverParts, moveSlice, type Run, type Slice } from "./slice.ts";

/**
 * Protocol: the move of leads between `vicidial_list` and `vicidial_list_archive`.
 *
 * The two tables belong to VICIdial, and on MyISAM and Aria they have no transactions. The move therefore keeps a write-ahead
 * journal in the host's own database. Invariant: at every moment each lead is complete in at least one table, or its
 * before-image is in the journal.
 *
 * A move runs in slices of at most `leadsPerLock` leads. An all-or-nothing move is one slice. Each slice takes these steps:
 *
 * 1. Lock the mover. `exclusive-session.ts` runs one move at a time in this process. `session.ts` takes the advisory lock
 *    (GET_LOCK) of the database, so no other process moves leads. Unfinished entries are recovered before the move begins.
 * 2. Store the before-images. `slice.ts` reads the rows without a lock and stores an `open` entry in `vicidial_journal`: the
 *    source rows, the target rows that an update may overwrite, and the ids to insert.
 * 3. Lock the rows. `locks.ts` opens a transaction with `FOR UPDATE` if both tables are InnoDB, else it runs `LOCK TABLES`. It
 *    reads the rows again and checks that the tables were not altered. If a row has changed, the entry is updated.
 * 4. Copy. INSERT adds missing rows to the target by column name; UPDATE (archive only) overwrites differing copies. If a
 *    row does not fit, `write.ts` bisects the slice to find it, and undoes copies that the target has altered.
 * 5. Verified delete. One DELETE joins both tables and compares every copied column, so it removes only rows with an equal copy.
 *    `lead-store.ts` names the two exceptions.
 * 6. Release. COMMIT or UNLOCK TABLES goes in the same message as the delete. Aria beside another engine makes copies durable
 *    only when the lock ends, so there the tables are released and locked again before the delete.
 * 7. Finish. After the last slice the entries are marked `done` in the background. The advisory lock is released after that.
 *
 * On row locks, a slice that loses a deadlock starts again at step 3, up to five times.
 *
 * States of a journal entry (`journal.ts`):
 *
 *      step 2
 *        │
 *        ▼
 *      open ──── step 7, or an error with a known end ────▶ done ──── purged after `journalDays`
 *        │                                                   │
 *        │ crash, or an error while writing                  │ the server was started shortly after the
 *        │ whose end is not known                            │ entry; tables without transactions
 *        ▼                                                   ▼
 *      open, found by the next mover                      doubted
 *        │                                                   │
 *        └──── recoverMoves ────▶ settled ◀──── recoverMoves ┘
 *
 * States of a slice: `reading` until the first write is sent, `writing` until the locks are released, then `written`. An error
 * has a known end if the slice was `reading`, because nothing was moved. It also has one if the connection is alive and a
 * transaction was rolled back. In every other case the entry stays `open`.
 *
 * State after a crash, and its recovery (`recover.ts`):
 *
 * | crash                                    | left behind               | recovery                                     |
 * | ---------------------------------------- | ------------------------- | -------------------------------------------- |
 * | before step 2 is durable                 | nothing                   | nothing                                      |
 * | client in step 2 or 3, InnoDB            | an `open` entry           | nothing                                      |
 * | client in step 2 or 3, other engines     | an `open` entry           | nothing; finishes a move without inserts     |
 * | client in step 4 to 6, InnoDB            | all writes or none        | nothing                                      |
 * | client in step 4, other engines          | some copies               | copies the rest, then deletes                |
 * | client in step 5, other engines          | copies and some deletes   | deletes the rest                             |
 * | client after step 6                      | a complete move           | nothing                                      |
 * | server or power, other engines           | possibly lost writes      | restores lost leads, then deletes            |
 * | server, damaged table                    | a table that lacks rows   | throws `TablesDamaged` until it is repaired  |
 *
 * Every recovered entry becomes `settled`. If a lead of an interrupted all-or-nothing move does not fit, recovery undoes the
 * copies instead of deleting. If the client or its network is gone, the server drops the locks after ten seconds of silence.
 *
 * Any process that uses the same ledger recovers, under the locks of steps 1 and 3: at startup, before each move, before
 * `inspect`, and before `findInSource` reports a lead as missing. Entries are read newest first, and a lead is recovered from
 * its newest entry only, because older images predate later changes. All entries are then settled in one statement.
 * The chunk is repeated by the worker that claims it next. `journaledMoves` lists the leads that earlier attempts may have moved.
 */

/** Thrown when a move ends early. */
export class MoveBroken extends Error {
  /** True if leads may have been moved. */
  readonly written: boolean;

  constructor(written: boolean, cause: unknown) {
    super("A move ended early", { cause });
    this.written = written;
  }
}

/**
 * Runs one move in slices, each under its own lock. The session must hold the advisory lock.
 *
 * @throws MoveBroken
 */
export async function moveLeads(
  parts: MoverParts,
  session: Session,
  plan: Plan,
  move: Move,
  { signal, throttled = false, chunk }: Pick<MoveWork, "signal" | "throttled" | "chunk">,
): Promise<Moved> {
  const counts = noCounts();
  const results: LeadResult[] = [];
  const finished: number[] = [];
  let slice: Slice | undefined;
  try {
    const run: Run = { ...parts, session, plan, statements: statementsFor(plan, move.verb), move, chunk };
    const size = move.allOrNothing ? move.ids.length : parts.leadsPerLock;
    for (let start = 0; start < move.ids.length; start += size) {
      signal?.throwIfAborted();
      slice = { ids: move.ids.slice(start, start + size), state: "reading" };
      const { moved, heldMs } = await moveSlice(run, slice);
      if (slice.entry) finished.push(slice.entry.id);
      slice = undefined;
      addCounts(counts, moved.counts);
      results.push(...moved.results);
      // Throttle: pause for as long as the lock was held, so that other sessions get half of the time.
      if (throttled) await parts.clock.sleep(heldMs, signal);
    }
    await parts.onStep("finished");
    parts.markDone(finished);
    return { counts, results };
  } catch (error) {
    const alive = await session.alive();
    if (!alive) session.close();
    // Without a write, or after a rollback, nothing is left to recover.
    const known = slice?.state === "reading" || (alive && (plan.locking === "rows" || slice?.state !== "writing"));
    if (known && slice?.entry) finished.push(slice.entry.id);
    const journalFlushed = parts.markDone(finished);
    const written = results.length > 0 || slice?.state === "written" || (slice?.state === "writing" && !known);
    // Invariant: after reporting that nothing was moved, recovery must not move it.
    if (!written) await journalFlushed;
    throw new MoveBroken(written, error);
  }
}
