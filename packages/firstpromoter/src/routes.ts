import { type Host, messageOf, ReinstateError } from "@reinstate/batch-core";
import { admitCalls, answerAborted, cleanPath, readBearer } from "@reinstate/batch-core/http";
import { Hono } from "hono";
import { createActionHandlers } from "./action-handlers.ts";
import { api, basePath } from "./api.ts";
import { createBatchHandlers } from "./batch-handlers.ts";
import { answerOf, Refusal, refusalOf } from "./errors.ts";
import type { Options } from "./options.ts";
import { createPromoterHandlers } from "./promoter-handlers.ts";
import { createRateLimit } from "./rate-limit.ts";
import { type Env, requestIdOf } from "./requests.ts";
import type { PromoterStore } from "./store.ts";
import type { AnswerStore } from "./stores/answers.ts";

/** What the routes read and write, beside batches. */
export interface Stores {
  promoters: PromoterStore;
  answers: AnswerStore;
}

/** FirstPromoter's API v2 for companies, at the vendor's paths, on any host name. */
export function createRoutes(host: Host, stores: Stores, options: Options): Hono<Env> {
  const routes = new Hono<Env>({ getPath: cleanPath });
  const rateLimit = createRateLimit(options.rateLimit);

  routes.onError((error, c) => {
    const aborted = answerAborted(c.req.raw, error);
    if (aborted) return aborted;
    const refusal = refusalOf(error) ?? new Refusal("internal");
    const request = c.get("requestId");
    const isFault = refusal.answer === "unavailable" || refusal.answer === "internal";
    if (isFault && !ReinstateError.is(error, "overloaded")) {
      host.log.error({ request, error: messageOf(error) }, "a request to FirstPromoter's API failed");
    }
    return answerOf(options.answers, refusal, request);
  });
  routes.notFound((c) => answerOf(options.answers, new Refusal("not_found"), c.get("requestId")));

  routes.use(async (c, next) => {
    const id = requestIdOf(c.req.raw.headers);
    c.set("requestId", id);
    // Beforehand: an answer whose headers are looked at afterwards is made anew, at some cost.
    c.header("X-Request-Id", id);
    await next();
  });

  routes.use(admitCalls(host.admission));

  routes.use(`${basePath}/*`, async (c, next) => {
    const secret = readBearer(c.req.raw);
    const key = secret === undefined ? undefined : await host.admission.findKey(c.req.raw, "firstpromoter", secret);
    if (!key) throw new Refusal("bad_key");
    const account = c.req.header("account-id")?.trim() ?? "";
    if (account === "") throw new Refusal("missing_account");
    if (account !== key.account) {
      throw new Refusal(
        (await host.keys.knowsAccount("firstpromoter", account)) ? "foreign_account" : "unknown_account",
      );
    }
    const waitMs = rateLimit.take(account, host.clock.now());
    if (waitMs !== undefined) {
      throw new Refusal("too_many_requests", "", { headers: { "retry-after": String(Math.ceil(waitMs / 1000)) } });
    }
    c.set("account", account);
    c.set("actor", key.id);
    await next();
  });

  const handlers = {
    ...createActionHandlers(host, stores.answers, options),
    ...createBatchHandlers(host, options),
    ...createPromoterHandlers(host, stores.promoters, options),
  };
  for (const { operationId, dryRunOf = operationId, method, path } of api) {
    routes.on(method, `${basePath}${path.replace(/\{(\w+)\}/g, ":$1")}`, handlers[dryRunOf as keyof typeof handlers]);
  }
  return routes;
}
