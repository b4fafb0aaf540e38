import type { Json } from "@reinstate/batch-core/openapi";
import { listOperations } from "./docs-page.ts";

/** Returns the text of `/llms.txt`: the pages that are served, and every call. */
export function renderLlmsText(base: string, document: Json): string {
  const calls = [...listOperations(document)].flatMap(([tag, operations]) => [
    `\n## ${tag}\n`,
    ...operations.map(({ method, path, summary }) => `- \`${method} ${path}\`: ${summary}`),
  ]);
  return `# Reinstate

> Restores archived or deleted records: FirstPromoter promoters, Altcraft subscriptions, VICIdial leads. Each vendor's API answers at the vendor's own paths; \`/v1\` runs batches of any size over all of them.

- [OpenAPI 3.1](${base}/openapi.json): every call with parameters, replies, errors and examples
- [API reference](${base}/docs): the same for a browser
- [Problems](${base}/docs/problems): every problem type, why it occurs, what to do
- [Dashboard](${base}/): batches in a browser, after sign-in
- [Metrics](${base}/metrics): for Prometheus
${calls.join("\n")}
`;
}
