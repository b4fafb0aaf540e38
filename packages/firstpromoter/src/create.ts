import type { AnyOperation, Host } from "@reinstate/batch-core";
import type { Hono } from "hono";
import type { Env } from "./http/requests.ts";
import { createRoutes } from "./http/routes.ts";
import { createOperations } from "./operations/operations.ts";
import { createUpstreamOperations } from "./operations/upstream.ts";
import { type FirstPromoterOptions, readOptions, readUpstreams } from "./options.ts";
import { createSqlStore } from "./store/sql-store.ts";
import type { PromoterStore } from "./store/store.ts";
import { createNoticeStore } from "./webhooks/outbox.ts";
import { createWebhook } from "./webhooks/webhook.ts";

/** FirstPromoter at work: its API, its operations, and its records. */
export interface FirstPromoter {
  routes: Hono<Env>;
  operations: AnyOperation[];
  store: PromoterStore;
  /** Whether an account has promoters. */
  hasAccount(account: string): Promise<boolean>;
  /** Ends what goes on beside requests: webhooks, waits for the real vendor. To be called before the host is closed. */
  closing(): Promise<void>;
}

/**
 * FirstPromoter's API v2 (`/api/v2/company/…`) over promoters in the host's own database. Makes its tables, and registers
 * the operations `firstpromoter.promoters.restore`, `.archive` and their like with the host; with `upstream` these two also
 * for the real FirstPromoter. Throws where an option is not one of those allowed.
 */
export async function createFirstPromoter(host: Host, options: FirstPromoterOptions = {}): Promise<FirstPromoter> {
  const read = readOptions(options);
  const upstreams = readUpstreams(options);
  const store = await createSqlStore(host.database, host.log);
  const webhook = createWebhook(host, createNoticeStore(host.database), read, options.webhookFetch);
  const ending = new AbortController();
  const operations = [
    ...createOperations(host, store, read),
    ...(upstreams.length > 0 ? createUpstreamOperations(host, upstreams, ending.signal) : []),
  ].map((operation) => webhook?.announcing(operation) ?? operation);
  host.register(...operations);
  const hasAccount = (account: string) => store.hasAccount(account);
  host.declareAccounts({ vendor: "firstpromoter", label: "FirstPromoter", hasAccount });
  webhook?.start();
  return {
    routes: createRoutes(host, store, read),
    operations,
    store,
    hasAccount,
    async closing() {
      ending.abort();
      await webhook?.stop();
    },
  };
}
