import type { Log, Vendor } from "@reinstate/batch-core";
import { readSettings } from "../config.ts";
import { createGateway, type Gateway } from "../gateway.ts";
import * as vendorModules from "../vendors.ts";

export const vendors: Vendor[] = Object.values(vendorModules);

/** A gateway with the demo records in this process. `errors` collects what it logs as an error. */
export async function openDemoGateway(
  databaseUrl: string,
  settings: Record<string, string> = {},
): Promise<Gateway & AsyncDisposable & { errors: object[] }> {
  const errors: object[] = [];
  const log: Log = {
    error: (fields, message) => void errors.push({ ...fields, message }),
    warn() {},
    info() {},
    debug() {},
  };
  const env = { REINSTATE_DEMO: "true", REINSTATE_DATABASE_URL: databaseUrl, ...settings };
  const gateway = await createGateway(readSettings({ env, vendors }), vendors, log);
  return { ...gateway, errors, [Symbol.asyncDispose]: () => gateway.stop() };
}
