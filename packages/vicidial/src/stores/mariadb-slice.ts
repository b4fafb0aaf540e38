import type { Clock, Log } from "@reinstate/batch-core";
import { type Fate, LeadsMissing, type Move, type Moved, type MoveWork, noCounts } from "../store.ts";
import { type Image, type Journal, packEntry } from "./journal.ts";
import { underLocks } from "./mariadb-lock.ts";
import {
  type Asked,
  askStandings,
  type Given,
  idsOf,
  imagesOf,
  isSame,
  overwritten,
  type Standings,
  say,
  standingsOf,
  type Twins,
  twinsOf,
  withoutSchema,
} from "./mariadb-rows.ts";
import type { Session } from "./mariadb-session.ts";
import type { Statements } from "./mariadb-statements.ts";
import type { Plan } from "./mariadb-tables.ts";

/** `copied` is only where a lead did not fit; else nothing is said between the copy and the delete. */
export type Step = "journaled" | "locked" | "copied" | "released" | "finished";

export interface SliceParts {
  journal: Journal;
  log: Log;
  clock: Clock;
  onStep(step: Step): Promise<void>;
  lockedSilence: number | undefined;
}

/** What a move has come to, slice by slice. */
export interface Trace {
  /** In the journal. */
  entries: number[];
  /** Images that are in the journal, by lead id. */
  kept: { source: Map<number, Image>; target: Map<number, Image> };
  /** Whether anything may have been written to the tables. */
  written: boolean;
}

/** What all slices of a move have in common. */
export interface Common extends Pick<MoveWork, "throttled" | "chunk"> {
  plan: Plan;
  move: Move;
  lockMs: number;
  trace: Trace;
}

/**
 * Tells whom a slice misses under its lock, and answers whom all those that go together miss: where there is anybody, none of
 * them may write.
 */
export type Meet = (absent: readonly number[]) => Promise<readonly number[]>;

/** Tries of one slice that met a deadlock, or whose images were not on disk in time. */
const sliceTries = 5;

const none: Given = { rows: [], affected: 0 };

/** The images of a slice take so long to be kept that its lock is not to be held for it. */
class KeptTooSlowly extends Error {
  readonly kept: Promise<unknown>;

  constructor(kept: Promise<unknown>) {
    super("The images of the leads could not be kept in time");
    this.kept = kept;
  }
}

/** Moves slices on one session, each under a lock of its own. `heldMs`: for how long the last one held its lock. */
export function createSliceMover(
  { journal, log, clock, onStep, lockedSilence }: SliceParts,
  session: Session,
  { plan, move, lockMs, trace, throttled = false, chunk }: Common,
) {
  const { connection } = session;
  const statements = plan.verbs[move.verb];
  const takesAway = move.delete || move.update;
  const { kept, entries } = trace;
  let lockedAt = 0;

  /** The images of what may be taken away, as it is under the lock, must be on disk before anything is written. */
  async function keep(
    images: Map<number, Image>,
    seen: { twins: Twins } | Promise<{ twins: Twins }>,
    attempt: number,
  ): Promise<void> {
    const source = news(images, kept.source);
    const target = move.update
      ? news(await overwritten(connection, statements, staleIn((await seen).twins)), kept.target)
      : new Map<number, Image>();
    if (source.size + target.size === 0) return;
    const { columns } = statements;
    // The server looks for the twins meanwhile.
    const packed = packEntry({ verb: move.verb, deletes: move.delete, columns, source, target });
    const { twins } = await seen;
    const copied = move.insert ? [...source.keys()].filter((id) => !twins.has(id)) : [];
    const keeping = journal.open(session.database, { packed, copied, chunk }).then((id) => {
      entries.push(id);
      for (const [id, image] of source) kept.source.set(id, image);
      for (const [id, image] of target) kept.target.set(id, image);
    });
    if (attempt === sliceTries) await keeping;
    else if (!(await within(clock, lockMs / 2, keeping))) throw new KeptTooSlowly(keeping);
    await onStep("journaled");
  }

  /** Writes row sets that get smaller, until those are found whose values do not fit, with what the server says of them. */
  async function write(statement: string, ids: readonly number[], unfit: Map<number, string>): Promise<number> {
    try {
      const [given] = await say(connection, [statement, ids]);
      return given?.affected ?? 0;
    } catch (error) {
      const message = unfitMessage(error);
      if (message === undefined) throw error;
      if (ids.length === 1) {
        unfit.set(ids[0] as number, message);
        return 0;
      }
      const middle = ids.length >> 1;
      const first = await write(statement, ids.slice(0, middle), unfit);
      return first + (await write(statement, ids.slice(middle), unfit));
    }
  }

  const moveSlice = (ids: readonly number[], meet: Meet, attempt: number): Promise<Moved> =>
    underLocks(
      connection,
      plan,
      statements,
      ids,
      async ({ images, heldMs, checked }) => {
        lockedAt = clock.now() - heldMs;
        await onStep("locked");
        const found = [...images.keys()];
        const absent = ids.filter((id) => !images.has(id));
        const missed = await meet(absent);
        if (missed.length > 0) {
          await checked;
          throw new LeadsMissing(missed);
        }
        if (takesAway) await keep(images, checked, attempt);
        const { twins, finish } = await checked;
        const before: Standings = { source: new Set(found), twins };
        const single = found.filter((id) => !twins.has(id));
        const stale = staleIn(twins);
        const elsewhere = await idsOf(connection, statements.inTarget, absent);
        const inserts = move.insert ? single : [];
        const updates = move.update ? stale : [];
        const copied = move.insert ? found : [...twins.keys()];
        const deletes = move.delete ? copied : [];
        const unfit = new Map<number, string>();
        const counts = noCounts();
        counts.select_count = found.length;
        const letGo = plan.copiesFirst ? ["UNLOCK TABLES", statements.lockTables] : [];
        const last: Asked[] = [...letGo, [statements.delete, deletes]];
        if (inserts.length + updates.length + deletes.length > 0) trace.written = true;
        let given: Given[];
        try {
          given = await finish([statements.insert, inserts], [statements.update, updates], ...last);
          counts.insert_count = given[0]?.affected ?? 0;
          counts.update_count = given[1]?.affected ?? 0;
        } catch (error) {
          if (unfitMessage(error) === undefined) throw error;
          await write(statements.insert, inserts, unfit);
          // A statement that broke off had its first rows written, where a table cannot take them back.
          counts.insert_count = (await idsOf(connection, statements.inTarget, inserts)).size;
          counts.update_count = await write(statements.update, updates, unfit);
          await onStep("copied");
          given = [none, none, ...(await finish(...last))];
        }
        counts.delete_count = given[1 + last.length]?.affected ?? 0;
        // What the server took in may not be what it was given: such rows differ now, and the delete has kept them.
        const kept = new Set(move.update ? [] : stale);
        const expected = deletes.filter((id) => !kept.has(id));
        const asExpected = counts.delete_count === expected.length && counts.update_count === updates.length;
        const after = asExpected
          ? expectedAfter(before, { healed: updates, gone: expected })
          : standingsOf(await say(connection, ...askStandings(statements, found)));
        if (counts.insert_count > 0) tellOfSubstitutes(log, statements, images);
        await onStep("released");
        return {
          counts,
          fates: ids.map((id) => {
            const fate = fateOf(id, move, before, after, elsewhere);
            return unfit.has(id) ? { ...fate, inserted: false, updated: false, unfit: unfit.get(id) } : fate;
          }),
        };
      },
      lockedSilence,
    );

  async function moveSliceAgain(ids: readonly number[], meet: Meet): Promise<Moved> {
    // A disk that is busy may take a second to keep them. Where nobody waits for us, that is before the lock, under which only
    // what has changed since is left to be kept.
    if (throttled && takesAway) {
      const [images, twins] = await say(connection, [statements.images, ids], [statements.twins, ids]);
      await keep(imagesOf(images as Given), { twins: twinsOf(twins as Given) }, sliceTries);
    }
    for (let attempt = 1; ; attempt++) {
      try {
        return await moveSlice(ids, meet, attempt);
      } catch (error) {
        if (session.broken() || attempt === sliceTries) throw error;
        if (error instanceof KeptTooSlowly) await error.kept;
        else if (plan.locking !== "rows" || !isRaced(error)) throw error;
      }
    }
  }

  return { move: moveSliceAgain, heldMs: () => clock.now() - lockedAt };
}

