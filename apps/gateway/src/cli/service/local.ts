import { userInfo } from "node:os";
import { type Host, type Log, silentLog } from "@reinstate/batch-core";
import { createV1Routes } from "@reinstate/batch-core/http";
import { readSettings, type Settings } from "../../config.ts";
import { loadVendors } from "../../load-vendors.ts";
import { type OpenedVendors, openVendors, settings } from "../context.ts";
import { createService, type Service } from "./service.ts";

/** Milliseconds for which chunks in progress may finish, before their waits are cut short. */
const finishMs = 4_000;

/** `/v1` in this process, with the host behind it. */
export interface LocalService extends Service {
  host: Host;
}

/** Opens the ledger and some vendors in this process. It works on no batch, except those that `run` names. */
export async function openLocal(needed: readonly string[]): Promise<LocalService> {
  const vendors = await loadVendors(needed);
  const config = settings(vendors);
  const faults: string[] = [];
  return createLocal(config, await openVendors(config, vendors, createFaultLog(faults)), faults);
}

/** Opens a vendor with its default settings and without records, to read its operations. */
export async function openCatalog(vendor: string): Promise<LocalService> {
  const vendors = await loadVendors([vendor]);
  const config = { ...readSettings({ env: {}, vendors }), databaseUrl: "sqlite::memory:" };
  return createLocal(config, await openVendors(config, vendors), []);
}

/** Creates a log that keeps its latest error, which explains a failed call. */
function createFaultLog(faults: string[]): Log {
  const error = ({ error }: Record<string, unknown>, message: string) => {
    faults[0] = error === undefined ? message : `${message}: ${String(error)}`;
  };
  return { ...silentLog, error };
}

function createLocal(
  { databaseUrl }: Settings,
  { host, endWaits, close }: OpenedVendors,
  faults: readonly string[],
): LocalService {
  const routes = createV1Routes(host, { actor: `cli ${readUserName()}`, streamLimit: Number.MAX_SAFE_INTEGER });
  const service = createService({
    place: `this process, on ${describeDatabase(databaseUrl)}`,
    server: undefined,
    findFault: () => faults[0],
    fetch: async (path, init) => routes.fetch(new Request(`http://reinstate.internal${path}`, init)),
    async run(id) {
      const running = await host.runBatch(id);
      return {
        async stop() {
          const overdue = setTimeout(() => void endWaits(), finishMs);
          await running.stop();
          clearTimeout(overdue);
        },
      };
    },
    close,
  });
  return { ...service, host };
}

function readUserName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run under an id without a name.
    return String(process.getuid?.() ?? "");
  }
}

/** Describes the ledger's database without a password. */
export function describeDatabase(databaseUrl: string): string {
  if (databaseUrl.startsWith("sqlite:")) return databaseUrl.slice("sqlite:".length);
  const url = new URL(databaseUrl);
  return `${url.protocol}//${url.host}${url.pathname}`;
}
