import { readFileSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { type AnyOperation, DeferUntil, type Host, type Outcome, type Work } from "@reinstate/batch-core";
import { type CircuitBreaker, createCircuitBreaker } from "@reinstate/batch-core/client";
import { defineReadBackOperation } from "@reinstate/batch-core/upstream";
import * as z from "zod";
import { createVicidialClient, VendorError, type VicidialClient } from "../client.ts";
import type { Verb } from "../leads/move.ts";
import { archiveParams, dearchiveParams, leadId } from "../schemas.ts";
import { itemColumns, operationName } from "./operations.ts";

/** Leads that TForge takes in one call. */
const chunkSize = 500;
/** After the answer "office hours" the same is asked again so much later. */
const officePauseMs = 15 * 60 * 1000;

export interface UpstreamOptions {
  upstreamUrl: string;
  upstreamKey: string;
  /** The path of a CA file, for a server with a certificate of its own. */
  upstreamCa?: string | undefined;
  /** Milliseconds until an answer must be there in full. Default 30,000. */
  timeoutMs?: number | undefined;
}

/** What the vendor can be told beside the leads; all else that our own operations take it would leave undone. */
const dearchiveFlags = dearchiveParams.pick({ insert_leads: true, delete_leads: true });
const archiveFlags = archiveParams.pick({ insert_leads: true, update_leads: true, delete_leads: true });

interface Flags {
  insert_leads: boolean;
  update_leads?: boolean;
  delete_leads: boolean;
}
type Counts = Record<string, number>;
/** Asks the vendor for leads of the target table, by the opposite verb with every flag off, which changes nothing. */
type SelectTarget = (lead_ids: number[], signal: AbortSignal) => Promise<unknown>;
type Call<Params> = (params: Params, lead_ids: number[], signal: AbortSignal) => Promise<Counts>;

/** What the vendor replied: it counts the leads that it took and names those that are not in its source table. */
interface Sent {
  taken: number[];
  counts: Counts;
  absent: number[];
}

/**
 * Defines the moves at a real TForge endpoint. Nothing is read before: the vendor refuses a call with leads that are not
 * in its source table, and names them. A second call of the same leads does nothing, because the first has moved them.
 */
export function createUpstreamOperations(host: Host, options: UpstreamOptions): AnyOperation[] {
  const now = () => host.clock.now();
  const { leads } = upstreamClient(options, createCircuitBreaker("VICIdial", now));
  const operation = <Params extends Flags>(
    verb: Verb,
    params: z.ZodType<Params>,
    call: Call<Params>,
    selectTarget: SelectTarget,
  ): AnyOperation =>
    defineReadBackOperation<number, Params, Sent>(host, {
      name: operationName(verb),
      label: `lead/${verb}`,
      item: leadId,
      columns: itemColumns,
      params,
      chunkSize,
      send: (ids, work) => send(ids, work, call, now),
      readBack: async (_, { taken, counts, absent }, work, earlier) => [
        ...(await toTakenOutcomes(work, call, taken, counts)),
        ...(await toAbsentOutcomes(work, absent, earlier, selectTarget)),
      ],
    });
  return [
    operation(
      "dearchive",
      dearchiveFlags,
      async (flags, lead_ids, signal) => {
        const { message: _, ...counts } = await leads.dearchive({ ...flags, lead_ids }, { signal });
        return counts;
      },
      (lead_ids, signal) =>
        leads.archive({ insert_leads: false, update_leads: false, delete_leads: false, lead_ids }, { signal }),
    ),
    operation(
      "archive",
      archiveFlags,
      async (flags, lead_ids, signal) => {
        const { message: _, ...counts } = await leads.archive({ ...flags, lead_ids }, { signal });
        return counts;
      },
      (lead_ids, signal) => leads.dearchive({ insert_leads: false, delete_leads: false, lead_ids }, { signal }),
    ),
  ];
}

/** Creates the client of the real endpoint. Throws if the CA file cannot be read. */
export function upstreamClient(
  { upstreamUrl, upstreamKey, upstreamCa, timeoutMs }: UpstreamOptions,
  breaker?: CircuitBreaker,
): VicidialClient {
  const fetch =
    upstreamCa === undefined || !upstreamUrl.startsWith("https:")
      ? undefined
      : fetchWith(readFileSync(upstreamCa, "utf8"));
  return createVicidialClient({
    baseUrl: upstreamUrl,
    apiKey: upstreamKey,
    ...(fetch && { fetch }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(breaker && { breaker }),
  });
}

const listed = z.array(z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]));

