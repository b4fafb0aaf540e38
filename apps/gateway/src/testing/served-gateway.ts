import type { Vendor } from "@reinstate/batch-core";
import type { Gateway } from "../gateway.ts";
import { createHttpServer } from "../server.ts";
import { openDemoGateway } from "./demo-gateway.ts";

/** A gateway with the demo records in this process, on a port of its own. */
export interface ServedGateway extends AsyncDisposable {
  baseUrl: string;
  gateway: Gateway;
}

/** Serves the demo gateway, with `further` vendors, to a browser. */
export async function serveDemoGateway(
  databaseUrl: string,
  settings: Record<string, string> = {},
  further: readonly Vendor[] = [],
): Promise<ServedGateway> {
  const gateway = await openDemoGateway(databaseUrl, settings, further);
  const server = createHttpServer(gateway.fetch, { keepAliveSeconds: 5, requestSeconds: 60, maxConnections: 100 });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    gateway,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await gateway.stop();
    },
  };
}
