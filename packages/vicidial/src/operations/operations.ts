import {
  type AnyOperation,
  DeferUntil,
  defineOperation,
  type Outcome,
  ReinstateError,
  toMessage,
  type Work,
} from "@reinstate/batch-core";
import { findUser } from "../leads/actor.ts";
import {
  type Counts,
  type JournaledMoves,
  type LeadResult,
  type Move,
  type Moved,
  noCounts,
  type Verb,
} from "../leads/move.ts";
import { MoveRefused, NoneMoved, TablesDamaged } from "../leads/move-errors.ts";
import { relatedRecordNames } from "../leads/related-records.ts";
import { expectedFate, highestLeadId, keptOnCall, keptUnfit, toOutcome } from "../leads/rules.ts";
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

/** How long to wait until a damaged table is looked at again. */
const repairPauseMs = 10_000;

/** Leads in one chunk, which is also what one call of the API may carry. */
const chunkSize = 500;

/** The names of the column of a table that holds lead ids. */
export const itemColumns = ["lead_id"];

export const operationName = (verb: Verb) => `vicidial.leads.${verb}`;

/** The moves of a store as operations. The counts of the vendor's answer stand in the batch's `tally`. */
export function createOperations(store: LeadStore, office: OfficeClock, now: () => number): AnyOperation[] {
  const common = {
    item: leadId,
    columns: itemColumns,
    key: (id: number) => id,
    chunkSize,
    effects: store.effects,
    // A lead that a first try moved is found in the other table by the second.
    repeatable: true,
  };
  const selection = (verb: Verb) => ({
    filter: leadFilter,
    select: (filter: LeadFilter) => found(store, verb, filter),
  });
  const dearchiveMove = ({ insert_leads, delete_leads }: DearchiveParams): Asked => ({
    verb: "dearchive",
    insert: insert_leads,
    update: false,
    delete: delete_leads,
  });
  const archiveMove = ({ insert_leads, update_leads, delete_leads }: ArchiveParams): Asked => ({
    verb: "archive",
    insert: insert_leads,
    update: update_leads,
    delete: delete_leads,
  });
  return [
    defineOperation<number, DearchiveParams>({
      ...common,
      limits: { allowedFrom: (now) => office.allowedFrom("dearchive", now) },
      name: operationName("dearchive"),
      label: "lead/dearchive",
      params: dearchiveParams,
      selection: selection("dearchive"),
      apply: (work) => applyMove(store, work, dearchiveMove(work.params), now),
      preview: (work) => previewMove(store, work, dearchiveMove(work.params)),
    }),
    defineOperation<number, ArchiveParams>({
      ...common,
      limits: { allowedFrom: (now) => office.allowedFrom("archive", now) },
      name: operationName("archive"),
      label: "lead/archive",
      params: archiveParams,
      selection: selection("archive"),
      apply: (work) => applyMove(store, work, archiveMove(work.params), now),
      preview: (work) => previewMove(store, work, archiveMove(work.params)),
    }),
  ];
}

type Asked = Omit<Move, "ids" | "allOrNothing">;

/** What a filter finds; tables that cannot be worked on are told as the state that they are in. */
async function* found(store: LeadStore, verb: Verb, filter: LeadFilter) {
  try {
    yield* store.select(verb, filter);
  } catch (error) {
    if (MoveRefused.is(error)) throw new ReinstateError("wrong_state", error.message, { cause: error });
    throw error;
  }
}

/** The ids that a table can hold, and an outcome for each that it cannot. */
function possible(items: readonly number[]): { ids: number[]; beyond: Outcome[] } {
  const message = `No lead has an id above ${highestLeadId}`;
  return {
    ids: items.filter((id) => id <= highestLeadId),
    beyond: items
      .filter((id) => id > highestLeadId)
      .map((key) => ({ key, outcome: "failed", code: "missing", message })),
  };
}

