import type { Clock, Log } from "@reinstate/batch-core";
import { AllOrNothingRefused } from "../../leads/move-errors.ts";
import type { LeadResult, Move, Moved } from "../../leads/move-types.ts";
import type { MoveWork } from "../lead-store.ts";
import { type Journal, type RowImage, serializeEntry } from "./journal.ts";
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
 * A step of a move, for tests. `copied` is reported only if a lead did not fit, or if a column has another type in the target.
 * In all other cases copy and delete are one message.
 */
export type Step = "journaled" | "locked" | "copied" | "released" | "finished";

export interface MoverParts {
  journal: Journal;
  /** Marks journal entries as done. Resolves when that is durable, or when the failure was logged. */
  markDone(entries: readonly number[]): Promise<void>;
  log: Log;
  clock: Clock;
  /** The maximum number of leads under one lock. An all-or-nothing move always runs under one lock. */
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

/** The leads under one lock. */
export interface Slice {
  ids: readonly number[];
  /** The journal entry and its stored text. */
  entry?: { id: number; record: string };
  /** `writing` from the first write until the locks are released. */
  state: "reading" | "writing" | "written";
}

/** Attempts at a slice that loses deadlocks. */
const maxAttempts = 5;

/** Moves a slice. Stores its before-images before the lock, and again under the lock if its leads have changed. */
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
          const moved = await writeSlice(run, slice, locked, {
            writes,
            overwritten,
            isLastAttempt: attempt === maxAttempts,
          });
          await onStep("released");
          return { moved, heldMs: clock.now() - lockedAt };
        },
        lockedSilence,
      );
    } catch (error) {
      if (session.broken() || attempt === maxAttempts || plan.locking !== "rows" || !isRetryableConflict(error))
        throw error;
      slice.state = "reading";
    }
  }
}

/**
 * Rejects an all-or-nothing move that cannot move all of its leads.
 *
 * @throws AllOrNothingRefused
 */
function refuseIncomplete(
  { allOrNothing }: Move,
  ids: readonly number[],
  { images }: Snapshot,
  { unkept }: WritePlan,
): void {
  if (!allOrNothing || (images.size === ids.length && unkept.size === 0)) return;
  throw new AllOrNothingRefused(
    ids.filter((id) => !images.has(id)),
    unkept,
  );
}

/**
 * Stores the before-images of all rows that the move may delete or overwrite. Write-ahead rule: they must be durable before the
 * first write. Returns the before-images of the target rows that the move overwrites.
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
  const record = serializeEntry({
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
  const id = slice.entry?.id ?? (await journal.open(session.journalNamespace, record, chunk));
  slice.entry = { id, record };
  await run.onStep("journaled");
  return target;
}

/** The writes of one attempt at a slice. */
interface Writes {
  writes: WritePlan;
  /** The before-images of the target rows that are overwritten. */
  overwritten: ReadonlyMap<number, RowImage>;
  /** On row locks, earlier attempts start again if another session has inserted one of the leads. */
  isLastAttempt: boolean;
}

/** Copies, deletes, reads the leads again under the locks, and releases them. */
async function writeSlice(run: Run, slice: Slice, locked: Locked, { writes, ...work }: Writes): Promise<Moved> {
  const { session, plan, statements, move, log } = run;
  const { inserts, updates, deletes } = writes;
  const found = [...locked.images.keys()];
  const absent = slice.ids.filter((id) => !locked.images.has(id));
  const inTarget = await findIds(session.connection, statements.inTarget, absent);
  const last = [
    ...(plan.unlocksBeforeDelete
      ? (["UNLOCK TABLES", statements.lockTables] as const)
      : ([noStatement, noStatement] as const)),
    [statements.delete, deletes],
    [statements.inSource, found],
    [statements.duplicates, found],
  ] as const;
  const readFault = (error: unknown) =>
    plan.locking === "rows" && !work.isLastAttempt && isRetryableConflict(error) ? undefined : readUnfit(error);
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
  if (counts.insert_count > 0) logSubstitutedDefaults(log, statements, locked.images);
  const after = { source: readIds(inSource), duplicates: readDuplicates(duplicates) };
  return { counts, results: slice.ids.map((id) => toLeadResult(id, { move, before: locked, after, inTarget, unfit })) };
}

/**
 * Copies the leads that the target can hold unchanged, and adds all other leads to `unfit`. Returns the numbers of inserted and
 * of overwritten rows.
 *
 * @throws AllOrNothingRefused if an all-or-nothing move has leads that do not fit; its copies are undone.
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
    // On row locks the transaction is rolled back.
    throw new AllOrNothingRefused([], unfit);
  }
  // On non-transactional tables a failed statement keeps its first rows, so its own row count is too low.
  const countFitting = (ids: readonly number[]) => ({ affected: ids.filter((id) => !unfit.has(id)).length });
  return [countFitting(inserts), countFitting(updates)];
}

/** True if the attempt lost a deadlock, or if another session inserted the same lead. */
const isRetryableConflict = (error: unknown) =>
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

function logSubstitutedDefaults(
  log: Log,
  { substituted, columns }: Statements,
  images: ReadonlyMap<number, RowImage>,
): void {
  for (const name of substituted) {
    const index = columns.indexOf(`\`${name}\``);
    const leads = [...images].filter(([, image]) => image[index] === null).map(([id]) => id);
    if (leads.length > 0) {
      log.warn({ column: name, leads }, "NULL replaced by a default because the target column is NOT NULL");
    }
  }
}
