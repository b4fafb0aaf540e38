import type { Clock, Log } from "@reinstate/batch-core";
import type { LeadResult, Move, Moved } from "../../leads/move.ts";
import { NoneMoved } from "../../leads/move-errors.ts";
import type { MoveWork } from "../lead-store.ts";
import { type Journal, type RowImage, writeRecord } from "./journal.ts";
import { type Duplicates, findIds, readDuplicates, readIds, readTargetRows } from "./lead-rows.ts";
import { type Locked, type Snapshot, takeSnapshot, underLocks } from "./locks.ts";
import type { Plan } from "./plan.ts";
import { noStatement } from "./query.ts";
import type { Session } from "./session.ts";
import type { Statements } from "./statements.ts";
import {
  type Copies,
  planWrites,
  readUnfit,
  takeBack,
  takeBackAltered,
  type WritePlan,
  writeFitting,
  writesAnything,
} from "./write.ts";

/**
 * `copied` is reached only if a lead did not fit, or if a column has another type in the target; otherwise nothing is reported
 * between the copy and the delete.
 */
export type Step = "journaled" | "locked" | "copied" | "released" | "finished";

export interface MoverParts {
  journal: Journal;
  /** Notes in the journal that moves have come to their end. Resolves when that is on disk, or failed and is in the log. */
  markFinished(entries: readonly number[]): Promise<void>;
  log: Log;
  clock: Clock;
  /** Leads under one lock at most; an all-or-nothing move is always under one. */
  leadsPerLock: number;
  onStep(step: Step): Promise<void>;
  lockedSilence: number | undefined;
}

/** One move on one session. */
export interface Run extends MoverParts, Pick<MoveWork, "chunk"> {
  session: Session;
  plan: Plan;
  statements: Statements;
  move: Move;
}

/** Leads that go under one lock. */
export interface Slice {
  ids: readonly number[];
  /** The entry of the journal, and what it holds. */
  entry?: { id: number; record: string };
  /** `writing` from the first write until the locks are released. */
  state: "reading" | "writing" | "written";
}

/** Tries of one slice that met a deadlock. */
const maxTries = 5;

/** Moves a slice. Journals it before the lock, and again under the lock if its leads have changed in between. */
export async function moveSlice(run: Run, slice: Slice): Promise<{ moved: Moved; heldMs: number }> {
  const { session, plan, statements, clock, onStep, lockedSilence } = run;
  const snapshot = await takeSnapshot(session.connection, statements, slice.ids);
  const planned = planWrites(run.move, snapshot);
  refuseIncomplete(run.move, slice.ids, snapshot, planned);
  await journalSlice(run, slice, snapshot, planned);
  for (let attempt = 1; ; attempt++) {
    try {
      return await underLocks(
        session.connection,
        plan,
        statements,
        slice.ids,
        async (locked) => {
          const lockedAt = clock.now() - locked.heldMs;
          await onStep("locked");
          const writes = planWrites(run.move, locked);
          refuseIncomplete(run.move, slice.ids, locked, writes);
          const overwritten = await journalSlice(run, slice, locked, writes);
          const moved = await writeSlice(run, slice, locked, { writes, overwritten, isLastTry: attempt === maxTries });
          await onStep("released");
          return { moved, heldMs: clock.now() - lockedAt };
        },
        lockedSilence,
      );
    } catch (error) {
      if (session.broken() || attempt === maxTries || plan.locking !== "rows" || !isRaced(error)) throw error;
      slice.state = "reading";
    }
  }
}

/** Throws a `NoneMoved` if an all-or-nothing move cannot move all of its leads. */
function refuseIncomplete(
  { allOrNothing }: Move,
  ids: readonly number[],
  { images }: Snapshot,
  { unkept }: WritePlan,
): void {
  if (!allOrNothing || (images.size === ids.length && unkept.size === 0)) return;
  throw new NoneMoved(
    ids.filter((id) => !images.has(id)),
    unkept,
  );
}

/**
 * The before-images of what a move is about to change must be on disk before anything is written. Returns those of the target's
 * rows that the move overwrites.
 */
async function journalSlice(
  run: Run,
  slice: Slice,
  { images }: Snapshot,
  writes: WritePlan,
): Promise<Map<number, RowImage>> {
  if (!writesAnything(writes)) return new Map();
  const { journal, session, statements, move, chunk } = run;
  const target = await readTargetRows(session.connection, statements, writes.updates);
  const record = writeRecord({
    verb: move.verb,
    deletes: move.delete,
    ...(move.allOrNothing && { allOrNothing: true }),
    columns: statements.columns,
    source: images,
    target,
    copied: writes.inserts,
  });
  if (slice.entry?.record === record) return target;
  if (slice.entry) await journal.update(slice.entry.id, record);
  const id = slice.entry?.id ?? (await journal.open(session.database, record, chunk));
  slice.entry = { id, record };
  await run.onStep("journaled");
  return target;
}

/** What one try of a slice writes. */
interface Writes {
  writes: WritePlan;
  /** The before-images of the target's rows that are overwritten. */
  overwritten: ReadonlyMap<number, RowImage>;
  /** On row locks, the other tries end early if another session has inserted one of the leads. */
  isLastTry: boolean;
}

