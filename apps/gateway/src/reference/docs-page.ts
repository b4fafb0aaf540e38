import type { Json } from "@reinstate/batch-core/openapi";
import { html } from "hono/html";
import { renderDocument } from "../html-document.ts";

/** One operation of the document, as the list shows it. */
export interface ListedOperation {
  method: string;
  path: string;
  summary: string;
  operationId: string;
}

/** Returns the operations of a document by tag, in the order of the document. */
export function listOperations(document: Json): Map<string, ListedOperation[]> {
  const paths = document.paths as Record<
    string,
    Record<string, { tags: string[]; summary: string; operationId: string }>
  >;
  const all = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { tags, summary, operationId }]) => ({
      tag: tags[0] ?? "",
      operation: { method: method.toUpperCase(), path, summary, operationId },
    })),
  );
  const byTag = Map.groupBy(all, ({ tag }) => tag);
  return new Map([...byTag].map(([tag, entries]) => [tag, entries.map(({ operation }) => operation)]));
}

type Html = ReturnType<typeof html>;

/** Renders a page of the reference. */
export function renderPage(base: string, title: string, body: Html, foot: Html | "" = ""): Html {
  return renderDocument({
    title,
    icon: { href: "data:," },
    styles: [`${base}/docs/swagger-ui.css`, `${base}/docs/docs.css`],
    body: html`<header>
<h1>${title}</h1>
<nav aria-label="Reference"><a href="${base}/docs">Calls</a> <a href="${base}/docs/problems">Problems</a> <a href="${base}/openapi.json">OpenAPI 3.1</a> <a href="${base}/llms.txt">llms.txt</a></nav>
</header>
${body}
${foot}`,
  });
}

/** Renders the reference: Swagger UI, and under it the list of operations, which needs no script. */
export function renderDocs(base: string, document: Json): Html {
  const sections = [...listOperations(document)].map(
    ([tag, operations]) => html`<h3>${tag}</h3>
<ul>
${operations.map(({ method, path, summary }) => html`<li><code><b>${method}</b> ${path}</code> ${summary}</li>\n`)}</ul>
`,
  );
  return renderPage(
    base,
    "Reinstate API",
    html`<div id="swagger-ui" data-url="${base}/openapi.json"></div>
<section class="calls" aria-labelledby="operations">
<h2 id="operations">All calls</h2>
<p>Every call with its parameters, replies, errors and examples is in <a href="${base}/openapi.json">openapi.json</a>.</p>
${sections}</section>`,
    html`<script src="${base}/docs/swagger-ui-bundle.js"></script>
<script src="${base}/docs/docs.js"></script>`,
  );
}