/** A list of leads that do not exist, in any of the dialects; some servers quote the numbers. */
const missingBody = z.object({
  message: z.string().optional(),
  error: z.string().optional(),
  lead_ids: listed.optional(),
  values: listed.optional(),
});

/** Sends the leads, and again without those that are absent from the source table. */
async function send<Params extends Flags>(
  ids: readonly number[],
  { params, signal, tally }: Work<number, Params>,
  call: Call<Params>,
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
  selectTarget: SelectTarget,
): Promise<Outcome[]> {
  const missing = (key: number): Outcome => {
    return { key, outcome: "failed", code: "missing", message: "The lead does not exist in the source table" };
  };
  const inDoubt = params.delete_leads ? absent.filter((id) => earlier.includes(id)) : [];
  if (inDoubt.length === 0) return absent.map(missing);
  const nowhere = await selectTarget(inDoubt, signal).then(
    () => new Set<number>(),
    (error: unknown) => {
      if (!isRejected(error)) throw error;
      const unknown = readMissing(error, inDoubt);
      return unknown.size === 0 ? error : unknown;
    },
  );
  return absent.map((key) => {
    if (!inDoubt.includes(key)) return missing(key);
    if (nowhere instanceof Error) {
      const message = `The lead is not in the source table, and the vendor does not say whether it is in the target: ${nowhere.message}`;
      return { key, outcome: "unknown", code: "not_in_source", message };
    }
    const message = "The lead is in the target table and no longer in the source table";
    return nowhere.has(key) ? missing(key) : { key, outcome: "skipped", code: "already_there", message };
  });
}

const done = (key: number): Outcome => ({ key, outcome: "done" });

/** Returns the outcomes of leads that the vendor took; it counts them and names none. */
async function toTakenOutcomes<Params extends Flags>(
  { params, signal }: Work<number, Params>,
  call: Call<Params>,
  ids: number[],
  counts: Counts,
): Promise<Outcome[]> {
  if (!params.delete_leads) return ids.map(toCopiedOutcome(params, ids.length, counts));
  if (ids.length === 0 || counts.delete_count === ids.length) return ids.map(done);
  // Those that it kept still exist in the source, and a call that asks for nothing tells which do not.
  const message = "The vendor kept the lead in the source table: its copies differ, or the target has none";
  const nothing = {
    insert_leads: false,
    ...("update_leads" in params && { update_leads: false }),
    delete_leads: false,
  };
  const gone = await call({ ...params, ...nothing }, ids, signal).then(
    () => new Set<number>(),
    (error: unknown) => {
      const missing = isRejected(error) ? readMissing(error, ids) : new Set<number>();
      // A look that failed tells nothing.
      if (missing.size === 0) throw error;
      return missing;
    },
  );
  return ids.map((key) => (gone.has(key) ? done(key) : { key, outcome: "failed", code: "kept", message }));
}

/** Returns the outcome of each lead that was to stay in the source: all were copied, none was, or it cannot be known which. */
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
  const message = `The vendor copied ${changed} of ${leads} leads and does not tell which; the target had the others`;
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

/** `fetch` that trusts the certificates of one CA file, and no other. */
function fetchWith(ca: string): (input: string, init: RequestInit) => Promise<Response> {
  const agent = new Agent({ ca, keepAlive: true });
  return (input, init) =>
    new Promise((resolve, reject) => {
      const { method = "GET", headers, body, signal } = init;
      const options = { method, agent, headers: Object.fromEntries(new Headers(headers)), signal: signal ?? undefined };
      const request = httpsRequest(input, options as object, (response) => {
        const { statusCode = 500 } = response;
        // A status from 432 to 449 is one of the vendor's own.
        const given = new Response(Readable.toWeb(response) as unknown as ReadableStream, {
          status: statusCode,
          headers: Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]),
        });
        resolve(given);
      });
      request.on("error", reject);
      request.end(body as string | undefined);
    });
}
