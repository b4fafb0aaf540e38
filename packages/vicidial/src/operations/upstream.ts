import {
  type AnyOperation,
  DeferUntil,
  type Host,
  type Opposite,
  type Outcome,
  type Work,
} from "@reinstate/batch-core";
import { createCircuitBreaker } from "@reinstate/batch-core/client";
import { defineReadBackOperation } from "@reinstate/batch-core/upstream";
import * as z from "zod";
import { VendorError, type VicidialClient } from "../client.ts";
import type { Verb } from "../leads/move-types.ts";
import { archiveParams, dearchiveParams, leadId } from "../schemas.ts";
import { archiveOpposite, dearchiveOpposite } from "./opposites.ts";
import { createUpstreamClient, type UpstreamOptions } from "./upstream-client.ts";
import { itemColumns, operationName, roles, usualParams } from "./verbs.ts";

/** The maximum number of leads in one call to TForge. */
const chunkSize = 500;
/** Delay before a retry after the answer "office hours". */
const officePauseMs = 15 * 60 * 1000;

/** The params that the vendor has. Other params of our own operations are rejected. */
const dearchiveFlags = dearchiveParams.pick({ insert_leads: true, delete_leads: true });
const archiveFlags = archiveParams.pick({ insert_leads: true, update_leads: true, delete_leads: true });

interface Flags {
  insert_leads: boolean;
  update_leads?: boolean;
  delete_leads: boolean;
}
type Counts = Record<string, number>;
type Call = (flags: Flags, lead_ids: number[], signal: AbortSignal) => Promise<Counts>;

/** A call with these flags changes nothing. It refuses leads that are not in its source table, and lists them. */
const noFlags = { insert_leads: false, update_leads: false, delete_leads: false };

/** The replies of the vendor: counts of the accepted leads, and the leads that are not in its source table. */
interface Sent {
  taken: number[];
  counts: Counts;
  absent: number[];
}

/**
 * Defines the moves at a real TForge endpoint, for the target `upstream`. After a crash, `reconcile` of the core
 * (`upstream/read-back.ts`) sends and reads back again, with the earlier calls of the chunk.
 *
 * 1. `send`: no read comes first, because the vendor refuses a call with leads that are not in its source table, and lists them.
 *    These are set aside, and the others are sent again. A repeated call with `delete_leads` does nothing, because the first has
 *    moved the leads.
 * 2. Read back, `toTakenOutcomes`: the counts of the accepted call give the outcomes if they show that all leads were moved. If
 *    the vendor kept some, a call with every flag off lists the leads that are gone from the source.
 * 3. Read back, `toAbsentOutcomes`: leads that were set aside are missing. If an earlier call for them was interrupted, it may have
 *    moved them, and the target is looked up by the opposite verb with every flag off.
 *
 * A dry run makes only the two lookups: which leads are in the source, and which of these are in the target.
 */
export function createUpstreamOperations(host: Host, options: UpstreamOptions): AnyOperation[] {
  const now = () => host.clock.now();
  const calls = createCalls(createUpstreamClient(options, createCircuitBreaker("VICIdial", now)));
  const define = <Params extends Flags>(verb: Verb, params: z.ZodType<Params>, opposite: Opposite<Params>) => {
    const call = calls[verb];
    const callOpposite = calls[verb === "dearchive" ? "archive" : "dearchive"];
    return defineReadBackOperation<number, Params, Sent>(host, {
      name: operationName(verb),
      label: `lead/${verb}`,
      role: roles[verb],
      usualParams: usualParams[verb],
      item: leadId,
      columns: itemColumns,
      params,
      opposite,
      chunkSize,
      send: (ids, work) => send(ids, work, call, now),
      readBack: async (_, { taken, counts, absent }, work, earlier) => [
        ...(await toTakenOutcomes(work, call, taken, counts)),
        ...(await toAbsentOutcomes(work, absent, earlier, callOpposite)),
      ],
      async preview(work) {
        const reads = { ...work, params: noFlags, tally: {} };
        const { taken, absent } = await send(work.items, reads, call, now);
        const inBoth = new Set((await send(taken, reads, callOpposite, now)).taken);
        return [...absent.map(toMissing), ...taken.map((id) => predictOutcome(work.params, id, inBoth.has(id)))];
      },
    });
  };
  return [define("dearchive", dearchiveFlags, dearchiveOpposite), define("archive", archiveFlags, archiveOpposite)];
}

/** Returns the call of each verb, whose result is the counts of the reply. */
function createCalls({ leads }: VicidialClient): Record<Verb, Call> {
  return {
    async dearchive({ insert_leads, delete_leads }, lead_ids, signal) {
      const { message: _, ...counts } = await leads.dearchive({ insert_leads, delete_leads, lead_ids }, { signal });
      return counts;
    },
    async archive({ insert_leads, update_leads = false, delete_leads }, lead_ids, signal) {
      const request = { insert_leads, update_leads, delete_leads, lead_ids };
      const { message: _, ...counts } = await leads.archive(request, { signal });
      return counts;
    },
  };
}

const listed = z.array(z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]));

/** The body that lists missing leads, in any dialect. Some servers quote the numbers. */
const missingBody = z.object({
  message: z.string().optional(),
  error: z.string().optional(),
  lead_ids: listed.optional(),
  values: listed.optional(),
});

