import {
  type AnyOperation,
  DeferUntil,
  defineOperation,
  type Opposite,
  type Outcome,
  ReinstateError,
  toMessage,
  type Work,
} from "@reinstate/batch-core";
import type * as z from "zod";
import { findUser } from "../leads/actor.ts";
import { AllOrNothingRefused, MoveRefused, TablesDamaged } from "../leads/move-errors.ts";
import {
  type Counts,
  type JournaledMoves,
  type LeadResult,
  type Move,
  type Moved,
  noCounts,
  type Verb,
} from "../leads/move-types.ts";
import { relatedRecordNames } from "../leads/related-records.ts";
import { highestLeadId, predictResult, toOnCallOutcome, toOutcome, toUnfitOutcome } from "../leads/rules.ts";
import type { OfficeClock } from "../office-hours/office-clock.ts";
import {
  type ArchiveParams,
  archiveParams,
  type DearchiveParams,
  dearchiveParams,
  type LeadFilter,
  leadFilter,
  leadId,
} from "../schemas.ts";
import type { LeadStore, MoveWork } from "../store/lead-store.ts";
import { archiveOpposite, dearchiveOpposite } from "./opposites.ts";
import { itemColumns, operationName, roles, usualParams } from "./verbs.ts";

/** Milliseconds until a batch tries a damaged table again. */
const repairPauseMs = 10_000;

/** Leads in one chunk, which is also the maximum of one API call, so that a call moves under one lock. */
const chunkSize = 500;

/** Defines the operations `dearchive` and `archive` on a store. The counts of the vendor's answer go to the batch's `tally`. */
export function createOperations(store: LeadStore, office: OfficeClock, now: () => number): AnyOperation[] {
  const define = <Params extends MoveParams>(verb: Verb, params: z.ZodType<Params>, opposite: Opposite<Params>) =>
    defineOperation<number, Params>({
      item: leadId,
      columns: itemColumns,
      key: (id) => id,
      chunkSize,
      effects: store.effects,
      // A second attempt finds the leads of the first in the other table.
      repeatable: true,
      limits: {
        allowedFrom: (now) => office.allowedFrom(verb, now),
        hours: (now) => office.hours(verb, now),
      },
      name: operationName(verb),
      label: `lead/${verb}`,
      role: roles[verb],
      usualParams: usualParams[verb],
      params,
      opposite,
      selection: {
        filter: leadFilter,
        select: (filter: LeadFilter) => selectLeads(store, verb, filter),
      },
      apply: (work) => applyMove(store, work, toRequested(verb, work.params), now),
      preview: (work) => previewMove(store, work, toRequested(verb, work.params)),
    });
  return [define("dearchive", dearchiveParams, dearchiveOpposite), define("archive", archiveParams, archiveOpposite)];
}

type MoveParams = DearchiveParams | ArchiveParams;

type Requested = Omit<Move, "ids" | "allOrNothing">;

const toRequested = (verb: Verb, params: MoveParams): Requested => ({
  verb,
  insert: params.insert_leads,
  update: "update_leads" in params && params.update_leads,
  delete: params.delete_leads,
});

/** Yields the leads that match a filter. Refused tables become the error `wrong_state`. */
async function* selectLeads(store: LeadStore, verb: Verb, filter: LeadFilter) {
  try {
    yield* store.select(verb, filter);
  } catch (error) {
    if (MoveRefused.is(error)) throw new ReinstateError("wrong_state", error.message, { cause: error });
    throw error;
  }
}

/** Splits off ids that no table can hold, with a `missing` outcome each. */
function splitByIdRange(items: readonly number[]): { ids: number[]; outOfRange: Outcome[] } {
  const message = `No lead has an id above ${highestLeadId}`;
  return {
    ids: items.filter((id) => id <= highestLeadId),
    outOfRange: items
      .filter((id) => id > highestLeadId)
      .map((key) => ({ key, outcome: "failed", code: "missing", message })),
  };
}

/** Splits off leads on a running call, if the move would remove them from the live table. */
async function splitOffLeadsOnCall(
  store: LeadStore,
  requested: Requested,
  ids: number[],
): Promise<{ movable: number[]; busy: number[] }> {
  if (requested.verb !== "archive" || !requested.delete || ids.length === 0) return { movable: ids, busy: [] };
  const onCall = await store.onCall(ids);
  return { movable: ids.filter((id) => !onCall.has(id)), busy: ids.filter((id) => onCall.has(id)) };
}

