import { readFileSync } from "node:fs";
import { Agent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { type AnyOperation, defineOperation, NotNow, type Outcome, type Work } from "@reinstate/batch-core";
import * as z from "zod";
import { createVicidialClient, VendorError, type VicidialClient } from "./client.ts";
import { operationName } from "./operations.ts";
import { type ArchiveParams, archiveParams, type DearchiveParams, dearchiveParams, leadId } from "./schemas.ts";
import type { Verb } from "./store.ts";

/** Leads that TForge takes in one call. */
const chunkSize = 500;
/** After the answer "office hours" the same is asked again so much later. */
const officePauseMs = 15 * 60 * 1000;

export interface UpstreamOptions {
  upstreamUrl: string;
  upstreamKey: string;
  /** The path of a CA file, for a server with a certificate of its own. */
  upstreamCa?: string | undefined;
}

type Counts = Record<string, number>;
type Call<Params> = (params: Params, lead_ids: number[], signal: AbortSignal) => Promise<Counts>;

/** The moves as a real TForge endpoint carries them out. */
export function createUpstreamOperations(options: UpstreamOptions, now: () => number): AnyOperation[] {
  const { leads } = upstreamClient(options);
  const operation = <Params extends object>(verb: Verb, params: z.ZodType<Params>, call: Call<Params>): AnyOperation =>
    defineOperation<number, Params>({
      name: operationName(verb),
      label: `lead/${verb}`,
      target: "upstream",
      item: leadId,
      params,
      key: (id) => id,
      chunkSize,
      effects: "elsewhere",
      // What a first call moved does not exist in the source for the second.
      repeatable: true,
      apply: (work) => send(work, call, now),
    });
  return [
    operation<DearchiveParams>("dearchive", dearchiveParams, async (params, lead_ids, signal) => {
      const { insert_leads, delete_leads } = params;
      const { message: _, ...counts } = await leads.dearchive({ insert_leads, delete_leads, lead_ids }, { signal });
      return counts;
    }),
    operation<ArchiveParams>("archive", archiveParams, async (params, lead_ids, signal) => {
      const { insert_leads, update_leads, delete_leads } = params;
      const { message: _, ...counts } = await leads.archive(
        { insert_leads, update_leads, delete_leads, lead_ids },
        { signal },
      );
      return counts;
    }),
  ];
}

/** The client of the real endpoint, with its CA file. Throws where the file cannot be read. */
export function upstreamClient({ upstreamUrl, upstreamKey, upstreamCa }: UpstreamOptions): VicidialClient {
  const fetch =
    upstreamCa === undefined || !upstreamUrl.startsWith("https:")
      ? undefined
      : fetchWith(readFileSync(upstreamCa, "utf8"));
  return createVicidialClient({ baseUrl: upstreamUrl, apiKey: upstreamKey, ...(fetch && { fetch }) });
}

/** A list of leads that do not exist, in any of the dialects. */
const missingBody = z.object({
  message: z.string().optional(),
  error: z.string().optional(),
  lead_ids: z.array(z.number()).optional(),
  values: z.array(z.number()).optional(),
});

async function send<Params>(work: Work<number, Params>, call: Call<Params>, now: () => number): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let ids = work.items;
  while (ids.length > 0) {
    try {
      const counts = await call(work.params, ids, work.signal);
      for (const [name, count] of Object.entries(counts)) work.tally[name] = (work.tally[name] ?? 0) + count;
      return [...outcomes, ...(await settled(work, call, ids, counts))];
    } catch (error) {
      if (!VendorError.is(error)) throw error;
      if (error.status === 403 || error.status === 441) {
        throw new NotNow(now() + (error.retryAfterMs ?? officePauseMs), error.message);
      }
      const missing = missingOf(error, ids);
      if (missing.size === 0) {
        if (error.kind !== "rejected") throw error;
        const { message } = error;
        return [...outcomes, ...ids.map((key): Outcome => ({ key, outcome: "failed", code: "rejected", message }))];
      }
      for (const key of missing) outcomes.push(absent(work, key));
      ids = ids.filter((id) => !missing.has(id));
    }
  }
  return outcomes;
}

/** A lead that is not in the source may have been moved by a call whose answer was lost. */
function absent({ attempt }: Work<number, unknown>, key: number): Outcome {
  return attempt > 1
    ? { key, outcome: "skipped", code: "already_there", message: "The lead is not in the source table any more" }
    : { key, outcome: "failed", code: "missing", message: "The lead does not exist in the source table" };
}

const done = (key: number): Outcome => ({ key, outcome: "done" });

/** Where the vendor kept some of the leads it does not tell which: those that still exist in the source. */
async function settled<Params>(
  { params, signal }: Work<number, Params>,
  call: Call<Params>,
  ids: number[],
  counts: Counts,
): Promise<Outcome[]> {
  const { insert_leads, delete_leads } = params as { insert_leads: boolean; delete_leads: boolean };
  if (!insert_leads && !delete_leads) {
    return ids.map((key) => ({ key, outcome: "skipped", code: "nothing_asked" }));
  }
  if (!delete_leads || counts.delete_count === ids.length) return ids.map(done);
  const message = "The vendor kept the lead in the source table: its copies differ, or the target has none";
  const nothing = { insert_leads: false, update_leads: false, delete_leads: false };
  const gone = await call({ ...params, ...nothing }, ids, signal).then(
    () => new Set<number>(),
    (error: unknown) => (VendorError.is(error) ? missingOf(error, ids) : Promise.reject(error)),
  );
  return ids.map((key) => (gone.has(key) ? done(key) : { key, outcome: "failed", code: "kept", message }));
}

function missingOf(error: VendorError, ids: number[]): Set<number> {
  const body = missingBody.safeParse(error.body);
  if (!body.success || !/does not exist$/.test(body.data.message ?? body.data.error ?? "")) return new Set();
  const listed = body.data.lead_ids ?? body.data.values ?? [];
  return new Set(listed.filter((id) => ids.includes(id)));
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
