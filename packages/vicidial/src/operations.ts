import { type AnyOperation, defineOperation, messageOf, NotNow, type Outcome, type Work } from "@reinstate/batch-core";
import type { OfficeClock } from "./office-clock.ts";
import { expectedFate, highestLeadId, keptOnCall, outcomeOf } from "./rules.ts";
import { type ArchiveParams, archiveParams, type DearchiveParams, dearchiveParams, leadId } from "./schemas.ts";
import {
  companionNames,
  type Fate,
  type LeadStore,
  type Move,
  MoveRefused,
  TablesDamaged,
  type Verb,
} from "./store.ts";

/** How long to wait until a damaged table is looked at again. */
const repairPauseMs = 10_000;

/** Leads in one chunk, which is also what one call of the API may carry. */
const chunkSize = 500;

export const operationName = (verb: Verb) => `vicidial.leads.${verb}`;

/** The moves of a store as operations. The counts of the vendor's answer stand in the batch's `tally`. */
export function createOperations(store: LeadStore, office: OfficeClock, now: () => number): AnyOperation[] {
  const common = {
    item: leadId,
    key: (id: number) => id,
    chunkSize,
    effects: store.effects,
    // A lead that a first try moved is found in the other table by the second.
    repeatable: true,
  };
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
      pace: { allowedFrom: (now) => office.allowedFrom("dearchive", now) },
      name: operationName("dearchive"),
      label: "lead/dearchive",
      params: dearchiveParams,
      apply: (work) => applyMove(store, work, dearchiveMove(work.params), now),
      preview: (work) => previewMove(store, work, dearchiveMove(work.params)),
    }),
    defineOperation<number, ArchiveParams>({
      ...common,
      pace: { allowedFrom: (now) => office.allowedFrom("archive", now) },
      name: operationName("archive"),
      label: "lead/archive",
      params: archiveParams,
      apply: (work) => applyMove(store, work, archiveMove(work.params), now),
      preview: (work) => previewMove(store, work, archiveMove(work.params)),
    }),
  ];
}

type Asked = Omit<Move, "ids">;

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
  work: Work<number, unknown>,
  asked: Asked,
  now: () => number,
): Promise<Outcome[]> {
  const { ids, beyond } = possible(work.items);
  try {
    const { transaction, signal } = work;
    // A call of the API is one chunk, for which somebody waits; what has more can let the others go first.
    const { free: movable, busy } = await free(store, asked, ids);
    const move = { ...asked, ids: movable };
    const { counts, fates } = await store.move(move, { transaction, signal, throttled: work.seq > 0 });
    Object.assign(work.tally, counts);
    if (busy.length > 0) work.tally.select_count = counts.select_count + (await store.existing(asked.verb, busy)).size;
    await attend(store, work, asked.verb, fates);
    return [...fates.map((fate) => outcomeOf(asked, fate)), ...busy.map(keptOnCall), ...beyond];
  } catch (error) {
    const first = work.attempt === 1;
    // Somebody has to repair it first; until then a batch that is under way waits.
    if (TablesDamaged.is(error) && (error.written || !first)) throw new NotNow(now() + repairPauseMs, error.message);
    // Nothing was written, so these leads have failed for certain; any other error, or an earlier try, leaves that open.
    if (!first || !(MoveRefused.is(error) || TablesDamaged.is(error))) throw error;
    const { message } = error;
    return work.items.map((key) => ({ key, outcome: "failed", code: "refused", message }));
  }
}

/** Reports, and on request restores, what was left behind; tells the log of VICIdial's administrators. Fails no move. */
async function attend(store: LeadStore, work: Work<number, unknown>, verb: Verb, fates: Fate[]): Promise<void> {
  const moved = fates.filter(({ deleted }) => deleted).map(({ id }) => id);
  const copied = fates.filter(({ inserted }) => inserted).length;
  try {
    if (verb === "dearchive" && moved.length > 0) {
      const found = await store.companions(verb, "target", moved);
      for (const companions of found.values()) {
        for (const name of companionNames) {
          if (companions[name] > 0) work.tally[name] = (work.tally[name] ?? 0) + companions[name];
        }
      }
      if ((work.params as DearchiveParams).restore_companions && (work.tally.archived_callbacks ?? 0) > 0) {
        work.tally.restored_callbacks = await store.restoreCompanions(moved);
      }
    }
    if (copied + moved.length > 0) await store.site?.noteMove(...noteOf(verb, copied, moved.length, work.batchId));
  } catch (error) {
    work.log.warn(
      { batch: work.batchId, error: messageOf(error) },
      "what hangs on the moved leads could not be looked at",
    );
  }
}

/** As VICIdial's own script words it. */
const noteOf = (verb: Verb, copied: number, deleted: number, batchId: number): [code: string, notes: string] =>
  verb === "archive"
    ? [
        "CAMPAIGN LEAD ARCHIVING",
        `${copied} vicidial_list leads archived|${deleted} vicidial_list leads deleted|batch ${batchId}|`,
      ]
    : [
        "CAMPAIGN LEAD DE-ARCHIVING",
        `${copied} vicidial_list_archive leads de-archived|${deleted} vicidial_list_archive leads deleted|batch ${batchId}|`,
      ];

async function previewMove(store: LeadStore, work: Work<number, unknown>, asked: Asked): Promise<Outcome[]> {
  const { ids, beyond } = possible(work.items);
  const { free: movable, busy } = await free(store, asked, ids);
  const standings = await store.look(asked.verb, movable);
  const outcomes = standings.map((standing) => outcomeOf(asked, expectedFate(asked, standing)));
  return [...outcomes, ...busy.map(keptOnCall), ...beyond];
}
