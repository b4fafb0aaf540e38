import { type Host, isFinished, type Key, ReinstateError, type Submitted } from "@reinstate/batch-core";
import { admitCalls, authenticate, cleanPath, findFlags, readBody, readSafetyFlags } from "@reinstate/batch-core/http";
import { type Context, Hono } from "hono";
import { noCounts, type Verb } from "../leads/move-types.ts";
import { highestLeadId } from "../leads/rules.ts";
import type { OfficeClock } from "../office-hours/office-clock.ts";
import { operationName } from "../operations/verbs.ts";
import type { LeadStore } from "../store/lead-store.ts";
import { explain } from "./explain.ts";
import { answerError, errorReply, successReply, toErrorDetails } from "./replies.ts";
import { type DialectName, dialectNames, dialects, type ReplyDialect } from "./reply-dialects.ts";
import { isRefusal, type LeadsRequest, readIdempotency, readRequest } from "./request.ts";

/** The options that the routes use. */
export interface RouteOptions {
  dialect: DialectName;
  legacyDialect: DialectName;
  missingCount: "both" | "lead_errors" | "lead_count";
  /** The maximum body size in bytes. */
  bodyLimit: number;
  /** The maximum number of leads per request. */
  leadLimit: number;
  /** Returns the address of a caller. */
  address?: ((request: Request, env: unknown) => string | undefined) | undefined;
}

export interface RouteParts {
  host: Host;
  store: LeadStore;
  office: OfficeClock;
  /** Handles VICIdial's non-agent API. */
  nonAgentApi(request: Request, caller: { env?: unknown; address?: string | undefined }): Promise<Response>;
}

/** The result of looking up an `Idempotency-Key`; empty without one. */
interface Replay {
  idempotency?: ReturnType<typeof readIdempotency>;
  /** The batch of the first request under this key. */
  before?: Submitted | undefined;
  /** The fault of the key. */
  fault?: unknown;
}

/** Status and headers for calls that can succeed in a moment, in every dialect. */
const unavailable = { status: 503, headers: { "retry-after": "5" } };

const path = "/vicidial/:word{leads?}/:verb{(?:de)?archive}/:customer?";

interface Env {
  /** The dialect of the answer. */
  Variables: { dialect?: ReplyDialect };
}

/** The `env` that `@hono/node-server` passes with a request. */
interface NodeServer {
  outgoing: { statusMessage: string };
}

/**
 * Creates the routes of the leads API: `/vicidial/leads/…`, and `/vicidial/lead/…[/customer][/]` for older clients. Also routes
 * VICIdial's non-agent API at `/vicidial/non_agent_api.php`.
 */
