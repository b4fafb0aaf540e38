import { vendors as others } from "../all-vendors.ts";
import { readSettings } from "../config.ts";
import { createGateway } from "../gateway.ts";
import { listen } from "../listen.ts";
import { createLog } from "../logger.ts";
import { createHttpServer } from "../server.ts";
import { shelf } from "./shelf.ts";

// The gateway with one vendor more, which is slow and whose outcomes are known.
const vendors = [...others, shelf];
const settings = readSettings({ env: process.env, vendors });
const gateway = await createGateway(settings, vendors, createLog(settings.logLevel));
const server = createHttpServer(gateway.fetch, { ...settings, admission: gateway.host.admission });
const { port } = await listen(server, settings);
process.stdout.write(`Reinstate listens on http://127.0.0.1:${port}\n`);
process.once("SIGTERM", async () => {
  gateway.drain();
  server.close();
  server.closeAllConnections();
  await gateway.stop();
  process.exit(0);
});