/** What of the images is not kept yet as it is. */
const news = (images: ReadonlyMap<number, Image>, kept: ReadonlyMap<number, Image>) =>
  new Map([...images].filter(([id, image]) => !isSame(image, kept.get(id))));

/** The leads whose two rows differ. */
const staleIn = (twins: Twins) => [...twins].filter(([, differs]) => differs.length > 0).map(([id]) => id);

/** How the leads lie after a move that did all that was asked. */
function expectedAfter(
  { source, twins }: Standings,
  { healed, gone }: { healed: readonly number[]; gone: readonly number[] },
): Standings {
  const after: Standings = { source: new Set(source), twins: new Map(twins) };
  for (const id of healed) after.twins.set(id, []);
  for (const id of gone) {
    after.source.delete(id);
    after.twins.delete(id);
  }
  return after;
}

/** Whether the work is done within so many milliseconds. Throws what the work throws. */
async function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  const done = new AbortController();
  const late = clock.sleep(ms, done.signal).then(() => false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    done.abort();
  }
}

/** On row locks: chosen as the victim of a deadlock, or another session inserted the same lead. All is rolled back. */
const isRaced = (error: unknown) =>
  ["ER_LOCK_DEADLOCK", "ER_DUP_ENTRY"].includes(String((error as { code?: unknown }).code));

/** What the server says of a value that does not fit into the target; undefined for any other error. */
function unfitMessage(error: unknown): string | undefined {
  const { code = "", sqlMessage } = error as { code?: string; sqlMessage?: string };
  const unfit = /TOO_LONG|TRUNCATED|OUT_OF_RANGE|BAD_NULL|WRONG_VALUE|CONSTRAINT_FAILED/.test(code);
  return unfit && sqlMessage !== undefined ? withoutSchema(sqlMessage) : undefined;
}

function fateOf(id: number, move: Move, before: Standings, after: Standings, elsewhere: ReadonlySet<number>): Fate {
  const source = before.source.has(id);
  const twin = before.twins.has(id);
  const differs = after.twins.get(id) ?? [];
  return {
    id,
    source,
    target: twin || elsewhere.has(id),
    inserted: source && !twin && move.insert,
    updated: (before.twins.get(id)?.length ?? 0) > 0 && move.update && differs.length === 0,
    deleted: source && !after.source.has(id),
    differs,
  };
}

function tellOfSubstitutes(log: Log, { substituted, columns }: Statements, images: Map<number, Image>): void {
  for (const name of substituted) {
    const index = columns.indexOf(`\`${name}\``);
    const leads = [...images].filter(([, image]) => image[index] === null).map(([id]) => id);
    if (leads.length > 0) log.warn({ column: name, leads }, "an empty column was filled in: the target needs a value");
  }
}
