import type { Vendor } from "@reinstate/batch-core";
import { v1OpenApi } from "@reinstate/batch-core/http";
import type { CallLimits, Json } from "@reinstate/batch-core/openapi";
import type { Settings } from "../config.ts";
import { uploadMs } from "../slow-clients.ts";
import { mergeDocuments } from "./merge-documents.ts";
import { serviceOpenApi } from "./service-api.ts";

export interface ReferenceOptions {
  vendors: readonly Vendor[];
  /** Decide which routes are served, below which prefix, and the limits of the calls. */
  settings: Pick<
    Settings,
    "vendors" | "basePath" | "admission" | "requestSeconds" | "databaseSeconds" | "maxConnections"
  >;
}

const introduction = `Restores archived or deleted records, one vendor's own API each, and batches of any size over all of them.

Each vendor's API answers at the vendor's own paths, so a real client needs only another base URL. A call that created a batch has its id in the response header \`X-Reinstate-Batch\`; \`/v1/batches/{id}/items\` has the outcome of each item.

Each call names its limits, with the settings of this server. A call over a limit of calls gets 429 or 503 with \`Retry-After\`, and a larger body 413. The examples use the keys of the demo (\`reinstate serve --demo\`).`;

/** Returns the limits of the calls that use the ledger. */
const readCallLimits = ({ admission, requestSeconds, databaseSeconds }: ReferenceOptions["settings"]): CallLimits => ({
  bodySeconds: requestSeconds,
  uploadSeconds: uploadMs / 1000,
  databaseSeconds,
  callsPerKey: admission.maxInFlightPerKey,
  calls: admission.maxInFlight,
});

/** Returns the OpenAPI 3.1 document of everything that the gateway serves for programs. */
export function describeGateway({ vendors, settings }: ReferenceOptions): Json {
  const limits = readCallLimits(settings);
  const parts = vendors.flatMap(({ name, label, openApi }) =>
    openApi ? [{ name, label, document: openApi(settings.vendors[name], limits) }] : [],
  );
  return mergeDocuments(
    {
      info: {
        title: "Reinstate",
        version: "1",
        description: introduction,
        license: { name: "MIT", identifier: "MIT" },
      },
      servers: [{ url: settings.basePath || "/" }],
    },
    [
      ...parts,
      { name: "v1", label: "Reinstate", document: v1OpenApi(limits) },
      { name: "service", label: "Reinstate", document: serviceOpenApi({ connections: settings.maxConnections }) },
    ],
  );
}
