import type { Log, Vendor } from "@reinstate/batch-core";
import { vendors } from "../all-vendors.ts";
import { readSettings } from "../config.ts";
import { createGateway, type Gateway } from "../gateway.ts";

export { vendors };

/** A gateway with the demo records in this process, and with `further` vendors. `errors` collects what it logs as an error. */
export async function openDemoGateway(
  databaseUrl: string,
  settings: Record<string, string> = {},
  further: readonly Vendor[] = [],
): Promise<Gateway & AsyncDisposable & { errors: object[] }> {
  const errors: object[] = [];
  const log: Log = {
    error: (fields, message) => void errors.push({ ...fields, message }),
    warn() {},
    info() {},
    debug() {},
  };
  const env = { REINSTATE_DEMO: "true", REINSTATE_DATABASE_URL: databaseUrl, ...settings };
  const all = [...vendors, ...further];
  const gateway = await createGateway(readSettings({ env, vendors: all }), all, log);
  return { ...gateway, errors, [Symbol.asyncDispose]: () => gateway.stop() };
}