/** Those that nobody is on a call with; the others, where the move would take them out of the live table. */
async function free(store: LeadStore, asked: Asked, ids: number[]): Promise<{ free: number[]; busy: number[] }> {
  if (asked.verb !== "archive" || !asked.delete || ids.length === 0) return { free: ids, busy: [] };
  const onCall = await store.onCall(ids);
  return { free: ids.filter((id) => !onCall.has(id)), busy: ids.filter((id) => onCall.has(id)) };
}

async function applyMove(
  store: LeadStore,
  work: Work<number, DearchiveParams | ArchiveParams>,
  asked: Asked,
  now: () => number,
): Promise<Outcome[]> {
  const { ids, beyond } = possible(work.items);
  const { transaction, signal, interrupted } = work;
  const allOrNothing = work.params.all_or_nothing === true;
  if (allOrNothing && beyond.length > 0) return [...notMoved(ids, new NoneMoved([])), ...beyond];
  const chunk = `${work.batchId}.${work.generation}.${work.seq}`;
  try {
    const { free: movable, busy } = await free(store, asked, ids);
    // A call of the API is one chunk, for which a client waits; what has more can let the others go first.
    const moveWork = { transaction, signal, chunk, throttled: work.seq > 0 };
    const move = { ...asked, ids: movable, allOrNothing };
    const {
      counts,
      results: fates,
      refusal,
    } = await (interrupted ? repeatMove(store, move, moveWork) : tryMove(store, move, moveWork));
    if (!refusal) Object.assign(work.tally, counts);
    if (busy.length > 0)
      work.tally.select_count = counts.select_count + (await store.findInSource(asked.verb, busy)).size;
    await attend(store, work, asked.verb, fates);
    const known = new Set(fates.map(({ id }) => id));
    const rest = movable.filter((id) => !known.has(id));
    const kept = refusal ? notMoved(rest, refusal) : [];
    return [...fates.map((result) => toOutcome(asked, result)), ...kept, ...busy.map(keptOnCall), ...beyond];
  } catch (error) {
    const first = work.attempt === 1 && !interrupted;
    // Somebody has to repair it first; until then a batch that is under way waits.
    if (TablesDamaged.is(error) && (error.written || !first))
      throw new DeferUntil(now() + repairPauseMs, error.message, "storage");
    // Nothing was written, so these leads have failed for certain; any other error, or an earlier try, leaves that open.
    if (interrupted || !(MoveRefused.is(error) || TablesDamaged.is(error))) throw error;
    work.log.warn({ batch: work.batchId, chunk: work.seq, error: toMessage(error) }, "move refused");
    const { message } = error;
    return work.items.map((key) => ({ key, outcome: "failed", code: "refused", message }));
  }
}

/** A move, or why an all-or-nothing move was not carried out. */
type Attempted = Moved & { refusal?: NoneMoved };

async function tryMove(store: LeadStore, move: Move, work: MoveWork): Promise<Attempted> {
  try {
    return await store.move(move, work);
  } catch (error) {
    if (NoneMoved.is(error)) return { counts: noCounts(), results: [], refusal: error };
    throw error;
  }
}

/** Moves a chunk again of which an earlier try may have moved leads: these count as moved by it. */
async function repeatMove(store: LeadStore, move: Move, work: MoveWork & { chunk: string }): Promise<Attempted> {
  const earlier: JournaledMoves = (await store.journaledMoves?.(work.chunk)) ?? new Map();
  if (!move.allOrNothing) {
    const { counts, results: fates } = await store.move(move, work);
    return { counts, results: fates.map((result) => mergeJournaledMoves(result, earlier, move, counts)) };
  }
  const states = await store.inspect(move.verb, move.ids);
  const gone = states.filter(({ source }) => !source);
  const before = gone.filter(({ id, target }) => target && earlier.has(id));
  const missing = gone.filter((state) => !before.includes(state)).map(({ id }) => id);
  const ids = states.filter(({ source }) => source).map(({ id }) => id);
  const moved: Attempted =
    missing.length > 0
      ? { counts: noCounts(), results: [], refusal: new NoneMoved(missing) }
      : await tryMove(store, { ...move, ids }, work);
  const results = [...moved.results, ...before.map((state) => expectedFate(move, state))];
  return { ...moved, results: results.map((result) => mergeJournaledMoves(result, earlier, move, moved.counts)) };
}