/** Copies, deletes, reads the leads again under the locks, and releases them. */
async function writeSlice(run: Run, slice: Slice, locked: Locked, { writes, ...work }: Writes): Promise<Moved> {
  const { session, plan, statements, move, log } = run;
  const { inserts, updates, deletes } = writes;
  const found = [...locked.images.keys()];
  const absent = slice.ids.filter((id) => !locked.images.has(id));
  const inTarget = await findIds(session.connection, statements.inTarget, absent);
  const last = [
    ...(plan.copiesFirst ? (["UNLOCK TABLES", statements.lockTables] as const) : ([noStatement, noStatement] as const)),
    [statements.delete, deletes],
    [statements.inSource, found],
    [statements.duplicates, found],
  ] as const;
  const readFault = (error: unknown) =>
    plan.locking === "rows" && !work.isLastTry && isRaced(error) ? undefined : readUnfit(error);
  if (writesAnything(writes)) slice.state = "writing";
  const unfit = new Map(writes.unkept);
  const copyAll = () =>
    locked.commit([statements.insert, inserts], [statements.update, updates], ...last).catch((error: unknown) => {
      if (readFault(error) === undefined) throw error;
    });
  const copySome = async () =>
    [
      ...(await copyFitting(run, slice, { writes, overwritten: work.overwritten, unfit, readFault })),
      ...(await locked.commit(...last)),
    ] as const;
  const results = (statements.alterable.size === 0 && (await copyAll())) || (await copySome());
  slice.state = "written";
  const [inserted, updated, , , deleted, inSource, duplicates] = results;
  const counts = {
    select_count: found.length,
    insert_count: inserted.affected,
    update_count: updated.affected,
    delete_count: deleted.affected,
  };
  if (counts.insert_count > 0) logSubstitutes(log, statements, locked.images);
  const after = { source: readIds(inSource), duplicates: readDuplicates(duplicates) };
  return { counts, results: slice.ids.map((id) => toLeadResult(id, { move, before: locked, after, inTarget, unfit })) };
}

/**
 * Copies the leads that the target holds as they are, and adds the others to `unfit`. Returns the numbers of copied and of
 * overwritten rows. An all-or-nothing move undoes its copies if there are others, and throws a `NoneMoved`.
 */
async function copyFitting(
  { session: { connection }, plan, statements, move, onStep }: Run,
  slice: Slice,
  {
    writes: { inserts, updates },
    overwritten,
    unfit,
    readFault,
  }: {
    writes: WritePlan;
    overwritten: ReadonlyMap<number, RowImage>;
    unfit: Map<number, string>;
    readFault(error: unknown): string | undefined;
  },
): Promise<[inserted: { affected: number }, updated: { affected: number }]> {
  await writeFitting(connection, statements.insert, inserts, unfit, readFault);
  await writeFitting(connection, statements.update, updates, unfit, readFault);
  await onStep("copied");
  const copies: Copies = { inserted: inserts, overwritten, columns: statements.columns };
  for (const [id, reason] of await takeBackAltered(connection, statements, copies)) unfit.set(id, reason);
  if (move.allOrNothing && unfit.size > 0) {
    if (plan.locking === "tables") {
      await takeBack(connection, statements, copies, new Set(slice.ids));
      slice.state = "reading";
    }
    // A transaction is rolled back.
    throw new NoneMoved([], unfit);
  }
  // Without a transaction, a statement that failed has written its first rows, so its own number is too low.
  const countFitting = (ids: readonly number[]) => ({ affected: ids.filter((id) => !unfit.has(id)).length });
  return [countFitting(inserts), countFitting(updates)];
}

/** On row locks: chosen as the victim of a deadlock, or another session inserted the same lead. */
const isRaced = (error: unknown) =>
  ["ER_LOCK_DEADLOCK", "ER_DUP_ENTRY"].includes(String((error as { code?: unknown }).code));

function toLeadResult(
  id: number,
  {
    move,
    before,
    after,
    inTarget,
    unfit,
  }: {
    move: Move;
    before: Snapshot;
    after: { source: ReadonlySet<number>; duplicates: Duplicates };
    inTarget: ReadonlySet<number>;
    unfit: ReadonlyMap<number, string>;
  },
): LeadResult {
  const source = before.images.has(id);
  const duplicate = before.duplicates.has(id);
  const differs = after.duplicates.get(id) ?? [];
  const copied = source && !unfit.has(id);
  return {
    id,
    source,
    target: duplicate || inTarget.has(id),
    inserted: copied && !duplicate && move.insert,
    updated: copied && move.update && (before.duplicates.get(id)?.length ?? 0) > 0 && differs.length === 0,
    deleted: source && !after.source.has(id),
    differs,
    ...(unfit.has(id) && { unfit: unfit.get(id) }),
  };
}

function logSubstitutes(log: Log, { substituted, columns }: Statements, images: ReadonlyMap<number, RowImage>): void {
  for (const name of substituted) {
    const index = columns.indexOf(`\`${name}\``);
    const leads = [...images].filter(([, image]) => image[index] === null).map(([id]) => id);
    if (leads.length > 0) log.warn({ column: name, leads }, "an empty column was filled in: the target needs a value");
  }
}
