import { type Batch, type ItemOutcome, type OutcomeWord, outcomeWords } from "@reinstate/batch-core";
import { formatCount, formatItem, formatOperation } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { View } from "../view.ts";
import { emptyState, outcomeBadge, table } from "./components.ts";
import { field, select } from "./forms.ts";
import { renderPage } from "./layout.ts";

export interface ItemsView {
  batch: Batch;
  items: readonly ItemOutcome[];
  filter: { outcome?: OutcomeWord | undefined; code?: string | undefined };
  next: string | null;
  /** How many items the filter has; undefined if that is not known without counting. */
  count: number | undefined;
}

const head = html`<th scope="col">Item</th><th scope="col">Outcome</th><th scope="col">Code</th><th scope="col" class="wide">Message</th><th scope="col" class="number">Generation</th>`;

/** Renders a page of the items of a batch. */
export function renderItems(view: View, { batch, items, filter, next, count }: ItemsView): Html {
  const { links } = view;
  const path = `/batches/${batch.id}/items`;
  const rows = items.map(
    ({ item, outcome, code, message, generation }) =>
      html`<tr><th scope="row"><code>${formatItem(item)}</code></th><td>${outcomeBadge(outcome)}</td><td>${code && html`<code>${code}</code>`}</td><td class="wide">${message}</td><td class="number">${generation}</td></tr>`,
  );
  return renderPage(view, {
    title: `Items of batch ${batch.id}`,
    section: "/batches",
    body: html`<nav class="trail" aria-label="Breadcrumb"><a href="${links.href("/batches")}">Batches</a> / <a href="${links.href(`/batches/${batch.id}`)}">${batch.id}</a> / <span>Items</span></nav>
<div class="head"><h1>Items of batch ${batch.id}</h1></div>
<p class="lead">${formatOperation(batch.label)}${count !== undefined && html` · <b>${formatCount(count)}</b> of ${formatCount(batch.total)} items`}</p>
<form class="filter" method="get" action="${links.href(path)}" role="search" aria-label="Filter items">
${field("Outcome", select("outcome", filter.outcome, [["", "Any"], ...outcomeWords.map((word) => [word, word] as const)]))}
${field("Code", html`<input name="code" value="${filter.code ?? ""}" autocomplete="off">`)}
<button>Show</button>${(filter.outcome || filter.code) && html`<a class="quiet" href="${links.href(path)}">Clear</a>`}
</form>
${
  rows.length > 0
    ? table("Items", [head], rows)
    : emptyState("No items here", "No item of this batch has this outcome and code.")
}
${next !== null && html`<nav class="pages" aria-label="Pages"><a class="button" rel="next" href="${links.href(path, { ...filter, cursor: next })}">Next items</a></nav>`}`,
  });
}
