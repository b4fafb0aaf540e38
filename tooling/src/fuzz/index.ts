import * as fc from "fast-check";
import type { Document } from "./document.ts";
import { createJudge, type FuzzReply, type JudgeOptions, slowestMs } from "./judge.ts";
import { type Encoders, type FuzzRequest, mutated, sweep } from "./mutations.ts";
import { type PlanOptions, validRequests } from "./valid-requests.ts";

export type { FuzzReply } from "./judge.ts";
export { type FuzzRequest, toJson } from "./mutations.ts";

/** Requests for each API on each of its databases; more for a soak. */
const requestsPerRun = Number(process.env.FUZZ ?? 2000);
/** Requests in progress at the same time: while one waits for its database, the others use the processor. */
const concurrency = 4;

export interface FuzzOptions extends PlanOptions, JudgeOptions {
  /** An OpenAPI document, or what of it tells about requests and replies. */
  document: object;
  fetch(request: Request): Response | Promise<Response>;
  encoders?: Encoders;
  /** The number of this run among those over the same API, from 0: each draws requests of its own. */
  run: number;
  /** Returns what else is wrong after a reply: an error in the log, say. */
  fault?(request: FuzzRequest, reply: FuzzReply): string | undefined;
}

/** The counts of a run. */
export interface FuzzReport {
  requests: number;
  byStatus: Record<string, number>;
  slowestMs: number;
}

/** Random requests that are made ahead. */
const batchSize = 250;
/** At most this part of the requests is a sweep over all fields; the others are random. */
const sweptShare = 0.5;
const mostFaults = 20;

/**
 * Sends valid requests with one mutation each, in process, and throws if a reply is not as documented. The message holds one
 * request of each kind of fault, and the seed that repeats the run (`TEST_SEED`).
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { fetch, fault, run } = options;
  const document = options.document as Document;
  const judge = createJudge(document, options);
  const report: FuzzReport = { requests: 0, byStatus: {}, slowestMs: 0 };
  const seed = fc.readConfigureGlobal().seed ?? Date.now() % 1_000_000;
  const faults = new Map<string, string>();
  const requests = makeRequests(document, options, requestsPerRun, seed + run * 1_000_000);
  const sendOneByOne = async () => {
    // All of them draw from one generator.
    for (const request of requests) {
      const reply = await sendInTime(fetch, request);
      report.requests++;
      report.byStatus[reply.status] = (report.byStatus[reply.status] ?? 0) + 1;
      report.slowestMs = Math.max(report.slowestMs, reply.ms);
      const wrong = judge(request, reply) ?? fault?.(request, reply);
      if (wrong === undefined) continue;
      const kind = `${request.route} ${wrong.replace(/\d+/g, "0")}`;
      const shown = `${wrong}\n  ${describe(request)}\n  answer ${reply.status}: ${reply.text.slice(0, 500)}`;
      if (!faults.has(kind)) faults.set(kind, shown);
      if (faults.size >= mostFaults) break;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, sendOneByOne));
  if (faults.size > 0) {
    throw new Error(`TEST_SEED=${seed} finds replies that are not documented:\n${[...faults.values()].join("\n")}`);
  }
  return report;
}

/** The requests of a run: first a part of the sweep, then random ones. */
function* makeRequests(
  document: Document,
  options: FuzzOptions,
  requests: number,
  seed: number,
): Generator<FuzzRequest> {
  const { encoders = {} } = options;
  const plans = validRequests(document, options);
  const swept = plans.flatMap(({ arbitrary, weight }) =>
    fc.sample(arbitrary, { numRuns: Math.ceil(weight / 2), seed }).flatMap((plan) => sweep(plan, encoders)),
  );
  const most = Math.floor(requests * sweptShare);
  const chosen = fc.sample(fc.shuffledSubarray(swept, { minLength: Math.min(most, swept.length) }), {
    numRuns: 1,
    seed,
  });
  const first = (chosen[0] ?? []).slice(0, most);
  yield* first;
  const random = mutated(fc.oneof(...plans), encoders);
  for (let made = first.length; made < requests; made += batchSize) {
    yield* fc.sample(random, { numRuns: Math.min(batchSize, requests - made), seed: seed + made });
  }
}

/** How often a request that was slow is sent again: a busy machine makes one slow now and then, a fault does each time. */
const slowRepeats = 4;

/** The first reply, with the shortest time of several tries if the first was slow. */
async function sendInTime(fetch: FuzzOptions["fetch"], request: FuzzRequest): Promise<FuzzReply> {
  const reply = await send(fetch, request);
  let { ms } = reply;
  for (let repeat = 0; ms > slowestMs && repeat < slowRepeats; repeat++) {
    ms = Math.min(ms, (await send(fetch, request)).ms);
  }
  return { ...reply, ms };
}

async function send(fetch: FuzzOptions["fetch"], { method, target, headers, body }: FuzzRequest): Promise<FuzzReply> {
  const given = new Headers();
  for (const [name, value] of headers) given.append(name, value);
  const request = new Request(`http://localhost${target}`, {
    method,
    headers: given,
    ...(body !== undefined && !/^(GET|HEAD)$/i.test(method) && { body }),
  });
  const started = performance.now();
  const response = await fetch(request);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, ms: performance.now() - started };
}

function describe({ route, mutation, method, target, headers, body }: FuzzRequest): string {
  const text =
    typeof body === "string" ? JSON.stringify(body) : body && `base64 ${Buffer.from(body).toString("base64")}`;
  const shown = headers.map(([name, value]) => `${name}: ${value}`).join(", ");
  return `${route}, ${mutation}: ${method} ${target} [${shown}] ${(text ?? "").slice(0, 1000)}`;
}
