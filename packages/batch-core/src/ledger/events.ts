import type { Kysely, Selectable } from "kysely";
import type { BatchEvent, EventFacts, EventVerb } from "../batch/event.ts";
import type { Database } from "../database/database.ts";
import type { Ledger } from "./ledger.ts";
import type { LedgerTables } from "./tables.ts";

type Db = Kysely<LedgerTables>;
type EventRow = Selectable<LedgerTables["reinstate_events"]>;

const startVerbs: EventVerb[] = ["retried", "reexamined"];
const endVerbs: EventVerb[] = ["completed", "failed"];

const noFacts: EventFacts = { code: null, items: null, outcome: null, batch: null };

/**
 * Creates the part of the ledger that stores the history of batches.
 *
 * Performance: the creation and the latest end of a batch are read from its own row, so small batches write no event. The end is
 * written before the next event of the batch, because that may overwrite it.
 */
export function createEvents(database: Database): Pick<Ledger, "recordEvent" | "history"> {
  const db = database.tables<LedgerTables>();
  const selectBatch = (on: Db, id: number) =>
    on
      .selectFrom("reinstate_batches")
      .select(["status", "generation", "finished_at", "error", "created_at", "actor"])
      .where("id", "=", id);
  const selectEvents = (on: Db, id: number) => on.selectFrom("reinstate_events").selectAll().where("batch_id", "=", id);

  return {
    async recordEvent(id, { verb, at, actor = null, note = null, generation, facts }, transaction) {
      const on = transaction as Db;
      const batch = await selectBatch(on, id)
        // Serializes the events of a batch.
        .$if(database.dialect === "postgres", (query) => query.forUpdate())
        .executeTakeFirstOrThrow();
      const last = await selectEvents(on, id).orderBy("seq", "desc").limit(1).executeTakeFirst();
      const turn = await selectEvents(on, id)
        .where("verb", "in", [...startVerbs, ...endVerbs])
        .orderBy("seq", "desc")
        .limit(1)
        .executeTakeFirst();
      const end = verb === "created" ? undefined : findUnwrittenEnd(batch, turn);
      const detail = facts === undefined ? null : JSON.stringify(facts);
      const event = { at, verb, actor, note, generation: generation ?? batch.generation, detail };
      const rows = [...(end ? [{ ...end, detail: null }] : []), event];
      await on
        .insertInto("reinstate_events")
        .values(rows.map((row, index) => ({ ...row, batch_id: id, seq: (last?.seq ?? -1) + 1 + index })))
        .execute();
    },

    async history(id) {
      const batch = await selectBatch(db, id).executeTakeFirst();
      if (!batch) return [];
      const rows = await selectEvents(db, id).orderBy("seq").execute();
      const created = { at: batch.created_at, verb: "created" as const, actor: batch.actor, note: null, generation: 0 };
      const events = rows.map(toEvent);
      if (events[0]?.verb !== "created") events.unshift({ ...created, ...noFacts });
      const turn = rows.findLast(({ verb }) => startVerbs.includes(verb) || endVerbs.includes(verb));
      const end = findUnwrittenEnd(batch, turn);
      if (end) events.push({ ...end, ...noFacts });
      return events;
    },
  };
}

/** Returns the end of a batch if only its row holds it. `turn`: the last stored start or end of a run. */
function findUnwrittenEnd(
  {
    status,
    generation,
    finished_at,
    error,
  }: Pick<Selectable<LedgerTables["reinstate_batches"]>, "status" | "generation" | "finished_at" | "error">,
  turn: EventRow | undefined,
): Omit<BatchEvent, keyof EventFacts> | undefined {
  if ((status !== "completed" && status !== "failed") || finished_at === null) return undefined;
  return turn && endVerbs.includes(turn.verb)
    ? undefined
    : { at: finished_at, verb: status, actor: null, note: error, generation };
}

function toEvent({ at, verb, actor, note, generation, detail }: EventRow): BatchEvent {
  const facts = detail === null ? {} : (JSON.parse(detail) as Partial<EventFacts>);
  return { at, verb, actor, note, generation, ...noFacts, ...facts };
}
