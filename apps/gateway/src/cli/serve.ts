import type { AddressInfo } from "node:net";
import { type Log, toMessage } from "@reinstate/batch-core";
import { demoWelcome } from "../demo.ts";
import { createGateway, type Gateway } from "../gateway.ts";
import { listen } from "../listen.ts";
import { createLog } from "../logger.ts";
import { createHttpServer } from "../server.ts";
import { createTurnAway } from "../turn-away.ts";
import { print, settings, vendors } from "./context.ts";
import { createShutdown, receiveSignal, type Shutdown } from "./shutdown.ts";

/**
 * Serves until SIGTERM, SIGINT or SIGHUP, then ends with status 0 when the work in progress is done, and with status 1 if it is not
 * done within the grace. The next start resumes unfinished batches.
 */
export async function serve(options: { demo?: boolean }): Promise<void> {
  const config = settings(options.demo ? { REINSTATE_DEMO: "true" } : {});
  const log = createLog(config.logLevel);
  const gateway = await createGateway(config, vendors, log);
  // Before anything is printed, because a program that reads the output may send a signal at once.
  const signal = receiveSignal();
  if (config.role === "worker") {
    print("Reinstate works on batches; this process does not listen");
    log.info({ signal: await signal }, "stopping");
    return end(createShutdown(config.graceSeconds * 1000), gateway, log);
  }

  const server = createHttpServer(gateway.fetch, { ...config, turnAway: createTurnAway(gateway.host.admission) });
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
  if (config.demo) print(`\n${demoWelcome(baseUrl, vendors)}`);

  log.info({ signal: await signal }, "stopping");
  gateway.drain();
  await shutdown.closeServer();
  await end(shutdown, gateway, log);
}

/** Finishes the work in progress within the grace period. Work that hangs after it is abandoned. */
async function end(shutdown: Shutdown, gateway: Gateway, log: Log): Promise<void> {
  const finished = await shutdown.finish(gateway.stop);
  if (finished) log.info({}, "stopped");
  else log.error({}, "stopped before all work was finished");
  process.exit(finished ? 0 : 1);
}
