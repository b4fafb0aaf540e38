import {
  type AnyOperation,
  type Host,
  type InspectOptions,
  inspectHostDatabase,
  inspectUpstream,
  type VendorInspection,
} from "@reinstate/batch-core";
import type { Hono } from "hono";
import type { Env } from "./http/requests.ts";
import { createRoutes } from "./http/routes.ts";
import { createOperations } from "./operations/operations.ts";
import { createUpstreamOperations } from "./operations/upstream.ts";
import { type FirstPromoterOptions, readOptions, readUpstreams } from "./options.ts";
import { createSqlStore } from "./store/sql-store.ts";
import type { PromoterStore } from "./store/store.ts";
import { createWebhookOutbox } from "./webhooks/outbox.ts";
import { createWebhook } from "./webhooks/webhook.ts";

/** FirstPromoter on a host: its API, its operations, and its store. */
export interface FirstPromoter {
  routes: Hono<Env>;
  operations: AnyOperation[];
  store: PromoterStore;
  /** Returns whether an account has promoters. */
  hasAccount(account: string): Promise<boolean>;
  /** Returns whether the host's database and the real vendor of each account can be reached. */
  inspect(options?: InspectOptions): Promise<VendorInspection>;
  /** Stops webhooks and waits for the real vendor. Call it before `host.close()`. */
  closing(): Promise<void>;
}

/**
 * Creates FirstPromoter's API v2 (`/api/v2/company/…`) over promoters in the host's own database. Creates its tables and
 * registers the operations `firstpromoter.promoters.restore`, `.archive` and so on with the host. With `upstream` these two are
 * also registered for the real FirstPromoter.
 *
 * @throws `bad_setting` that names an invalid option.
 * @example
 * const host = await createHost({ databaseUrl: "sqlite:./reinstate.db" });
 * const { routes } = await createFirstPromoter(host);
 * export default { fetch: routes.fetch };
 */
export async function createFirstPromoter(host: Host, options: FirstPromoterOptions = {}): Promise<FirstPromoter> {
  const read = readOptions(options);
  const upstreams = readUpstreams(options);
  const store = await createSqlStore(host.database, host.log);
  const webhook = createWebhook(host, createWebhookOutbox(host.database), read, options.webhookFetch);
  const ending = new AbortController();
  const operations = [
    ...createOperations(host, store, read),
    ...(upstreams.length > 0 ? createUpstreamOperations(host, upstreams, ending.signal) : []),
  ].map((operation) => webhook?.withWebhook(operation) ?? operation);
  host.register(...operations);
  const hasAccount = (account: string) => store.hasAccount(account);
  host.declareAccounts({ vendor: "firstpromoter", label: "FirstPromoter", hasAccount });
  webhook?.start();
  return {
    routes: createRoutes(host, store, read),
    operations,
    store,
    hasAccount,
    async inspect(request) {
      const [local, ...remote] = await Promise.all([
        inspectHostDatabase(host),
        ...upstreams.map(({ baseUrl, accountId, fetch }) =>
          inspectUpstream({ url: baseUrl, account: accountId, fetch }, request),
        ),
      ]);
      return { ...local, targets: [...local.targets, ...remote] };
    },
    async closing() {
      ending.abort();
      await webhook?.stop();
    },
  };
}
