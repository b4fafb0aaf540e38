import { createHost } from "@reinstate/batch-core";
import { createV1Routes } from "@reinstate/batch-core/http";
import { readSettings } from "../config.ts";
import { vendors } from "./demo-gateway.ts";

/** A route as its router has it: `POST /v1/batches/:id/stop`. */
export interface ServedRoute {
  /** `v1`, or the vendor's name. */
  api: string;
  method: string;
  path: string;
}

interface Router {
  routes?: { method: string; path: string }[];
}

/** Returns every route of every vendor and of `/v1`, read from the routers. */
export async function servedRoutes(settings: Record<string, string> = {}): Promise<ServedRoute[]> {
  const host = await createHost({ databaseUrl: "sqlite::memory:", role: "web" });
  try {
    const { vendors: ofVendors, timeZone } = readSettings({ env: settings, vendors });
    const served = routesOf("v1", createV1Routes(host));
    for (const vendor of vendors) {
      const instance = await vendor.create(host, ofVendors[vendor.name], { timeZone });
      served.push(...routesOf(vendor.name, instance.routes));
      await instance.closing?.();
      await instance.close?.();
    }
    return served;
  } finally {
    await host.close();
  }
}

/** A route for all methods counts if its path has no other: the others only answer 405. */
function routesOf(api: string, router: object): ServedRoute[] {
  const { routes } = router as Router;
  if (!routes) throw new Error(`The router of ${api} does not list its routes`);
  const named = routes.filter(({ path }) => !path.endsWith("*"));
  const withMethod = named.filter(({ method }) => method !== "ALL");
  const known = new Set(withMethod.map(({ path }) => path));
  const forAll = named.filter(({ method, path }) => method === "ALL" && !known.has(path));
  return [...withMethod, ...forAll].map(({ method, path }) => ({ api, method, path }));
}