/** Sends the leads, and repeats the call without leads that are not in the source table. */
async function send<Params extends Flags>(
  ids: readonly number[],
  { params, signal, tally }: Work<number, Params>,
  call: Call,
  now: () => number,
): Promise<Sent> {
  const absent: number[] = [];
  let taken = [...ids];
  while (taken.length > 0) {
    try {
      const counts = await call(params, taken, signal);
      for (const [name, count] of Object.entries(counts)) tally[name] = (tally[name] ?? 0) + count;
      return { taken, counts, absent };
    } catch (error) {
      if (!isRejected(error)) throw error;
      if (error.status === 403 || error.status === 441) {
        throw new DeferUntil(now() + (error.retryAfterMs ?? officePauseMs), error.message, "office_hours");
      }
      const missing = readMissing(error, taken);
      if (missing.size === 0) throw new VendorError("rejected", error.message, { ...error, code: "rejected" });
      absent.push(...missing);
      taken = taken.filter((id) => !missing.has(id));
    }
  }
  return { taken, counts: {}, absent };
}

/** Returns the outcomes of leads that are not in the source table. An `earlier` call, whose answer was lost, may have moved them. */
async function toAbsentOutcomes<Params extends Flags>(
  { params, signal }: Work<number, Params>,
  absent: number[],
  earlier: readonly number[],
  callOpposite: Call,
): Promise<Outcome[]> {
  const inDoubt = params.delete_leads ? absent.filter((id) => earlier.includes(id)) : [];
  if (inDoubt.length === 0) return absent.map(toMissing);
  const { inNeither, refusal } = await callOpposite(noFlags, inDoubt, signal).then(
    () => ({ inNeither: new Set<number>(), refusal: undefined }),
    (error: unknown) => {
      if (!isRejected(error)) throw error;
      const inNeither = readMissing(error, inDoubt);
      return { inNeither, refusal: inNeither.size === 0 ? error.message : undefined };
    },
  );
  return absent.map((key) => {
    if (!inDoubt.includes(key) || inNeither.has(key)) return toMissing(key);
    if (refusal !== undefined) {
      const message = `The lead is not in the source table, and the vendor does not say whether it is in the target: ${refusal}`;
      return { key, outcome: "unknown", code: "not_in_source", message };
    }
    const message = "The lead is in the target table and no longer in the source table";
    return { key, outcome: "skipped", code: "already_there", message };
  });
}

const done = (key: number): Outcome => ({ key, outcome: "done" });

const toMissing = (key: number): Outcome => {
  return { key, outcome: "failed", code: "missing", message: "The lead does not exist in the source table" };
};

/** Predicts the outcome of a lead in the source table. No call reads whether the copies of a lead in both tables are equal. */
function predictOutcome(
  { insert_leads, update_leads = false, delete_leads }: Flags,
  key: number,
  isInBoth: boolean,
): Outcome {
  if (!insert_leads && !update_leads && !delete_leads) return { key, outcome: "skipped", code: "nothing_asked" };
  if (isInBoth ? update_leads : insert_leads) return done(key);
  if (!delete_leads) return { key, outcome: "skipped", code: insert_leads ? "already_there" : "nothing_changed" };
  if (!isInBoth)
    return { key, outcome: "failed", code: "kept", message: "The target has no copy, and none is asked for" };
  const message = "The lead is in both tables; the vendor deletes it only if its copies are equal";
  return { key, outcome: "unknown", code: "in_both", message };
}

/** Returns the outcomes of accepted leads. The vendor counts them without listing any, so afterwards the counts are read back. */
async function toTakenOutcomes<Params extends Flags>(
  { params, signal }: Work<number, Params>,
  call: Call,
  ids: number[],
  counts: Counts,
): Promise<Outcome[]> {
  if (!params.delete_leads) return ids.map(toCopiedOutcome(params, ids.length, counts));
  if (ids.length === 0 || counts.delete_count === ids.length) return ids.map(done);
  // Leads that the vendor kept still exist in the source. A call with every flag off lists the others as missing.
  const message = "The vendor kept the lead in the source table: its copies differ, or the target has none";
  const gone = await call(noFlags, ids, signal).then(
    () => new Set<number>(),
    (error: unknown) => {
      const missing = isRejected(error) ? readMissing(error, ids) : new Set<number>();
      // A failed lookup proves nothing.
      if (missing.size === 0) throw error;
      return missing;
    },
  );
  return ids.map((key) => (gone.has(key) ? done(key) : { key, outcome: "failed", code: "kept", message }));
}

/** Returns the outcome of leads that stay in the source: all copied, none copied, or unknown if some were copied. */
function toCopiedOutcome(params: Flags, leads: number, counts: Counts): (key: number) => Outcome {
  const { insert_leads, update_leads = false } = params;
  if (!insert_leads && !update_leads) return (key) => ({ key, outcome: "skipped", code: "nothing_asked" });
  const { insert_count = 0, update_count = 0 } = counts;
  const changed = insert_count + update_count;
  if (changed === leads) return done;
  if (changed === 0) {
    const message = "The vendor copied nothing: the target has the leads already, or none to update";
    return (key) => ({ key, outcome: "skipped", code: insert_leads ? "already_there" : "nothing_changed", message });
  }
  const message = `The vendor copied ${changed} of ${leads} leads and does not report which; the target had the others`;
  return (key) => ({ key, outcome: "unknown", code: "some_copied", message });
}

function isRejected(error: unknown): error is VendorError {
  return VendorError.is(error) && error.kind === "rejected";
}

function readMissing(error: VendorError, ids: number[]): Set<number> {
  const body = missingBody.safeParse(error.body);
  if (!body.success || !/does not exist$/.test(body.data.message ?? body.data.error ?? "")) return new Set();
  const missing = body.data.lead_ids ?? body.data.values ?? [];
  return new Set(missing.filter((id) => ids.includes(id)));
}