/** What an earlier try of the chunk had moved already was moved by this chunk, and counts so. */
function mergeJournaledMoves(result: LeadResult, earlier: JournaledMoves, asked: Asked, counts: Counts): LeadResult {
  const before = earlier.get(result.id);
  if (!before || !asked.delete || !result.target) return result;
  const { copied } = before;
  if (result.source && !result.deleted) return result;
  if (copied) counts.insert_count++;
  if (!result.source) {
    counts.select_count++;
    counts.delete_count++;
  }
  return { ...result, source: true, target: !copied, inserted: copied, deleted: true };
}

/** Returns the outcomes of an all-or-nothing move that was not carried out. */
function notMoved(ids: readonly number[], { missing, unfit }: NoneMoved): Outcome[] {
  const gone = new Set(missing);
  const fault = unfit.size > 0 && gone.size === 0 ? "do not fit into the other table" : "do not exist";
  const message = `Nothing was moved: other leads that were to go with it ${fault}`;
  return ids.map((key) => {
    if (gone.has(key))
      return { key, outcome: "failed", code: "missing", message: "The lead is not in the source table" };
    const reason = unfit.get(key);
    return reason === undefined ? { key, outcome: "failed", code: "not_moved", message } : keptUnfit(key, reason);
  });
}

/**
 * Reports, and on request restores, what the archive left behind of the leads that are live now, whoever brought them back;
 * tells the log of VICIdial's administrators. Fails no move.
 */
async function attend(
  store: LeadStore,
  work: Work<number, DearchiveParams | ArchiveParams>,
  verb: Verb,
  results: LeadResult[],
): Promise<void> {
  const attempt = async (what: string, step: () => Promise<void>) => {
    try {
      await step();
    } catch (error) {
      work.log.warn({ batch: work.batchId, error: toMessage(error) }, `${what} of the moved leads failed`);
    }
  };
  const live = results.filter(({ inserted, target }) => inserted || target).map(({ id }) => id);
  if (verb === "dearchive" && live.length > 0) {
    await attempt("the search for what hangs on them", async () => {
      const found = await store.relatedRecords(verb, "target", live);
      for (const companions of found.values()) {
        for (const name of relatedRecordNames) {
          if (companions[name] > 0) work.tally[name] = (work.tally[name] ?? 0) + companions[name];
        }
      }
    });
    if ("restore_callbacks" in work.params && work.params.restore_callbacks) {
      await attempt("the return of the callbacks", async () => {
        const restored = await store.restoreRelatedRecords(live);
        if (restored > 0) work.tally.restored_callbacks = restored;
      });
    }
  }
  const copied = results.filter(({ inserted, updated }) => inserted || updated).length;
  const deleted = results.filter(({ deleted }) => deleted).length;
  if (copied + deleted > 0) {
    await attempt("the line in the log of administrators", async () =>
      store.logMove?.({ ...toAuditEntry(verb, copied, deleted, work.batchId), user: findUser(work.actor) }),
    );
  }
}

/** As VICIdial's own script words it. */
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

async function previewMove(
  store: LeadStore,
  work: Work<number, DearchiveParams | ArchiveParams>,
  asked: Asked,
): Promise<Outcome[]> {
  const { ids, beyond } = possible(work.items);
  const { free: movable, busy } = await free(store, asked, ids);
  const results = (await store.inspect(asked.verb, movable)).map((standing) => expectedFate(asked, standing));
  const missing = results.filter(({ source }) => !source).map(({ id }) => id);
  const unfit = new Map(results.flatMap(({ id, unfit }) => (unfit === undefined ? [] : [[id, unfit] as const])));
  const isRefused = work.params.all_or_nothing === true && missing.length + unfit.size + beyond.length > 0;
  const outcomes = isRefused
    ? notMoved(movable, new NoneMoved(missing, unfit))
    : results.map((result) => toOutcome(asked, result));
  return [...outcomes, ...busy.map(keptOnCall), ...beyond];
}
