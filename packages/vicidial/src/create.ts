import type { AnyOperation, Host, VendorInstance } from "@reinstate/batch-core";
import { diagnose } from "./doctor/diagnose.ts";
import type { Diagnosis } from "./doctor/diagnosis.ts";
import { createNonAgentApi } from "./http/non-agent-api.ts";
import { createRoutes } from "./http/routes.ts";
import { createOfficeClock } from "./office-hours/office-clock.ts";
import { type OfficeHours, parseOfficeHours } from "./office-hours/office-hours.ts";
import { createOperations } from "./operations/operations.ts";
import { createUpstreamOperations } from "./operations/upstream.ts";
import { readOptions, type VicidialOptions } from "./options.ts";
import { createSqlStore } from "./store/demo-tables.ts";
import type { LeadStore } from "./store/lead-store.ts";
import { createMariadbStore } from "./store/mariadb/mariadb-store.ts";

/** VICIdial's leads at work: the API, the operations and the tables. */
export interface Vicidial extends VendorInstance {
  operations: AnyOperation[];
  store: LeadStore;
  /** What is wrong about the two lead tables, with the statements that we would advise; none is run. */
  doctor(): Promise<Diagnosis>;
  ready(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Serves the leads API over a VICIdial database, or over demo tables in the host's, and registers its operations with
 * the host. Throws `bad_setting` where an option is wrong; a database that does not answer is told by `ready`.
 */
export async function createVicidial(host: Host, given: VicidialOptions = {}): Promise<Vicidial> {
  const options = readOptions(given);
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
  const store: LeadStore = mariadb ?? (await createSqlStore(host.database));
  const readCallTime = mariadb && callTime !== undefined ? () => mariadb.database.callTime(callTime) : undefined;
  const office = createOfficeClock(host, hours, options.timeZone, readCallTime);
  const operations = [...createOperations(store, office, () => host.clock.now()), ...upstream];
  host.register(...operations);
  host.declareAccounts({ vendor: "vicidial", label: "VICIdial (TForge leads API)" });
  return {
    routes: createRoutes(
      { host, store, office, nonAgentApi: createNonAgentApi(host, mariadb?.database, office) },
      options,
    ),
    operations,
    store,
    doctor: async () => (await mariadb?.read(diagnose)) ?? { findings: [] },
    ready: () => store.ready(),
    close: () => store.close(),
  };
}
