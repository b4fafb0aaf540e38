import { defineVendor } from "@reinstate/batch-core";
import { createFirstPromoter } from "./create.ts";
import { demoKeys, loadDemo } from "./demo.ts";
import { openApi } from "./http/openapi.ts";
import { importPromoters } from "./import/import.ts";
import { firstPromoterSettings } from "./options.ts";

/** The registration of FirstPromoter with the gateway. */
export const firstpromoter = defineVendor({
  name: "firstpromoter",
  label: "FirstPromoter",
  accounts: true,
  paths: ["/api/v2/company"],
  settings: firstPromoterSettings,
  create(host, { upstreamUrl: baseUrl = "", upstreamKey, upstreamAccount, upstreamKeys, ...options }) {
    const keys = upstreamKeys ?? (upstreamKey && upstreamAccount ? { [upstreamAccount]: upstreamKey } : {});
    const upstream = Object.entries(keys).map(([accountId, apiKey]) => ({ baseUrl, apiKey, accountId }));
    return createFirstPromoter(host, { ...options, upstream });
  },
  import: {
    formats: ["ndjson", "csv"],
    run: (host, _, source, { account, format, onRefused }) =>
      importPromoters(host, account, source, format, { onRefused }),
  },
  openApi: (settings, limits) => openApi(settings, limits),
  demo: {
    keys: demoKeys,
    load: (host, { store }) => loadDemo(host.database, store, host.clock.now()),
    curl: (baseUrl) =>
      `curl -X POST ${baseUrl}/api/v2/company/promoters/restore -H 'Authorization: Bearer demo-firstpromoter-key' ` +
      `-H 'Account-ID: acc_demo' -H 'Content-Type: application/json' -d '{"ids":[123]}'`,
  },
});
