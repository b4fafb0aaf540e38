import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type Log, toMessage } from "@reinstate/batch-core";
import { vendors } from "../all-vendors.ts";
import type { Settings } from "../config.ts";
import { demoAdminKey, demoWelcome } from "../demo.ts";
import { createGateway, type Gateway } from "../gateway.ts";
import { listen } from "../listen.ts";
import { loadTracer } from "../load-tracer.ts";
import { createLog } from "../logger.ts";
import type { GatewayMetrics } from "../metrics/gateway-metrics.ts";
import { createMetricsServer } from "../metrics/routes.ts";
import { createHttpServer } from "../server.ts";
import { settings } from "./context.ts";
import { createShutdown, receiveSignal, type Shutdown } from "./shutdown.ts";
import { print } from "./terminal/output.ts";

/**
 * Serves until SIGTERM, SIGINT or SIGHUP, then ends with status 0 when the work in progress is done, and with status 1 if it is not
 * done within the grace. The next start resumes unfinished batches.
 */
export async function serve(options: { demo?: boolean }): Promise<void> {
  const config = settings(vendors, options.demo ? { REINSTATE_DEMO: "true" } : {});
  const log = createLog(config.logLevel);
  // Loaded here alone, because the library takes longer to load than most commands take.
  const { createMetrics } = await import("../metrics/metrics.ts");
  const tracer = await loadTracer(log);
  const metrics = createMetrics({ vendors, settings: config.vendors, tracer });
  const gateway = await createGateway(config, vendors, log, metrics, tracer);
  // Before anything is printed, because a program that reads the output may send a signal at once.
  const signal = receiveSignal();
  await serveMetrics(config, metrics, gateway);
  if (config.role === "worker") {
    print("Reinstate works on batches; this process does not listen");
    log.info({ signal: await signal }, "stopping");
    return end(createShutdown(config.graceSeconds * 1000), gateway, log);
  }

  const server = createHttpServer(gateway.fetch, { ...config, admission: gateway.host.admission });
  const shutdown = createShutdown(config.graceSeconds * 1000, server);
  let listening: AddressInfo;
  try {
    listening = await listen(server, config);
  } catch (error) {
    await gateway.stop();
    throw new Error(`Cannot listen on ${config.host}:${config.port}: ${toMessage(error)}`);
  }
  const { address, port, family } = listening;
  const baseUrl = `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
  print(`Reinstate listens on ${baseUrl}`);
  if (config.demo) {
    const { host, dashboard } = gateway;
    const key = await host.keys.find("admin", demoAdminKey);
    print(`\n${demoWelcome(baseUrl, vendors)}`);
    if (key) print(`# The dashboard; this link signs in once\n${baseUrl}${dashboard.createSignInPath(key)}\n`);
  }

  log.info({ signal: await signal }, "stopping");
  gateway.drain();
  await shutdown.closeServer();
  await end(shutdown, gateway, log);
}

/** Serves the metrics on their own address, if one is set, until the end of the process. */
async function serveMetrics({ metrics: address }: Settings, metrics: GatewayMetrics, gateway: Gateway): Promise<void> {
  if (!address) return;
  const server = createMetricsServer(metrics).unref();
  try {
    server.listen(address.port, address.host);
    await once(server, "listening");
  } catch (error) {
    await gateway.stop();
    throw new Error(`Cannot listen on ${address.host}:${address.port} (REINSTATE_METRICS): ${toMessage(error)}`);
  }
  const { address: host, port } = server.address() as AddressInfo;
  print(`Metrics on http://${host.includes(":") ? `[${host}]` : host}:${port}/metrics`);
}

/** Finishes the work in progress within the grace period. Work that hangs after it is abandoned. */
async function end(shutdown: Shutdown, gateway: Gateway, log: Log): Promise<void> {
  const finished = await shutdown.finish(gateway.stop);
  if (finished) log.info({}, "stopped");
  else log.error({}, "stopped before all work was finished");
  process.exit(finished ? 0 : 1);
}
