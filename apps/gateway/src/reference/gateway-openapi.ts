import type { Vendor } from "@reinstate/batch-core";
import { v1OpenApi } from "@reinstate/batch-core/http";
import type { Json } from "@reinstate/batch-core/openapi";
import { mergeDocuments } from "./merge-documents.ts";
import { serviceOpenApi } from "./service-api.ts";

export interface ReferenceOptions {
  vendors: readonly Vendor[];
  /** The settings of each vendor, by vendor name. */
  settings: Readonly<Record<string, unknown>>;
  /** The prefix of every path behind a proxy; empty without one. */
  basePath?: string;
}

const description = `Restores archived or deleted records, one vendor's own API each, and batches of any size over all of them.

Each vendor's API answers at the vendor's own paths, so a real client needs only another base URL. A call that created a batch has its id in the response header \`X-Reinstate-Batch\`; \`/v1/batches/{id}/items\` has the outcome of each item.

**Limits.** By default 96 calls of one key and 128 calls in all are in progress at the same time; further ones get 429 or 503 with \`Retry-After\`. The examples use the keys of the demo (\`reinstate serve --demo\`).`;

/** Returns the OpenAPI 3.1 document of everything that the gateway serves for programs. */
export function describeGateway({ vendors, settings, basePath = "" }: ReferenceOptions): Json {
  const parts = vendors.flatMap(({ name, label, openApi }) =>
    openApi ? [{ name, label, document: openApi(settings[name]) }] : [],
  );
  return mergeDocuments(
    {
      info: { title: "Reinstate", version: "1", description, license: { name: "MIT", identifier: "MIT" } },
      servers: [{ url: basePath || "/" }],
    },
    [
      ...parts,
      { name: "v1", label: "Reinstate", document: v1OpenApi() },
      { name: "service", label: "Reinstate", document: serviceOpenApi() },
    ],
  );
}
