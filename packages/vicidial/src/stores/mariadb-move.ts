import type { Clock, Log } from "@reinstate/batch-core";
import { addCounts, type Fate, LeadsMissing, type Move, type Moved, type MoveWork, noCounts } from "../store.ts";
import { type Journal, type RowImage, writeRecord } from "./journal.ts";
import { type Locked, type Snapshot, takeSnapshot, underLocks } from "./mariadb-lock.ts";
import {
  type Duplicates,
  findIds,
  readDuplicates,
  readIds,
  readTargetRows,
  runStatements,
  type Statement,
  type StatementResult,
} from "./mariadb-rows.ts";
import type { Session } from "./mariadb-session.ts";
import type { Statements } from "./mariadb-statements.ts";
import { type Plan, statementsFor } from "./mariadb-tables.ts";
import { planWrites, readUnfit, type WritePlan, writeFitting, writesAnything } from "./mariadb-write.ts";

/** `copied` is reached only if a lead did not fit; otherwise nothing is said between the copy and the delete. */
export type Step = "journaled" | "locked" | "copied" | "released" | "finished";

export interface MoverParts {
  journal: Journal;
  /** Notes in the journal that moves have come to their end. Resolves when that is on disk, or failed and is in the log. */
  ended(entries: readonly number[]): Promise<void>;
  log: Log;
  clock: Clock;
  /** Leads under one lock at most; an all-or-nothing move is always under one. */
  leadsPerLock: number;
  onStep(step: Step): Promise<void>;
  lockedSilence: number | undefined;
}

/** A move ended early. */
export class MoveBroken extends Error {
  /** True if leads may have been moved by then. */
  readonly written: boolean;

  constructor(written: boolean, cause: unknown) {
    super("A move ended early", { cause });
    this.written = written;
  }
}

/** One move on one session. */
interface Run extends MoverParts, Pick<MoveWork, "chunk"> {
  session: Session;
  plan: Plan;
  statements: Statements;
  move: Move;
}

/** Leads that go under one lock. */
interface Slice {
  ids: readonly number[];
  /** The entry of the journal, and what it holds. */
  entry?: { id: number; record: string };
  /** `writing` from the first write until the locks are released. */
  state: "reading" | "writing" | "written";
}

/** Tries of one slice that met a deadlock. */
const maxTries = 5;

/** Carries out one move in slices, each under its own lock. The session must be alone. Throws a `MoveBroken`. */
export async function moveLeads(
  parts: MoverParts,
  session: Session,
  plan: Plan,
  move: Move,
  { signal, throttled = false, chunk }: Pick<MoveWork, "signal" | "throttled" | "chunk">,
): Promise<Moved> {
  const counts = noCounts();
  const fates: Fate[] = [];
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
      fates.push(...moved.fates);
      // Others may go on undisturbed for as long as they had to wait.
      if (throttled) await parts.clock.sleep(heldMs, signal);
    }
    await parts.onStep("finished");
    parts.ended(finished);
    return { counts, fates };
  } catch (error) {
    const alive = await session.alive();
    if (!alive) session.close();
    // The end of the slice is known if no write was sent, or if a transaction was rolled back: nothing is left to recover then.
    const known = slice?.state === "reading" || (alive && (plan.locking === "rows" || slice?.state !== "writing"));
    if (known && slice?.entry) finished.push(slice.entry.id);
    const noted = parts.ended(finished);
    const written = fates.length > 0 || slice?.state === "written" || (slice?.state === "writing" && !known);
    // Invariant: after the answer that nothing was moved, recovery must not move it.
    if (!written) await noted;
    throw new MoveBroken(written, error);
  }
}

