import { VendorError } from "../client/vendor-error.ts";
import { DeferUntil } from "../errors/errors.ts";
import type { Host } from "../host.ts";
import { createIntents, type Intent } from "../ledger/intents.ts";
import { defineOperation, type ItemKey, type Operation, type Outcome, type Work } from "../operation/operation.ts";
import { followJob, type VendorJobs } from "./vendor-job.ts";

type Inherited =
  | "name"
  | "label"
  | "role"
  | "usualParams"
  | "columns"
  | "item"
  | "params"
  | "chunkSize"
  | "limits"
  | "opposite";

/** The states of items at the vendor. An item in neither set does not exist there. */
export interface ItemStates<Id> {
  /** Items to be changed. */
  before: ReadonlySet<Id>;
  /** Items already in the target state. */
  after: ReadonlySet<Id>;
}

/** A verb of a vendor that changes many items by one call, without the outcome of each in its reply. */
export interface ReadBackOperation<Id extends ItemKey, Params, Job> extends Pick<Operation<Id, Params>, Inherited> {
  /** Returns the reason why the account cannot be served; its items fail as `wrong_account`. Default: all accounts are served. */
  refuseAccount?(account: string): string | undefined;
  /** Reads the states of items. Without it, every item is sent. */
  look?(ids: readonly Id[], work: Work<Id, Params>): Promise<ItemStates<Id>>;
  /** The code of items that need no change. Needs `look`. */
  unchanged?: string;
  /** The failure of an item that does not exist. Needs `look`. */
  missing?(id: Id): { code: string; message: string };
  /** Predicts the outcome of each item by reads alone. Default: by `look`. Without both, there is no dry run. */
  preview?(work: Work<Id, Params>): Promise<Outcome[]>;
  /** Makes the call once. It must not repeat it, because the outcomes are read back before any repeat. */
  send(ids: readonly Id[], work: Work<Id, Params>): Promise<Job>;
  /** The jobs of a vendor that replies before the work is done. */
  jobs?: VendorJobs<Id, Params, Job>;
  /** Reads the outcome of each item that was sent. `earlier`: items that an earlier call without a reply may have changed. */
  readBack(ids: readonly Id[], job: Job, work: Work<Id, Params>, earlier: readonly Id[]): Promise<Outcome[]>;
}

/**
 * Defines an operation at the vendor whose outcomes are read back, never guessed. A chunk goes through these steps: look, store
 * the intent, send, follow the vendor's job, read back. After a crash or a lost reply, the job is followed and the vendor is
 * read before anything is sent again.
 *
 * @example
 * const restore = defineReadBackOperation<number, unknown, { id: number }>(host, {
 *   name: "zendesk.tickets.restore", label: "ticket/restore", item: z.int(), params: z.strictObject({}), chunkSize: 100,
 *   unchanged: "not_deleted",
 *   missing: (id) => ({ code: "not_found", message: `Ticket ${id} not found` }),
 *   look: async (ids) => ({ before: await readDeleted(ids), after: await readLive(ids) }),
 *   send: (ids, { signal }) => client.tickets.restoreMany(ids, { signal }),
 *   async readBack(ids) {
 *     const live = await readLive(ids);
 *     return ids.map((key) => live.has(key) ? { key, outcome: "done" } : { key, outcome: "failed", code: "not_changed", message: "…" });
 *   },
 * });
 */
