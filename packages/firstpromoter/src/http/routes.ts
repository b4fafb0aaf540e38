import { createRateLimit, type Host } from "@reinstate/batch-core";
import {
  type ApiError,
  admitCalls,
  authenticate,
  cleanPath,
  readCredentials,
  readRequestId,
} from "@reinstate/batch-core/http";
import { Hono } from "hono";
import type { Options } from "../options.ts";
import type { PromoterStore } from "../store/store.ts";
import { createActionHandlers } from "./action-handlers.ts";
import { api, basePath } from "./api.ts";
import { createBatchHandlers } from "./batch-handlers.ts";
import { answerError, apiError, type ErrorName, writeError } from "./errors.ts";
import { createPromoterHandlers } from "./promoter-handlers.ts";
import type { Ctx, Env } from "./requests.ts";

/** Creates FirstPromoter's API v2 for companies, at the vendor's paths, on any host name. */
export function createRoutes(host: Host, store: PromoterStore, options: Options): Hono<Env> {
  const routes = new Hono<Env>({ getPath: cleanPath });
  const rateLimit = createRateLimit(host, { name: "firstpromoter requests", perMinute: options.rateLimit });

  const write = (c: Ctx, error: ApiError<ErrorName>) => writeError(options.answers, error, c.get("requestId"));
  routes.onError((error, c) => {
    return answerError(error, { request: c.req.raw, log: host.log }, (known) => write(c, known));
  });
  routes.notFound((c) => write(c, apiError("not_found")));

  routes.use(async (c, next) => {
    const id = readRequestId(c.req.raw, /^[\w.:/+=@-]{1,128}$/);
    c.set("requestId", id);
    // Performance: setting a header after the handler would copy the response.
    c.header("X-Request-Id", id);
    await next();
  });

  routes.use(admitCalls(host.admission));

  routes.use(`${basePath}/*`, async (c, next) => {
    const key = await authenticate(host.admission, c.req.raw, { vendor: "firstpromoter", form: "bearer" });
    if (!key) throw apiError("bad_key");
    const account = readCredentials(c.req.raw, { header: "account-id" })?.secret;
    if (account === undefined) throw apiError("missing_account");
    if (account !== key.account) {
      throw apiError((await host.keys.knowsAccount("firstpromoter", account)) ? "foreign_account" : "unknown_account");
    }
    await rateLimit.admit(account);
    c.set("account", account);
    c.set("actor", key.id);
    await next();
  });

  const handlers = {
    ...createActionHandlers(host, options),
    ...createBatchHandlers(host, options),
    ...createPromoterHandlers(host, store, options),
  };
  for (const { operationId, dryRunOf = operationId, method, path } of api) {
    routes.on(method, `${basePath}${path.replace(/\{(\w+)\}/g, ":$1")}`, handlers[dryRunOf as keyof typeof handlers]);
  }
  return routes;
}
