import type { AddressInfo } from "node:net";
import { messageOf } from "@reinstate/batch-core";
import { demoWelcome } from "../demo.ts";
import { createGateway } from "../gateway.ts";
import { createLog } from "../logger.ts";
import { createHttpServer } from "../server.ts";
import { print, settings, vendors } from "./context.ts";

/** How long requests in hand may take after the signal to stop. */
const graceMs = 20_000;

/** Serves until SIGTERM or SIGINT, then ends with status 0 when the work in hand is done. */
export async function serve(options: { demo?: boolean }): Promise<void> {
  const config = settings(options.demo ? { REINSTATE_DEMO: "true" } : {});
  const log = createLog(config.logLevel);
  const gateway = await createGateway(config, vendors, log);
  if (config.role === "worker") {
    print("Reinstate works on batches; this process does not listen");
    await signalled();
    await gateway.stop();
    return;
  }

  const server = createHttpServer(gateway.fetch, config);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(config.port, config.host, resolve);
    });
  } catch (error) {
    await gateway.stop();
    throw new Error(`Cannot listen on ${config.host}:${config.port}: ${messageOf(error)}`);
  }
  const { address, port, family } = server.address() as AddressInfo;
  const baseUrl = `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
  print(`Reinstate listens on ${baseUrl}`);
  if (config.demo) print(`\n${demoWelcome(baseUrl, vendors)}`);

  const signal = await signalled();
  log.info({ signal }, "stopping");
  gateway.drain();
  // A connection whose last answer ends from now on is not kept for another request.
  server.keepAliveTimeout = 1;
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(cut);
  await gateway.stop();
  log.info({}, "stopped");
}

function signalled(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve(signal));
  });
}
