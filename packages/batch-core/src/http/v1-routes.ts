import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import * as z from "zod";
import { readRequestId } from "../admission/request-id.ts";
import { type Batch, batchStatuses } from "../batch/batch.ts";
import { noteText } from "../batch/event.ts";
import { ReinstateError, toMessage } from "../errors/errors.ts";
import type { Host } from "../host.ts";
import { integerText } from "../intake/integer-text.ts";
import type { IdempotencyKey } from "../ledger/idempotency-keys.ts";
import { outcomeWords } from "../operation/operation.ts";
import { findFlags, readSafetyFlags } from "../safety-flags/safety-flags.ts";
import type { Batches } from "../submission/batches.ts";
import { ownText } from "../text/own-text.ts";
import { answerAborted } from "./aborted.ts";
import { admitCalls } from "./admit-calls.ts";
import { batchResponse, createBatch, readNewBatch, withDryRun } from "./create-batch.ts";
import { authenticate } from "./credentials.ts";
import { cursorPage } from "./cursor-page.ts";
import { eventsResponse } from "./events.ts";
import { keyedRequest } from "./idempotency-key.ts";
import { parseBatchId, parseInput, readItemText, readOnce } from "./parse-query.ts";
import { cleanPath } from "./path.ts";
import { faultProblem, problem, toProblem } from "./problem.ts";
import { manifestResponse, reportResponse } from "./reports.ts";
import { batchBody, estimateBody, eventBody, itemBody, operationBody, outcomeBody } from "./representations.ts";
import { readParameters, readSmallCall, type UncheckedCall } from "./safety-flags.ts";
import { mostFoundBatches, mostPageItems, standardStreamLimit } from "./v1-limits.ts";

const codeText = ownText().min(1, "must not be empty");

const limit = integerText.pipe(z.int().min(1).max(mostPageItems));

export const listQuery = z.strictObject({
  status: z.enum(batchStatuses).optional(),
  operation: ownText().optional(),
  cursor: integerText.pipe(z.int().positive()).optional(),
  limit: limit.default(50),
});

export const itemsQuery = z.strictObject({
  outcome: z.enum(outcomeWords).optional(),
  code: codeText.optional(),
  cursor: z.string().optional(),
  limit: limit.default(100),
});

export const findItemQuery = z.strictObject({
  operation: ownText(),
  target: z.enum(["local", "upstream"]).default("local"),
  account: ownText().optional(),
  /** An integer, a text, or an object as JSON. */
  item: ownText(10_000).min(1, "must not be empty"),
  batch: integerText.pipe(z.int().positive()).optional(),
  limit: integerText.pipe(z.int().min(1).max(mostFoundBatches)).default(20),
});

/** The body of a call that changes a batch. */
export const actBody = z.strictObject({
  /** The reason, for the history of the batch. */
  note: noteText.optional(),
});

export const retryBody = actBody.extend({
  /** Limits the retry to items that failed with this code. */
  code: codeText.optional(),
});

/** The body of `POST /v1/batches/{id}/undo`. */
export const undoBody = actBody.extend({
  /** Runs a dry run of the undo, instead of preparing it. */
  dry_run: z.boolean().default(false),
});

/** The body of `POST /v1/batches/{id}/repeat`. */
export const repeatBody = actBody.extend({
  /** Takes only items with this outcome. */
  outcome: z.enum(outcomeWords).optional(),
  /** Takes only items with this code. */
  code: codeText.optional(),
  dry_run: z.boolean().default(false),
  /** Accepts the new batch as `stopped`. */
  prepared: z.boolean().default(false),
});

/** The body of `POST /v1/batches/{id}/mark`. */
export const markBody = z.strictObject({
  as: z.enum(["done", "failed"]),
  /** Limits the mark to unknown items with this code. */
  code: codeText.optional(),
  /** The finding at the vendor. It becomes the message of the items. */
  note: noteText,
});

/** Options of the routes of `/v1`. */
export interface V1Options {
  /** Maximum size of a streamed body in bytes. Default 1 GiB. */
  streamLimit?: number;
  /** Aborted when the server stops. Event streams end then, and their clients reconnect elsewhere. */
  closing?: AbortSignal;
  /** The actor of every call. For programs that call the routes in their own process; no key is asked for. */
  actor?: string;
}

type Env = { Variables: { actor: string } };
type V1Context = Context<Env, string>;

