import { type Host, inspectHostDatabase, readVendorOptions, type VendorInstance } from "@reinstate/batch-core";
import { createRoutes } from "./http/routes.ts";
import { createOperations } from "./operations/operations.ts";
import { type AcmeOptions, acmeOptions } from "./options.ts";
import { createSqlStore } from "./store/sql-store.ts";
import type { WidgetStore } from "./store/store.ts";

/** Acme at work: its API, its operations and its records. */
export interface Acme extends VendorInstance {
  store: WidgetStore;
}

/**
 * Serves Acme's API over widgets in the host's own database. Makes its tables, and registers the operations
 * `acme.widgets.restore` and `acme.widgets.delete` with the host.
 *
 * @throws ReinstateError `bad_setting` for an option that is not allowed.
 * @example
 * const host = await createHost({ databaseUrl: "sqlite:./reinstate.db" });
 * const acme = await createAcme(host);
 * export default { fetch: acme.routes.fetch };
 */
export async function createAcme(host: Host, options: AcmeOptions = {}): Promise<Acme> {
  const settings = readVendorOptions("acme", acmeOptions, options);
  const store = await createSqlStore(host.database);
  const operations = createOperations(host, store);
  host.register(...operations);
  host.declareAccounts({
    vendor: "acme",
    label: "Acme",
    hasAccount: (account) => store.hasAccount(account), // only with --accounts
  });
  return {
    routes: createRoutes(host, store, settings),
    operations,
    store,
    // FILL: the real vendor, by inspectUpstream, and what an operator should know.
    inspect: () => inspectHostDatabase(host),
    hasAccount: (account) => store.hasAccount(account), // only with --accounts
  };
}