/** Moves a slice. Journals it before the lock, and again under the lock if its leads have changed in between. */
async function moveSlice(run: Run, slice: Slice): Promise<{ moved: Moved; heldMs: number }> {
  const { session, plan, statements, clock, onStep, lockedSilence } = run;
  const snapshot = await takeSnapshot(session.connection, statements, slice.ids);
  refuseMissing(run.move, slice.ids, snapshot);
  await journalSlice(run, slice, snapshot, planWrites(run.move, snapshot));
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
          refuseMissing(run.move, slice.ids, locked);
          const writes = planWrites(run.move, locked);
          await journalSlice(run, slice, locked, writes);
          const moved = await writeSlice(run, slice, locked, { writes, bisectAll: attempt === maxTries });
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

function refuseMissing({ allOrNothing }: Move, ids: readonly number[], { images }: Snapshot): void {
  if (!allOrNothing || images.size === ids.length) return;
  throw new LeadsMissing(ids.filter((id) => !images.has(id)));
}

/** The before-images of what a move is about to change must be on disk before anything is written. */
async function journalSlice(run: Run, slice: Slice, { images }: Snapshot, writes: WritePlan): Promise<void> {
  if (!writesAnything(writes)) return;
  const { journal, session, statements, move, chunk } = run;
  const target = await readTargetRows(session.connection, statements, writes.updates);
  const record = writeRecord({
    verb: move.verb,
    deletes: move.delete,
    columns: statements.columns,
    source: images,
    target,
    copied: writes.inserts,
  });
  if (slice.entry?.record === record) return;
  if (slice.entry) await journal.update(slice.entry.id, record);
  const id = slice.entry?.id ?? (await journal.open(session.database, record, chunk));
  slice.entry = { id, record };
  await run.onStep("journaled");
}

/** Copies, deletes and looks again, under the locks, and releases them. */
async function writeSlice(
  run: Run,
  slice: Slice,
  locked: Locked,
  { writes, bisectAll }: { writes: WritePlan; bisectAll: boolean },
): Promise<Moved> {
  const { session, plan, statements, move, log, onStep } = run;
  const { connection } = session;
  const { inserts, updates, deletes } = writes;
  const found = [...locked.images.keys()];
  const inTarget = await findIds(
    connection,
    statements.inTarget,
    slice.ids.filter((id) => !locked.images.has(id)),
  );
  const lockAgain = plan.copiesFirst ? ["UNLOCK TABLES", statements.lockTables] : [];
  const last: Statement[] = [
    ...lockAgain,
    [statements.delete, deletes],
    [statements.inSource, found],
    [statements.duplicates, found],
  ];
  const unfit = new Map(writes.unkept);
  const counts = { ...noCounts(), select_count: found.length };
  if (writesAnything(writes)) slice.state = "writing";
  let results: StatementResult[];
  try {
    const early = statements.altered ? await runStatements(connection, [statements.insert, inserts]) : [];
    const removed = early.length > 0 ? await removeAltered(run, early[0]?.affected ?? 0, inserts, unfit) : 0;
    const copying: Statement[] = early.length > 0 ? [] : [[statements.insert, inserts]];
    const late = await locked.commit(...copying, [statements.update, updates], ...last);
    const [inserted, updated, ...rest] = [...early, ...late];
    counts.insert_count = (inserted?.affected ?? 0) - removed;
    counts.update_count = updated?.affected ?? 0;
    results = rest;
  } catch (error) {
    // On row locks another session may have inserted the lead: then the whole slice is tried again first.
    const isRace = plan.locking === "rows" && !bisectAll && isRaced(error);
    if (isRace || readUnfit(error) === undefined) throw error;
    const fitting = inserts.filter((id) => !unfit.has(id));
    const affected = await writeFitting(connection, statements.insert, fitting, unfit);
    const copies = fitting.filter((id) => !unfit.has(id));
    await removeAltered(run, affected, copies, unfit);
    // Without a transaction, a statement that failed has written its first rows.
    counts.insert_count = (await findIds(connection, statements.inTarget, inserts)).size;
    counts.update_count = await writeFitting(connection, statements.update, updates, unfit);
    await onStep("copied");
    results = await locked.commit(...last);
  }
  slice.state = "written";
  const [deleted, inSource, duplicates] = results.slice(lockAgain.length) as [
    StatementResult,
    StatementResult,
    StatementResult,
  ];
  counts.delete_count = deleted.affected;
  if (counts.insert_count > 0) logSubstitutes(log, statements, locked.images);
  const after = { source: readIds(inSource), duplicates: readDuplicates(duplicates) };
  return { counts, fates: slice.ids.map((id) => fateOf(id, { move, before: locked, after, inTarget, unfit })) };
}

/**
 * Takes back the copies that the target has changed in silence, because a column has another type there: they would be live leads
 * with a wrong value. Adds them to `unfit` and returns their number. `affected`: the rows that were inserted. If these are fewer
 * than the copies on row locks, another session has inserted some of them, and none is removed.
 */
async function removeAltered(
  { session: { connection }, plan, statements }: Run,
  affected: number,
  copies: readonly number[],
  unfit: Map<number, string>,
): Promise<number> {
  if (!statements.altered || copies.length === 0) return 0;
  if (plan.locking === "rows" && affected !== copies.length) return 0;
  const [found] = await runStatements(connection, [statements.altered, copies]);
  const altered = readDuplicates(found as StatementResult);
  if (altered.size === 0) return 0;
  await runStatements(connection, [statements.removeCopies, [...altered.keys()]]);
  for (const [id, columns] of altered) unfit.set(id, `The target would change ${columns.join(", ")}`);
  return altered.size;
}

/** On row locks: chosen as the victim of a deadlock, or another session inserted the same lead. */
const isRaced = (error: unknown) =>
  ["ER_LOCK_DEADLOCK", "ER_DUP_ENTRY"].includes(String((error as { code?: unknown }).code));

function fateOf(
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
): Fate {
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
