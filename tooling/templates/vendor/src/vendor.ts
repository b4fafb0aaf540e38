import { defineVendor } from "@reinstate/batch-core";
import { type Acme, createAcme } from "./create.ts";
import { demo } from "./demo.ts";
import { importWidgets } from "./import/import.ts";
import { type AcmeSettings, acmeOptions } from "./options.ts";
import { basePath } from "./http/routes.ts";

/** The gateway's line for Acme. */
export const acme = defineVendor<AcmeSettings, Acme>({
  name: "acme",
  // FILL: the name as the vendor writes it.
  label: "Acme",
  accounts: true, // only with --accounts
  paths: [basePath],
  settings: acmeOptions,
  create: (host, settings) => createAcme(host, settings),
  import: {
    formats: ["ndjson"],
    run: (host, { store }, source, request) => importWidgets(store, source, request, host.clock.now()),
  },
  demo,
});
