import { createServer, type Server } from "node:http";
import type { Host } from "@reinstate/batch-core";
import { authenticate, problem, toProblem } from "@reinstate/batch-core/http";
import type { GatewayMetrics } from "./gateway-metrics.ts";

/** Headers of proxies. With one of them, the address of the connection is not that of the caller. */
const proxyHeaders = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

const loopback = /^(127(\.\d{1,3}){3}|::1|::ffff:127(\.\d{1,3}){3})$/;

/** Returns the metrics to a caller on this machine, or to the holder of an admin key. */
export async function answerMetrics(
  { host, metrics }: { host: Host; metrics: GatewayMetrics },
  request: Request,
  env: object | undefined,
): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") return refuseMethod();
  if (isLocal(host, request, env)) return send(metrics);
  let leave: (() => void) | undefined;
  try {
    leave = host.admission.enter(request, env);
    const key = await authenticate(host.admission, request, { vendor: "admin", form: "bearer" });
    if (key) return await send(metrics);
  } catch (error) {
    const known = toProblem(error);
    if (known) return known;
    throw error;
  } finally {
    leave?.();
  }
  return problem(401, "unauthorized", "This needs the header Authorization: Bearer <admin key>", {
    headers: { "www-authenticate": "Bearer" },
  });
}

/** Creates a server for the metrics alone. Every caller that reaches its address may read them. */
export function createMetricsServer(metrics: GatewayMetrics): Server {
  return createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, async (incoming, outgoing) => {
    const [path] = (incoming.url ?? "").split("?");
    const isRead = incoming.method === "GET" || incoming.method === "HEAD";
    const response = await (path !== "/metrics"
      ? problem(404, "not-found", "This address serves /metrics alone")
      : isRead
        ? send(metrics).catch(() => problem(500, "internal-error", "Unexpected error; see the server log"))
        : refuseMethod());
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  });
}

async function send(metrics: GatewayMetrics): Promise<Response> {
  const { text, type } = await metrics.render();
  return new Response(text, { headers: { "content-type": type, "cache-control": "no-store" } });
}

const refuseMethod = () =>
  problem(405, "method-not-allowed", "This path answers GET", { headers: { allow: "GET, HEAD" } });

function isLocal(host: Host, request: Request, env: object | undefined): boolean {
  if (proxyHeaders.some((name) => request.headers.has(name))) return false;
  const address = host.admission.readCallerAddress(request, env);
  return address !== undefined && loopback.test(address);
}
