import { createHost } from "@reinstate/batch-core";
import { createV1Routes } from "@reinstate/batch-core/http";
import { listServedRoutes } from "@reinstate/batch-core/testing";
import { readSettings } from "../config.ts";
import { createReference } from "../reference/routes.ts";
import { vendors } from "./demo-gateway.ts";

/** A route as its router has it: `POST /v1/batches/:id/stop`. */
export interface ServedRoute {
  /** `v1`, `service`, or the vendor's name. */
  api: string;
  method: string;
  path: string;
}

/** The paths that `gateway.ts` answers without a router. */
const healthPaths = ["/healthz", "/readyz", "/readyz/:vendor", "/metrics"];

/** Returns every route of every vendor and of `/v1`, read from the routers. */
export async function servedRoutes(settings: Record<string, string> = {}): Promise<ServedRoute[]> {
  const host = await createHost({ databaseUrl: "sqlite::memory:", role: "web" });
  try {
    const read = readSettings({ env: settings, vendors });
    const served = [
      ...listRoutes("v1", createV1Routes(host)),
      ...listRoutes("service", createReference({ vendors, settings: read })),
      ...healthPaths.map((path) => ({ api: "service", method: "GET", path })),
    ];
    for (const vendor of vendors) {
      const instance = await vendor.create(host, read.vendors[vendor.name], { timeZone: read.timeZone });
      served.push(...listRoutes(vendor.name, instance.routes));
      await instance.closing?.();
      await instance.close?.();
    }
    return served;
  } finally {
    await host.close();
  }
}

const listRoutes = (api: string, router: object): ServedRoute[] =>
  listServedRoutes(router).map((route) => ({ api, ...route }));