async function applyMove(
  store: LeadStore,
  work: Work<number, MoveParams>,
  requested: Requested,
  now: () => number,
): Promise<Outcome[]> {
  const { ids, outOfRange } = splitByIdRange(work.items);
  const { transaction, signal, interrupted } = work;
  const allOrNothing = work.params.all_or_nothing === true;
  if (allOrNothing && outOfRange.length > 0) return [...notMoved(ids, new AllOrNothingRefused([])), ...outOfRange];
  const { generation, seq } = work.origin ?? work;
  const chunk = `${work.batchId}.${generation}.${seq}`;
  try {
    const { movable, busy } = await splitOffLeadsOnCall(store, requested, ids);
    // An API call is always one chunk, and its client waits. Later chunks of larger batches are throttled.
    const moveWork = { transaction, signal, chunk, throttled: work.seq > 0 };
    const move = { ...requested, ids: movable, allOrNothing };
    const { counts, results, refusal } = await (interrupted
      ? repeatMove(store, move, moveWork)
      : tryMove(store, move, moveWork));
    if (!refusal) Object.assign(work.tally, counts);
    if (busy.length > 0)
      work.tally.select_count = counts.select_count + (await store.findInSource(requested.verb, busy)).size;
    await runPostMoveTasks(store, work, requested.verb, results);
    const known = new Set(results.map(({ id }) => id));
    const rest = movable.filter((id) => !known.has(id));
    const unmoved = refusal ? notMoved(rest, refusal) : [];
    return [
      ...results.map((result) => toOutcome(requested, result)),
      ...unmoved,
      ...busy.map(toOnCallOutcome),
      ...outOfRange,
    ];
  } catch (error) {
    const isFirstAttempt = work.attempt === 1 && !interrupted;
    // An operator has to repair the table first. A batch that has begun waits until then.
    if (TablesDamaged.is(error) && (error.written || !isFirstAttempt))
      throw new DeferUntil(now() + repairPauseMs, error.message, "storage");
    // Nothing was written, so these leads have failed. Any other error, or an interrupted attempt, leaves the outcome open.
    if (interrupted || !(MoveRefused.is(error) || TablesDamaged.is(error))) throw error;
    work.log.warn({ batch: work.batchId, chunk: work.seq, error: toMessage(error) }, "move refused");
    const { message } = error;
    return work.items.map((key) => ({ key, outcome: "failed", code: "refused", message }));
  }
}

/** The result of a move, or the reason why an all-or-nothing move did nothing. */
type Attempted = Moved & { refusal?: AllOrNothingRefused };

async function tryMove(store: LeadStore, move: Move, work: MoveWork): Promise<Attempted> {
  try {
    return await store.move(move, work);
  } catch (error) {
    if (AllOrNothingRefused.is(error)) return { counts: noCounts(), results: [], refusal: error };
    throw error;
  }
}

/** Repeats a chunk. Leads that an earlier attempt has moved count as moved. */
async function repeatMove(store: LeadStore, move: Move, work: MoveWork & { chunk: string }): Promise<Attempted> {
  const earlier: JournaledMoves = (await store.journaledMoves?.(work.chunk)) ?? new Map();
  if (!move.allOrNothing) {
    const { counts, results } = await store.move(move, work);
    return { counts, results: results.map((result) => mergeJournaledMoves(result, earlier, move, counts)) };
  }
  const states = await store.inspect(move.verb, move.ids);
  const gone = states.filter(({ source }) => !source);
  const before = gone.filter(({ id, target }) => target && earlier.has(id));
  const missing = gone.filter((state) => !before.includes(state)).map(({ id }) => id);
  const ids = states.filter(({ source }) => source).map(({ id }) => id);
  const moved: Attempted =
    missing.length > 0
      ? { counts: noCounts(), results: [], refusal: new AllOrNothingRefused(missing) }
      : await tryMove(store, { ...move, ids }, work);
  const results = [...moved.results, ...before.map((state) => predictResult(move, state))];
  return { ...moved, results: results.map((result) => mergeJournaledMoves(result, earlier, move, moved.counts)) };
}

