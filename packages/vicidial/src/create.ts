import type { AnyOperation, Host, VendorInstance } from "@reinstate/batch-core";
import { createNonAgentApi } from "./http/non-agent-api.ts";
import { createRoutes } from "./http/routes.ts";
import { createOfficeClock } from "./office-hours/office-clock.ts";
import { type OfficeHours, parseOfficeHours } from "./office-hours/office-hours.ts";
import { createOperations } from "./operations/operations.ts";
import { createUpstreamOperations } from "./operations/upstream.ts";
import { createUpstreamFetch } from "./operations/upstream-client.ts";
import { readOptions, type VicidialOptions } from "./options.ts";
import { createDemoStore } from "./store/demo-store.ts";
import type { LeadStore } from "./store/lead-store.ts";
import { diagnose } from "./store/mariadb/doctor/diagnose.ts";
import type { Diagnosis } from "./store/mariadb/doctor/diagnosis.ts";
import { inspectVicidial } from "./store/mariadb/doctor/inspect.ts";
import { createMariadbStore } from "./store/mariadb/mariadb-store.ts";

/** A running instance: the API, the operations and the store. */
export interface Vicidial extends VendorInstance {
  operations: AnyOperation[];
  store: LeadStore;
  /** Examines the two lead tables. Returns what prevents moves and the statements that fix it; runs none of them. */
  doctor(): Promise<Diagnosis>;
  /** Resolves if leads can be moved; rejects with the reason if not. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Serves the leads API over a VICIdial database, or over demo tables in the host's database, and registers its operations with the
 * host. An unreachable database does not reject; `ready` reports it.
 *
 * @throws ReinstateError `bad_setting` for an invalid option.
 */
export async function createVicidial(host: Host, vicidialOptions: VicidialOptions = {}): Promise<Vicidial> {
  const options = readOptions(vicidialOptions);
  const { url, callTime, upstreamUrl, upstreamKey, upstreamCa } = options;
  const hours = {
    dearchive: parseOfficeHours(options.dearchiveHours) as OfficeHours,
    archive: parseOfficeHours(options.archiveHours ?? (callTime === undefined ? "any" : "outside")) as OfficeHours,
  };
  const upstream =
    upstreamUrl !== undefined && upstreamKey !== undefined
      ? createUpstreamOperations(host, { upstreamUrl, upstreamKey, upstreamCa })
      : [];
  const mariadb = url === undefined ? undefined : await createMariadbStore(host, { ...options, url });
  const store: LeadStore = mariadb ?? (await createDemoStore(host.database));
  const readCallTime = mariadb && callTime !== undefined ? () => mariadb.otherTables.callTime(callTime) : undefined;
  const office = createOfficeClock(host, hours, options.timeZone, readCallTime);
  const inspected = {
    host,
    mariadb: mariadb && url !== undefined ? { store: mariadb, url } : undefined,
    upstream:
      upstreamUrl === undefined
        ? undefined
        : { url: upstreamUrl, fetch: createUpstreamFetch({ upstreamUrl, upstreamCa }) },
  };
  // Both sets have the same two names. The host tells them apart by the target: `local` or `upstream`.
  const operations = [...createOperations(store, office, () => host.clock.now()), ...upstream];
  host.register(...operations);
  host.declareAccounts({ vendor: "vicidial", label: "VICIdial (TForge leads API)" });
  return {
    routes: createRoutes(
      { host, store, office, nonAgentApi: createNonAgentApi(host, mariadb?.otherTables, office) },
      options,
    ),
    operations,
    store,
    doctor: async () => (await mariadb?.read(diagnose)) ?? { findings: [] },
    inspect: (request) => inspectVicidial(inspected, request),
    ready: () => store.ready(),
    close: () => store.close(),
  };
}