/** A route that changes something. */
interface PostRoute<Input> {
  read(c: V1Context): Promise<UncheckedCall<Input>>;
  /** `flags`: the safety flags that the call gives, of those that its parts support. */
  answer(input: Input, flags: Readonly<Record<string, boolean>>, c: V1Context): Promise<Response>;
}

/** Creates our own API over all vendors, `/v1/…`, which requires an admin key. */
export function createV1Routes(host: Host, options: V1Options = {}): Hono<Env> {
  const { streamLimit = standardStreamLimit, closing, actor } = options;
  const { batches } = host;
  const routes = new Hono<Env>({ getPath: cleanPath });

  routes.onError((error, c) => {
    const aborted = answerAborted(c.req.raw, error);
    if (aborted) return aborted;
    if (error instanceof HTTPException) return error.getResponse();
    const known = toProblem(error);
    if (known) return known;
    const request_id = readRequestId(c.req.raw);
    host.log.error({ vendor: "v1", request_id, error: toMessage(error) }, "failed to answer a call");
    return faultProblem(error);
  });
  routes.notFound(() => problem(404, "not-found", "There is nothing at this path"));

  routes.use(async (c, next) => {
    await next();
    c.res.headers.set("x-content-type-options", "nosniff");
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  });

  routes.use(admitCalls(host.admission));

  routes.use(async (c, next) => {
    if (actor !== undefined) {
      host.admission.identify(c.req.raw, actor);
      c.set("actor", actor);
      return next();
    }
    const key = await authenticate(host.admission, c.req.raw, { vendor: "admin", form: "bearer" });
    if (!key) {
      return problem(401, "unauthorized", "This needs the header Authorization: Bearer <admin key>", {
        headers: { "www-authenticate": "Bearer" },
      });
    }
    if (key.options.access === "read" && !["GET", "HEAD"].includes(c.req.method)) {
      return problem(403, "forbidden", "This key may only read; use an admin key without access=read");
    }
    c.set("actor", key.id);
    await next();
  });

  /** Adds a route that changes something. Checks the safety flags of each call after reading it and before running it. */
  function post<Input>(path: string, { read, answer }: PostRoute<Input>): void {
    routes.post(path, async (c) => {
      const { input, parts } = await read(c);
      const flags = readSafetyFlags({ place: "header", fields: findFlags(c.req.raw.headers) }, ...parts);
      return answer(input, flags, c);
    });
  }

  routes.get("/v1/operations", (c) => {
    const now = host.clock.now();
    return c.json({ operations: host.operations().map((operation) => operationBody(operation, now)) });
  });

  routes.get("/v1/batches", async (c) => {
    const { status, operation, cursor, limit } = parseInput(listQuery, readOnce(new URL(c.req.url).searchParams));
    const found = await batches.list({
      limit: limit + 1,
      ...(status && { statuses: [status] }),
      ...(operation && { operation }),
      ...(cursor && { before: cursor }),
    });
    const { page, next } = cursorPage(found, limit, ({ id }) => String(id));
    return c.json({ batches: page.map(batchBody), next_cursor: next });
  });

  post("/v1/batches", {
    read: ({ req, var: { actor } }) => readNewBatch(req.raw, actor),
    answer: (input, flags, { req, var: { actor } }) =>
      createBatch({ host, request: req.raw, actor, flags, streamLimit }, input),
  });

  routes.get("/v1/items", async (c) => {
    const { item, ...query } = parseInput(findItemQuery, readOnce(new URL(c.req.url).searchParams));
    const found = await batches.findItem({ ...query, item: readItemText(item) });
    return c.json({
      items: found.map(({ batch, ...outcome }) => ({ batch: batchBody(batch), ...outcomeBody(outcome) })),
    });
  });

  const path = "/v1/batches/:id";
  routes.get(path, async (c) => {
    const batch = await batches.get(parseBatchId(c.req.param("id")));
    const failures = await batches.failures(batch.id);
    return c.json({ ...batchBody(batch), failures, estimate: await readEstimate(batches, batch) });
  });
  routes.get(`${path}/items`, async (c) => {
    const { items, next } = await batches.items(
      parseBatchId(c.req.param("id")),
      parseInput(itemsQuery, readOnce(new URL(c.req.url).searchParams)),
    );
    return c.json({ items: items.map(itemBody), next_cursor: next });
  });
  routes.get(`${path}/report.csv`, (c) => reportResponse(host, parseBatchId(c.req.param("id")), "csv"));
  routes.get(`${path}/report.ndjson`, (c) => reportResponse(host, parseBatchId(c.req.param("id")), "ndjson"));
  routes.get(`${path}/manifest.json`, (c) => manifestResponse(host, parseBatchId(c.req.param("id")), c.req.raw.signal));
  routes.get(`${path}/events`, (c) => eventsResponse(c, host, parseBatchId(c.req.param("id")), closing));
  routes.get(`${path}/history`, async (c) => {
    const events = await batches.history(parseBatchId(c.req.param("id")));
    const actors = new Set(events.flatMap(({ actor }) => actor ?? []));
    const keys = await Promise.all([...actors].map((id) => host.keys.findById(id)));
    const names = new Map(keys.flatMap((key) => (key ? [[key.id, key.name] as const] : [])));
    return c.json({ events: events.map((event) => eventBody(event, names)) });
  });
  for (const verb of ["stop", "resume", "reexamine"] as const) {
    post(`${path}/${verb}`, {
      read: ({ req }) => readSmallCall(req.raw),
      async answer(call, _flags, c) {
        const { note } = parseInput(actBody, readParameters(call));
        return c.json(
          batchBody(await batches[verb](parseBatchId(c.req.param("id") ?? ""), { actor: c.get("actor"), note })),
        );
      },
    });
  }

  post(`${path}/mark`, {
    read: ({ req }) => readSmallCall(req.raw),
    async answer(call, _flags, c) {
      const id = parseBatchId(c.req.param("id") ?? "");
      const options = parseInput(markBody, readParameters(call));
      return c.json(batchBody(await batches.mark(id, { ...options, actor: c.get("actor") })));
    },
  });

  /** Adds a route that may have an Idempotency-Key. `supported`: the safety flags that its body may have. */
  function postKeyed(
    verb: string,
    supported: readonly string[],
    answer: (id: number, body: unknown, act: { actor: string; idempotency?: IdempotencyKey }) => Promise<Response>,
  ): void {
    post(`${path}/${verb}`, {
      async read(c) {
        const id = parseBatchId(c.req.param("id") ?? "");
        const keyed = keyedRequest(c.req.raw, c.get("actor"));
        const { input, parts } = await readSmallCall(c.req.raw, keyed?.update, supported);
        return { input: { call: input, id, keyed }, parts };
      },
      answer: ({ call, id, keyed }, flags, c) =>
        answer(id, withDryRun(readParameters(call), flags), {
          actor: c.get("actor"),
          ...(keyed && { idempotency: keyed.end() }),
        }),
    });
  }

  postKeyed("retry", [], async (id, body, act) => {
    const batch = await batches.retry(id, { ...parseInput(retryBody, body), ...act });
    return Response.json(batchBody(batch), batch.replayed && { headers: { "idempotency-replayed": "true" } });
  });
  postKeyed("undo", ["dry_run"], async (id, body, act) => {
    const { dry_run: dryRun, note } = parseInput(undoBody, body);
    return batchResponse(await batches.undo(id, { dryRun, note, ...act }));
  });
  postKeyed("repeat", ["dry_run"], async (id, body, act) => {
    const { dry_run: dryRun, ...options } = parseInput(repeatBody, body);
    return batchResponse(await batches.submitFromBatch(id, { dryRun, ...options, ...act }));
  });

  // Every path above returns 405 for all other methods.
  const methods = new Map<string, string[]>();
  for (const { path, method } of routes.routes) {
    if (method !== "ALL") methods.set(path, [...(methods.get(path) ?? []), method]);
  }
  for (const [path, allowed] of methods) {
    const allow = allowed.join(", ");
    routes.all(path, () => problem(405, "method-not-allowed", `This path answers ${allow}`, { headers: { allow } }));
  }

  return routes;
}

/** Returns what a real run of a dry run takes; null for any other batch, and if its operation is no longer registered. */
async function readEstimate(batches: Batches, { dryRun, operation, target, account, total: items }: Batch) {
  if (!dryRun) return null;
  try {
    return estimateBody(await batches.estimate({ operation, target, account, items }));
  } catch (error) {
    if (ReinstateError.is(error, "unknown_operation")) return null;
    throw error;
  }
}