/** Counts a lead that an earlier attempt at the chunk has moved as moved by the chunk. */
function mergeJournaledMoves(
  result: LeadResult,
  earlier: JournaledMoves,
  requested: Requested,
  counts: Counts,
): LeadResult {
  const before = earlier.get(result.id);
  if (!before || !requested.delete || !result.target) return result;
  if (result.source && !result.deleted) return result;
  if (before.copied) counts.insert_count++;
  if (!result.source) {
    counts.select_count++;
    counts.delete_count++;
  }
  return { ...result, source: true, target: !before.copied, inserted: before.copied, deleted: true };
}

/** Returns the outcomes of an all-or-nothing move that did nothing. */
function notMoved(ids: readonly number[], { missing, unfit }: AllOrNothingRefused): Outcome[] {
  const gone = new Set(missing);
  const fault = unfit.size > 0 && gone.size === 0 ? "do not fit into the other table" : "do not exist";
  const message = `Nothing was moved: other leads of the same request ${fault}`;
  return ids.map((key) => {
    if (gone.has(key))
      return { key, outcome: "failed", code: "missing", message: "The lead is not in the source table" };
    const reason = unfit.get(key);
    return reason === undefined ? { key, outcome: "failed", code: "not_moved", message } : toUnfitOutcome(key, reason);
  });
}

/**
 * Runs the tasks after a move: counts the related records of leads that are live now, restores callbacks if requested, and adds a
 * row to `vicidial_admin_log`. A failed task is logged and does not fail the move.
 */
async function runPostMoveTasks(
  store: LeadStore,
  work: Work<number, MoveParams>,
  verb: Verb,
  results: LeadResult[],
): Promise<void> {
  const attempt = async (failure: string, step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      work.log.warn({ batch: work.batchId, error: toMessage(error) }, failure);
    }
  };
  const live = results.filter(({ inserted, target }) => inserted || target).map(({ id }) => id);
  if (verb === "dearchive" && live.length > 0) {
    await attempt("failed to count the related records of moved leads", async () => {
      const found = await store.relatedRecords(verb, "target", live);
      for (const records of found.values()) {
        for (const name of relatedRecordNames) {
          if (records[name] > 0) work.tally[name] = (work.tally[name] ?? 0) + records[name];
        }
      }
    });
    if ("restore_callbacks" in work.params && work.params.restore_callbacks) {
      await attempt("failed to restore the callbacks of moved leads", async () => {
        const restored = await store.restoreCallbacks(live);
        if (restored > 0) work.tally.restored_callbacks = restored;
      });
    }
  }
  const copied = results.filter(({ inserted, updated }) => inserted || updated).length;
  const deleted = results.filter(({ deleted }) => deleted).length;
  if (copied + deleted > 0) {
    await attempt("failed to write the admin log", async () =>
      store.logMove?.({ ...toAuditEntry(verb, copied, deleted, work.batchId), user: findUser(work.actor) }),
    );
  }
}

/** Returns the admin log entry of a move, in the words of VICIdial's own script. */
const toAuditEntry = (verb: Verb, copied: number, deleted: number, batchId: number) =>
  verb === "archive"
    ? {
        code: "CAMPAIGN LEAD ARCHIVING",
        notes: `${copied} vicidial_list leads archived|${deleted} vicidial_list leads deleted|batch ${batchId}|`,
      }
    : {
        code: "CAMPAIGN LEAD DE-ARCHIVING",
        notes: `${copied} vicidial_list_archive leads de-archived|${deleted} vicidial_list_archive leads deleted|batch ${batchId}|`,
      };

async function previewMove(store: LeadStore, work: Work<number, MoveParams>, requested: Requested): Promise<Outcome[]> {
  const { ids, outOfRange } = splitByIdRange(work.items);
  const { movable, busy } = await splitOffLeadsOnCall(store, requested, ids);
  const results = (await store.inspect(requested.verb, movable)).map((state) => predictResult(requested, state));
  const missing = results.filter(({ source }) => !source).map(({ id }) => id);
  const unfit = new Map(results.flatMap(({ id, unfit }) => (unfit === undefined ? [] : [[id, unfit] as const])));
  const isPrevented = work.params.all_or_nothing === true && missing.length + unfit.size + outOfRange.length > 0;
  const outcomes = isPrevented
    ? notMoved(movable, new AllOrNothingRefused(missing, unfit))
    : results.map((result) => toOutcome(requested, result));
  return [...outcomes, ...busy.map(toOnCallOutcome), ...outOfRange];
}
