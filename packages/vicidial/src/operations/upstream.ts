import { readFileSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import {
  type AnyOperation,
  DeferUntil,
  type Host,
  type Opposite,
  type Outcome,
  type Work,
} from "@reinstate/batch-core";
import { type CircuitBreaker, createCircuitBreaker } from "@reinstate/batch-core/client";
import { defineReadBackOperation } from "@reinstate/batch-core/upstream";
import * as z from "zod";
import { createVicidialClient, VendorError, type VicidialClient } from "../client.ts";
import type { Verb } from "../leads/move.ts";
import { archiveParams, dearchiveParams, leadId } from "../schemas.ts";
import { archiveOpposite, dearchiveOpposite } from "./opposites.ts";
import { itemColumns, operationName, roles, usualParams } from "./verbs.ts";

/** The maximum number of leads in one call to TForge. */
const chunkSize = 500;
/** Delay before a retry after the answer "office hours". */
const officePauseMs = 15 * 60 * 1000;

export interface UpstreamOptions {
  upstreamUrl: string;
  upstreamKey: string;
  /** The path of a CA file, for a server with a private certificate. */
  upstreamCa?: string | undefined;
  /** Milliseconds until the answer must be complete. Default 30,000. */
  timeoutMs?: number | undefined;
}

/** The params that the vendor has. Other params of our own operations are rejected. */
const dearchiveFlags = dearchiveParams.pick({ insert_leads: true, delete_leads: true });
const archiveFlags = archiveParams.pick({ insert_leads: true, update_leads: true, delete_leads: true });

interface Flags {
  insert_leads: boolean;
  update_leads?: boolean;
  delete_leads: boolean;
}
type Counts = Record<string, number>;
/** Looks up leads in the target table: the opposite verb with every flag off, which changes nothing. */
type SelectTarget = (lead_ids: number[], signal: AbortSignal) => Promise<unknown>;
type Call<Params> = (params: Params, lead_ids: number[], signal: AbortSignal) => Promise<Counts>;

/** The replies of the vendor: counts of the accepted leads, and the leads that are not in its source table. */
interface Sent {
  taken: number[];
  counts: Counts;
  absent: number[];
}

/**
 * Defines the moves at a real TForge endpoint. No read comes first, because the vendor refuses a call with leads that are not in its
 * source table and lists them. A repeated call does nothing, because the first has moved the leads.
 */
export function createUpstreamOperations(host: Host, options: UpstreamOptions): AnyOperation[] {
  const now = () => host.clock.now();
  const { leads } = upstreamClient(options, createCircuitBreaker("VICIdial", now));
  const operation = <Params extends Flags>(
    verb: Verb,
    params: z.ZodType<Params>,
    opposite: Opposite<Params>,
    call: Call<Params>,
    selectTarget: SelectTarget,
  ): AnyOperation =>
    defineReadBackOperation<number, Params, Sent>(host, {
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
        ...(await toAbsentOutcomes(work, absent, earlier, selectTarget)),
      ],
    });
  return [
    operation(
      "dearchive",
      dearchiveFlags,
      dearchiveOpposite,
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
      archiveOpposite,
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
  const fetch = upstreamFetch({ upstreamUrl, upstreamCa });
  return createVicidialClient({
    baseUrl: upstreamUrl,
    apiKey: upstreamKey,
    ...(fetch && { fetch }),
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(breaker && { breaker }),
  });
}

/** Returns the `fetch` for an endpoint with a private certificate; undefined if the global one serves. */
export function upstreamFetch({ upstreamUrl, upstreamCa }: Pick<UpstreamOptions, "upstreamUrl" | "upstreamCa">) {
  if (upstreamCa === undefined || !upstreamUrl.startsWith("https:")) return undefined;
  return fetchWith(readFileSync(upstreamCa, "utf8"));
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

/** Returns the outcomes of accepted leads. The vendor counts them without listing any. */
async function toTakenOutcomes<Params extends Flags>(
  { params, signal }: Work<number, Params>,
  call: Call<Params>,
  ids: number[],
  counts: Counts,
): Promise<Outcome[]> {
  if (!params.delete_leads) return ids.map(toCopiedOutcome(params, ids.length, counts));
  if (ids.length === 0 || counts.delete_count === ids.length) return ids.map(done);
  // Leads that the vendor kept still exist in the source. A call with every flag off lists the others as missing.
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

/** Returns a `fetch` that trusts only the certificates of one CA file. */
function fetchWith(ca: string): (input: string, init: RequestInit) => Promise<Response> {
  const agent = new Agent({ ca, keepAlive: true });
  return (input, init) =>
    new Promise((resolve, reject) => {
      const { method = "GET", headers, body, signal } = init;
      const options = { method, agent, headers: Object.fromEntries(new Headers(headers)), signal: signal ?? undefined };
      const request = httpsRequest(input, options as object, (response) => {
        const { statusCode = 500 } = response;
        const answer = new Response(Readable.toWeb(response) as unknown as ReadableStream, {
          status: statusCode,
          headers: Object.entries(response.headers).map(([name, value]): [string, string] => [name, String(value)]),
        });
        resolve(answer);
      });
      request.on("error", reject);
      request.end(body as string | undefined);
    });
}
