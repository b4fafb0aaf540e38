import type { Host, Key, Vendor, VendorInstance } from "@reinstate/batch-core";
import { ReinstateError, toMessage } from "@reinstate/batch-core";
import {
  admitCalls,
  answerAborted,
  cleanPath,
  faultProblem,
  readRequestId,
  toProblem,
} from "@reinstate/batch-core/http";
import { type Context, Hono } from "hono";
import { compress } from "hono/compress";
import { createLinks } from "./links.ts";
import { type Message, renderMessage } from "./pages/messages.ts";
import { addAssets, assetPaths } from "./routes/assets.ts";
import { addBatch } from "./routes/batch.ts";
import { addBatches } from "./routes/batches.ts";
import { addFind } from "./routes/find.ts";
import { addKeys } from "./routes/keys.ts";
import { addNewBatch } from "./routes/new-batch.ts";
import { addSignIn } from "./routes/sign-in.ts";
import { addSystems } from "./routes/systems.ts";
import { securityHeaders } from "./security.ts";
import { createSessions } from "./sessions.ts";
import { createLiveReads, createSharedReads } from "./shared-reads.ts";
import { createSignInLinks } from "./sign-in-links.ts";
import { createRoutes, type Env, type Site, toView } from "./site.ts";
import { createStreamCount } from "./stream-count.ts";

export interface DashboardParts {
  host: Host;
  instances: readonly { vendor: Vendor; instance: VendorInstance }[];
  /** A prefix of all paths in links, such as `/ops`; empty if there is none. */
  basePath: string;
  /** Aborted when the process stops. */
  closing: AbortSignal;
}

/** The pages of the gateway for people. */
export interface Dashboard {
  fetch(request: Request, env?: object): Response | Promise<Response>;
  /** Returns the path of a link that signs in once, without a key. */
  createSignInPath(key: Key): string;
  /** All routes, for tests of what each of them needs. */
  routes: Hono<Env>["routes"];
}

/** Creates the dashboard and its table of sessions. */
export async function createDashboard({ host, instances, basePath, closing }: DashboardParts): Promise<Dashboard> {
  const site: Site = {
    host,
    instances,
    vendors: instances.map(({ vendor }) => vendor),
    links: createLinks(basePath),
    sessions: await createSessions(host),
    shared: createSharedReads(() => host.clock.now()),
    readLive: createLiveReads(host.clock, closing),
    streams: createStreamCount(),
    assets: assetPaths,
    closing,
  };
  const app = new Hono<Env>({ getPath: cleanPath });
  const signInLinks = createSignInLinks();

  app.onError((error, c) => answerFault(site, c, error));
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(securityHeaders)) c.res.headers.set(name, value);
    if (!c.res.headers.has("cache-control")) c.res.headers.set("cache-control", "no-store");
  });
  app.use(compress());
  app.use(admitCalls(host.admission));

  const routes = createRoutes(site, app);
  app.notFound(async (c) => {
    await routes.loadSession(c);
    return c.html(renderMessage(toView(site, c), unknownPage), 404);
  });
  addAssets(app);
  addSignIn(site, app, routes, signInLinks);
  addNewBatch(site, routes);
  addBatches(site, routes);
  addBatch(site, routes);
  addFind(site, routes);
  addSystems(site, routes);
  addKeys(site, routes);

  return {
    fetch: (request, env) => app.fetch(request, env),
    createSignInPath: (key) => site.links.path("/sign-in", { link: signInLinks.create(key) }),
    routes: app.routes,
  };
}

const unknownPage: Message = {
  title: "There is no such page",
  text: "The address may be mistyped, or the batch was deleted after its time.",
};

const titles: Record<number, string> = {
  404: "There is no such batch",
  409: "Not possible in this state",
  413: "Too large",
  422: "This cannot be done",
  429: "Too many requests",
  500: "Unexpected error",
  503: "Not available at the moment",
};

/** Answers a fault with a page, with the status and the headers that `/v1` gives it. */
function answerFault(site: Site, c: Context<Env>, error: Error): Response | Promise<Response> {
  const aborted = answerAborted(c.req.raw, error);
  if (aborted) return aborted;
  const known = toProblem(error);
  const { status, headers } = known ?? faultProblem(error);
  if (!known)
    site.host.log.error({ request_id: readRequestId(c.req.raw), error: toMessage(error) }, "failed to answer a page");
  const retryAfter = headers.get("retry-after");
  if (retryAfter !== null) c.header("retry-after", retryAfter);
  const [, batch] = /^\/batches\/(\d+)\//.exec(c.req.path) ?? [];
  const message: Message = {
    title: titles[status] ?? "This cannot be done",
    text: ReinstateError.is(error)
      ? error.message
      : status === 503
        ? "A database does not answer, or cannot store anything. Load the page again in a few seconds."
        : "The log of the server has the reason. Load the page again, or go back.",
    ...(ReinstateError.is(error) && { issues: error.issues }),
    ...(batch !== undefined && { back: { path: `/batches/${batch}`, label: `Batch ${batch}` } }),
  };
  return c.html(renderMessage(toView(site, c), message), status as 500);
}
