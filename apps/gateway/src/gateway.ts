import {
  createHost,
  createInstance,
  type EngineFactory,
  type Host,
  type Log,
  readTraceparent,
  runInSpan,
  runInTrace,
  type Span,
  type Tracer,
  toMessage,
  type Vendor,
  type VendorInstance,
} from "@reinstate/batch-core";
import {
  cleanPath,
  createPathTable,
  createV1Routes,
  faultProblem,
  problem,
  readRequestId,
} from "@reinstate/batch-core/http";
import type { Settings } from "./config.ts";
import { createDashboard, type Dashboard } from "./dashboard/dashboard.ts";
import { dashboardPaths } from "./dashboard/paths.ts";
import { loadDemo } from "./demo.ts";
import type { GatewayMetrics } from "./metrics/gateway-metrics.ts";
import { answerMetrics } from "./metrics/routes.ts";
import { createReadiness } from "./readiness.ts";
import { createReference, isReferencePath } from "./reference/routes.ts";

/** The composed service. Any server that takes a web Request can serve `fetch`; `env` holds the server's own objects. */
export interface Gateway {
  fetch(request: Request, env?: object): Promise<Response>;
  host: Host;
  dashboard: Dashboard;
  /** Makes `/readyz` fail from now on, for the time between the signal and the end. */
  drain(): void;
  /** Accepts no more work, finishes the chunks in progress, and closes the databases. */
  stop(): Promise<void>;
}

/** Opens the databases, creates every vendor, and resumes the batches of earlier processes. */
export async function createGateway(
  settings: Settings,
  vendors: readonly Vendor[],
  log: Log,
  metrics?: GatewayMetrics,
  tracer?: Tracer,
): Promise<Gateway> {
  const { databaseUrl, role, databaseSeconds, keepBatchesDays, admission } = settings;
  const answerMs = databaseSeconds * 1000;
  const host = await createHost({
    databaseUrl,
    role,
    log,
    answerMs,
    admission,
    ...(keepBatchesDays !== undefined && { keepBatchesDays }),
    ...(await createEngine(settings)),
    ...(metrics && { observer: metrics.observer }),
    ...(tracer && { tracer }),
  });
  metrics?.measure(host);
  const instances: { vendor: Vendor; instance: VendorInstance }[] = [];
  const draining = new AbortController();

  const stop = async () => {
    draining.abort();
    for (const { instance } of instances) await instance.closing?.();
    await host.close();
    for (const { instance } of instances) await instance.close?.();
    metrics?.close();
  };

  let dashboard: Dashboard;
  try {
    for (const vendor of vendors) {
      const common = { timeZone: settings.timeZone };
      instances.push({ vendor, instance: await createInstance(vendor, host, settings.vendors[vendor.name], common) });
    }
    if (settings.demo) await loadDemo(host, instances);
    dashboard = await createDashboard({ host, instances, basePath: settings.basePath, closing: draining.signal });
  } catch (error) {
    await stop().catch(() => {});
    throw error;
  }

  const findVendor = createPathTable(
    instances.flatMap(({ vendor, instance }) =>
      vendor.paths.map((path) => ({ path, owner: { name: vendor.name, instance } })),
    ),
  );
  const isDashboardPath = createPathTable(dashboardPaths.map((path) => ({ path, owner: true })));
  const v1 = createV1Routes(host, { closing: draining.signal });

  const reference = createReference({ vendors, settings });

  const ready = createReadiness({ host, instances, log, draining: draining.signal });

  async function answer(request: Request, path: string, env?: object): Promise<Response> {
    const vendor = findVendor(path);
    if (vendor) return vendor.instance.routes.fetch(request, env);
    if (path === "/v1" || path.startsWith("/v1/")) return v1.fetch(request, env);
    if (isReferencePath(path)) return reference.fetch(request, env);
    if (path === "/metrics" && metrics && !settings.metrics) return answerMetrics({ host, metrics }, request, env);
    if (path === "/healthz") return Response.json({ status: "ok" });
    if (path === "/readyz") return ready();
    if (path.startsWith("/readyz/")) return ready(path.slice("/readyz/".length));
    if (path === "/" || isDashboardPath(path) || isBrowser(request)) return dashboard.fetch(request, env);
    return problem(404, "not-found", "Unknown path; docs/reference/http-api.md lists the paths");
  }

  /** Names the API of a path for the metrics. */
  function nameApi(path: string): string {
    const vendor = findVendor(path);
    if (vendor) return vendor.name;
    if (path === "/v1" || path.startsWith("/v1/")) return "v1";
    if (isReferencePath(path)) return "reference";
    if (path === "/" || isDashboardPath(path)) return "dashboard";
    return isMonitorPath(path) ? "health" : "other";
  }

  return {
    host,
    dashboard,
    fetch(request, env) {
      // The query is neither logged nor part of a span, because Altcraft accepts its token there.
      const path = cleanPath(request);
      const parent = readTraceparent(request.headers);
      // Performance: most gateways have no tracer.
      if (!tracer || isMonitorPath(path)) return runInTrace(parent, () => serve(request, path, env));
      const name = `${request.method} ${nameApi(path)}`;
      const attributes = { "http.request.method": request.method, "url.path": path };
      return runInSpan(tracer, name, { kind: "server", parent, attributes }, (span) => serve(request, path, env, span));
    },
    drain() {
      draining.abort();
    },
    stop,
  };

  async function serve(request: Request, path: string, env?: object, span?: Span): Promise<Response> {
    const started = performance.now();
    const requestId = readRequestId(request);
    let response: Response;
    try {
      response = await answer(request, path, env);
    } catch (error) {
      log.error({ error: toMessage(error), request_id: requestId, path }, "request failed");
      response = faultProblem(error);
    }
    response.headers.set("x-request-id", requestId);
    span?.setAttribute("http.response.status_code", response.status);
    const ms = performance.now() - started;
    // Performance: under overload, a log line would cost more than the call.
    if (host.admission.wasTurnedAway(request)) return response;
    metrics?.countRequest({ api: nameApi(path), status: response.status, seconds: ms / 1000 });
    const fields = { method: request.method, path, status: response.status, ms: Math.round(ms * 10) / 10 };
    const isMonitor = response.status < 400 && isMonitorPath(path);
    const batch = findBatchId(response, path);
    log[isMonitor ? "debug" : "info"](
      { ...fields, request_id: requestId, ...(batch !== undefined && { batch }) },
      "request",
    );
    return response;
  }
}

/** Returns the id of the batch that a call has created, or else of the one that its path names. */
function findBatchId({ headers }: Response, path: string): number | undefined {
  const created = headers.get("x-reinstate-batch") ?? /^\/v1\/batches\/(\d+)$/.exec(headers.get("location") ?? "")?.[1];
  const id = created ?? /\/(?:batches|batch_processes)\/(\d{1,15})(?:\/|$)/.exec(path)?.[1];
  return id === undefined ? undefined : Number(id);
}

/** Reports whether monitors call the path, every few seconds. */
const isMonitorPath = (path: string) => /^\/(healthz|readyz|metrics)(\/|$)/.test(path);

/** A person who mistyped an address gets a page. */
const isBrowser = ({ method, headers }: Request) =>
  method === "GET" && headers.get("accept")?.includes("text/html") === true;

/** Returns the configured engine. pg-boss is loaded only if it is used. */
async function createEngine({ engine }: Settings): Promise<{ engine?: EngineFactory }> {
  if (engine === "in-process") return {};
  const { createPgBossEngine } = await import("@reinstate/batch-core/pg-boss");
  return { engine: createPgBossEngine };
}