export function defineReadBackOperation<Id extends ItemKey, Params, Job>(
  { database, clock }: Pick<Host, "database" | "clock">,
  definition: ReadBackOperation<Id, Params, Job>,
): Operation<Id, Params> {
  const intents = createIntents<Id>(database);
  const { look, preview, jobs, send, readBack, refuseAccount, unchanged, missing, ...inherited } = definition;

  /** Returns the ids to send, and the outcomes of the others. `earlier`: what an earlier call may have changed. */
  async function survey(
    work: Work<Id, Params>,
    earlier: readonly Id[],
  ): Promise<{ wanted: readonly Id[]; outcomes: Outcome[] }> {
    if (!look) return { wanted: work.items, outcomes: [] };
    let states: ItemStates<Id>;
    try {
      states = await look(work.items, work);
    } catch (error) {
      if (isRejected(error)) return { wanted: [], outcomes: work.items.map(toRejected(error, earlier)) };
      if (!VendorError.is(error) || error.kind === "circuit_open") throw error;
      // Only reads so far, so the failed call had no effect.
      throw new VendorError("unavailable", error.message, { retryAfterMs: error.retryAfterMs, cause: error });
    }
    const wanted = work.items.filter((id) => states.before.has(id));
    const others = work.items.filter((id) => !states.before.has(id));
    const outcomes = others.map((key): Outcome => {
      if (!states.after.has(key)) return { key, outcome: "failed", ...(missing?.(key) ?? notFound(key)) };
      // Before the earlier call it was not in the target state, so that call has changed it.
      if (earlier.includes(key)) return { key, outcome: "done" };
      return { key, outcome: "skipped", code: unchanged ?? "unchanged" };
    });
    return { wanted, outcomes };
  }

  async function carryOut(work: Work<Id, Params>, earlier: readonly Id[]): Promise<Outcome[]> {
    const { wanted, outcomes } = await survey(work, earlier);
    if (wanted.length === 0) return outcomes;
    await intents.intend(work, { keys: [...new Set([...earlier, ...wanted])] });
    work.signal.throwIfAborted();
    let job: Job;
    try {
      job = await send(wanted, work);
    } catch (error) {
      // Without a look, a refusal says nothing of the earlier call.
      if (isRejected(error)) return [...outcomes, ...wanted.map(toRejected(error, look ? [] : earlier))];
      // A worker that took the chunk over has stored its own intents.
      if (didNothing(error) && !work.signal.aborted) await intents.narrow(work, { keys: earlier });
      throw error;
    }
    try {
      // A worker that took the chunk over stores its own jobs.
      work.signal.throwIfAborted();
      if (jobs) {
        await intents.confirm(work, String(jobs.id(job)));
        job = await followJob(jobs, job, work, clock);
      }
      return [...outcomes, ...(await readBack(wanted, job, work, earlier))];
    } catch (error) {
      // From here on the call may have had its effect, whatever the error says.
      const retryAfterMs = VendorError.is(error) ? error.retryAfterMs : undefined;
      const message = "The call was made, and what it changed could not be read back";
      throw new VendorError("unknown_outcome", message, { cause: error, retryAfterMs });
    }
  }

  /** Waits for the jobs that an earlier attempt may have started, so that the states read afterwards are final. */
  async function followEarlier({ keys, reference }: Intent<Id>, work: Work<Id, Params>): Promise<void> {
    if (!jobs || keys.length === 0) return;
    const ids = reference === null ? await jobs.findUnfinished(keys, work) : [reference];
    for (const id of ids) {
      try {
        await followJob(jobs, await jobs.read(id, work), work, clock);
      } catch (error) {
        // A job that the vendor no longer lists has ended.
        if (!isRejected(error)) throw error;
      }
    }
  }

  async function apply(work: Work<Id, Params>, findIntent = false): Promise<Outcome[]> {
    const intent = findIntent ? await intents.find(work) : undefined;
    const earlier = intent?.keys ?? [];
    const refusal = refuseAccount?.(work.account);
    if (refusal !== undefined) return work.items.map(toFailed("wrong_account", refusal, earlier));
    if (intent) await followEarlier(intent, work);
    return carryOut(work, earlier);
  }

  return defineOperation<Id, Params>({
    ...inherited,
    target: "upstream",
    key: (id) => id,
    effects: "elsewhere",
    repeatable: false,
    apply: (work) => apply(work),
    reconcile: (work) => apply(work, true),
    ...((preview || look) && {
      async preview(work) {
        const refusal = refuseAccount?.(work.account);
        if (refusal !== undefined) return work.items.map(toFailed("wrong_account", refusal));
        if (preview) return predict(work, preview);
        const { wanted, outcomes } = await survey(work, []);
        return [...outcomes, ...wanted.map((key): Outcome => ({ key, outcome: "done" }))];
      },
    }),
  });
}

/** Predicts outcomes. A call that the vendor rejects fails its items. */
async function predict<Id extends ItemKey, Params>(
  work: Work<Id, Params>,
  preview: (work: Work<Id, Params>) => Promise<Outcome[]>,
): Promise<Outcome[]> {
  try {
    return await preview(work);
  } catch (error) {
    if (isRejected(error)) return work.items.map(toRejected(error));
    throw error;
  }
}

/** Reports whether the vendor rejected the whole call, so that a repeat would not help. */
function isRejected(error: unknown): error is VendorError {
  return VendorError.is(error) && error.kind === "rejected";
}

function didNothing(error: unknown): boolean {
  return DeferUntil.is(error) || (VendorError.is(error) && error.retryable);
}

/** `inDoubt`: the items that an earlier call may have changed. */
const toFailed =
  (code: string, message: string, inDoubt: readonly ItemKey[] = []) =>
  (key: ItemKey): Outcome => ({ key, outcome: inDoubt.includes(key) ? "unknown" : "failed", code, message });

function toRejected(
  { code, status, message }: VendorError,
  inDoubt: readonly ItemKey[] = [],
): (key: ItemKey) => Outcome {
  return toFailed(String(code ?? status), message, inDoubt);
}

const notFound = (key: ItemKey) => ({ code: "not_found", message: `${key} does not exist at the vendor` });