export function createRoutes({ host, store, office, nonAgentApi }: RouteParts, options: RouteOptions): Hono<Env> {
  const routes = new Hono<Env>({ getPath: cleanPath });
  routes.use(async (c, next) => {
    await next();
    // Node's server has no phrase for the legacy statuses and does not read that of a web Response.
    const { outgoing } = (c.env ?? {}) as Partial<NodeServer>;
    if (outgoing && c.res.statusText !== "") outgoing.statusMessage = c.res.statusText;
  });
  // Invalid bytes become the replacement character, as they do at the vendor.
  const utf8 = new TextDecoder();

  function findDialect(word: string, verb: Verb, key?: Key): ReplyDialect {
    const ofKey = key?.options.dialect as DialectName;
    const name = dialectNames.includes(ofKey) ? ofKey : word === "lead" ? options.legacyDialect : options.dialect;
    const dialect = dialects[name][verb];
    const counts = dialect.lists.missing?.counts ?? [];
    if (counts.length < 2 || options.missingCount === "both") return dialect;
    return { ...dialect, lists: { ...dialect.lists, missing: { counts: [options.missingCount], ids: "lead_ids" } } };
  }

  /**
   * Answers a call. The first check that fails decides the answer:
   *
   * 1. Admission, before this function: too many calls (503 or 429), and another method (405).
   * 2. The key: `unauthorized`.
   * 3. Safety flags in a header, the path or the query that are unclear or not supported: `other`.
   * 4. The `Idempotency-Key`: a finished first request is replayed; a running one is `other`. A fault of the key waits for step 8.
   * 5. `office_hours`, unless the call only explains.
   * 6. The size and the encoding of the body: 413 or 415.
   * 7. The body, in `readRequest`: JSON and safety flags (`other`), the flags in their order, `integers`, `empty`, `exceed`,
   *    `duplicates`.
   * 8. The fault of the `Idempotency-Key`: `other`. A call that only explains is answered here.
   * 9. Existence, in `submitBatch`: `missing`.
   * 10. The move itself, in `answerSubmitted`: `missing` if another session removed a lead meanwhile, else `other`.
   */
  async function answer(c: Context<Env, typeof path>): Promise<Response> {
    const request = c.req.raw;
    const { word, verb, customer = "" } = c.req.param() as { word: string; verb: Verb; customer?: string };
    const key = await authenticate(host.admission, request, { vendor: "vicidial", form: "key" });
    const dialect = findDialect(word, verb, key);
    c.set("dialect", dialect);
    if (!key) return errorReply(dialect, "unauthorized");
    const { explain: explained = false } = readSafetyFlags(
      { place: "header", fields: findFlags(request.headers) },
      { place: "path", fields: findFlags([[customer, undefined]]) },
      { place: "query", fields: findFlags(new URL(request.url).searchParams), supported: ["explain"] },
    );
    let read: Promise<string> | undefined;
    const readText = () => {
      read ??= readBody(request, options.bodyLimit).then((bytes) => utf8.decode(bytes));
      return read;
    };
    const { before, idempotency, fault } = explained ? {} : await findReplay(host, request, verb, key, readText);
    // A replay and a preview change nothing, so they are allowed at any hour.
    if (before) return await answerSubmitted(dialect, verb, before);
    if (!explained && !(await office.isAllowed(verb))) return errorReply(dialect, "office_hours");
    const checked = readRequest(verb, await readText(), options.leadLimit);
    if (isRefusal(checked)) return errorReply(dialect, checked.reason, checked);
    if (fault) throw fault;
    if (explained) return Response.json(await explain(store, verb, checked));
    return await submitBatch(dialect, verb, checked, key, idempotency);
  }

  /** Moves the leads as a batch of one chunk, if all of them are in the source. */
  async function submitBatch(
    dialect: ReplyDialect,
    verb: Verb,
    checked: LeadsRequest,
    key: Key,
    idempotency?: ReturnType<typeof readIdempotency>,
  ): Promise<Response> {
    const ids = checked.ids.filter((id) => id >= 0n && id <= BigInt(highestLeadId)).map(Number);
    const found = await store.findInSource(verb, ids);
    const missing = checked.ids.filter((id) => !found.has(Number(id)));
    if (missing.length > 0) {
      // The first request under the same key may have moved them meanwhile.
      const before = idempotency && (await host.batches.recall(idempotency));
      if (before) return answerSubmitted(dialect, verb, before);
      return errorReply(dialect, "missing", { offenders: missing.map(String) });
    }
    // With `inline`, the core runs the one chunk within this call (`submission/accept-batch.ts`, `execution/apply-chunk.ts`). It
    // calls `apply` of `operations.ts`, which calls `store.move`.
    const batch = await host.batches.submit({
      operation: operationName(verb),
      params: {
        insert_leads: checked.insert,
        ...(verb === "archive" && { update_leads: checked.update }),
        delete_leads: checked.delete,
        all_or_nothing: true,
      },
      items: ids,
      actor: key.id,
      inline: true,
      ...(idempotency && { idempotency }),
    });
    return answerSubmitted(dialect, verb, batch);
  }

  /** Answers with the result of a batch. A replayed batch that was unfinished is read again. */
  async function answerSubmitted(dialect: ReplyDialect, verb: Verb, submitted: Submitted): Promise<Response> {
    const { id, status, replayed } = submitted;
    const batch = replayed && !isFinished(status) ? await host.batches.get(id) : submitted;
    const headers = { "x-reinstate-batch": String(id), ...(replayed && { "idempotency-replayed": "true" }) };
    const later = { status: unavailable.status, headers: { ...headers, ...unavailable.headers } };
    if (!isFinished(batch.status)) {
      const message = `The batch is still running; see batch ${batch.id}`;
      return errorReply(dialect, "other", { message, ...later });
    }
    const { items } =
      batch.counts.failed > 0
        ? await host.batches.items(batch.id, { outcome: "failed", limit: batch.total })
        : { items: [] };
    if (batch.error !== null) {
      const retryable = items.some(({ code }) => code === "unavailable");
      return errorReply(dialect, "other", { message: batch.error, headers, ...(retryable && later) });
    }
    // Another session has moved them after the existence check.
    const gone = items.filter(({ code }) => code === "missing").map(({ item }) => String(item));
    if (gone.length > 0) return errorReply(dialect, "missing", { offenders: gone, headers });
    const refused = items.find(({ code }) => code === "refused");
    if (refused) return errorReply(dialect, "other", { message: refused.message ?? "", headers });
    const unfit = items.filter(({ code }) => code === "does_not_fit");
    const reasons = unfit.map(({ item, message }) => String(message).replace(/^The lead/, `lead ${item}`));
    if (reasons.length > 0) {
      return errorReply(dialect, "other", { message: `No lead was moved: ${reasons.join("; ")}`, headers });
    }
    return successReply(dialect, verb, { ...noCounts(), ...batch.tally }, headers);
  }

  routes.post(
    path,
    async (c, next) => {
      // Set first, so that errors before the key is read have a dialect too.
      c.set("dialect", findDialect(c.req.param("word"), c.req.param("verb") as Verb));
      await next();
    },
    admitCalls(host.admission),
    answer,
  );
  routes.all(path, (c) => {
    const message = `The requested resource does not support http method '${c.req.method}'.`;
    const dialect = findDialect(c.req.param("word"), c.req.param("verb") as Verb);
    return errorReply(dialect, "other", { message, status: 405, headers: { allow: "POST" } });
  });
  routes.all("/vicidial/non_agent_api.php", (c) => {
    // HEAD is refused too, because it must not move a lead.
    const { method } = c.req.raw;
    if (method !== "GET" && method !== "POST") {
      const headers = { allow: "GET, POST", "content-type": "text/html; charset=utf-8" };
      return new Response(`ERROR: The method ${method} is not allowed; use GET or POST\n`, { status: 405, headers });
    }
    const address = options.address
      ? options.address(c.req.raw, c.env)
      : host.admission.readCallerAddress(c.req.raw, c.env);
    return nonAgentApi(c.req.raw, { env: c.env, address });
  });
  routes.onError((error, c) =>
    answerError(error, { request: c.req.raw, log: host.log, fields: { path: c.req.path } }, (known) =>
      errorReply(c.get("dialect") ?? dialects[options.dialect].dearchive, "other", toErrorDetails(known)),
    ),
  );
  routes.notFound((c) =>
    errorReply(dialects[options.dialect].dearchive, "other", {
      message: `No HTTP resource was found at '${c.req.path}'.`,
      status: 404,
    }),
  );
  return routes;
}

/**
 * Finds the batch of an `Idempotency-Key`. A fault of the key is returned and not thrown, because the documented errors of the
 * request come first.
 *
 * @throws ReinstateError `idempotency_running` if the first request is still running.
 */
async function findReplay(
  { batches }: Host,
  request: Request,
  verb: Verb,
  holder: Key,
  readText: () => Promise<string>,
): Promise<Replay> {
  const key = request.headers.get("idempotency-key");
  if (key === null) return {};
  try {
    const body = await readText();
    const idempotency = readIdempotency(key, { actor: holder.id, operation: operationName(verb), body });
    return { idempotency, before: await batches.recall(idempotency) };
  } catch (fault) {
    if (ReinstateError.is(fault, "idempotency_running")) throw fault;
    return { fault };
  }
}
