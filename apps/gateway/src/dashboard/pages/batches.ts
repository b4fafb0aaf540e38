import { type Batch, type BatchStatus, batchStatuses, countFinished } from "@reinstate/batch-core";
import { formatCount, formatOperation, formatPercent, statusTexts } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { OperationChoice } from "../operations.ts";
import type { View } from "../view.ts";
import { emptyState, outcomeBar, statusBadge, table, time } from "./components.ts";
import { field, select } from "./forms.ts";
import { renderPage } from "./layout.ts";

export interface BatchesFilter {
  status?: BatchStatus | undefined;
  operation?: string | undefined;
  account?: string | undefined;
  /** Only batches with a smaller number. */
  before?: number | undefined;
}

export interface BatchesPage {
  batches: readonly Batch[];
  filter: BatchesFilter;
  /** The start of the next page; undefined after the last one. */
  next: number | undefined;
  /** The lowest number that was searched, if the search ended before the first batch. */
  searchedTo: number | undefined;
  operations: readonly OperationChoice[];
  live: { events: string; state: string } | undefined;
}

/** Renders the list of batches. */
export function renderBatches(view: View, page: BatchesPage): Html {
  const { links } = view;
  const { batches, filter, next, searchedTo } = page;
  const isFiltered = Boolean(filter.status || filter.operation || filter.account);
  return renderPage(view, {
    title: "Batches",
    section: "/batches",
    live: page.live,
    body: html`<div class="head"><h1>Batches</h1>
${view.session?.canWrite && html`<a class="button primary" href="${links.href("/batches/new")}">New batch</a>`}</div>
${renderFilter(view, page, isFiltered)}
${batches.length > 0 ? renderTable(view, batches) : renderEmpty(view, isFiltered || filter.before !== undefined)}
${
  next !== undefined &&
  html`<nav class="pages" aria-label="Pages">${searchedTo !== undefined && html`<span class="muted">Searched back to batch ${formatCount(searchedTo)}.</span>`}
<a class="button" rel="next" href="${links.href("/batches", { ...filter, before: next })}">${searchedTo === undefined ? "Older batches" : "Search older batches"}</a></nav>`
}`,
  });
}

function renderFilter({ links }: View, { filter, operations }: BatchesPage, isFiltered: boolean): Html {
  const names = [...new Map(operations.map(({ name, title, vendor }) => [name, `${vendor}: ${title}`]))];
  return html`<form class="filter" method="get" action="${links.href("/batches")}" role="search" aria-label="Filter batches">
${field("Number", html`<input name="number" inputmode="numeric" size="8" autocomplete="off">`)}
${field("Status", select("status", filter.status, [["", "Any"], ...batchStatuses.map((word) => [word, statusTexts[word]] as const)]))}
${field("Operation", select("operation", filter.operation, [["", "Any"], ...names]))}
${field("Account", html`<input name="account" value="${filter.account ?? ""}" size="14" autocomplete="off">`)}
<button>Show</button>
${isFiltered && html`<a class="quiet" href="${links.href("/batches")}">Clear</a>`}
</form>`;
}

const head = html`<th scope="col">Batch</th><th scope="col">Status</th><th scope="col" class="wide">Progress</th><th scope="col" class="number">Items</th><th scope="col" class="number">Done</th><th scope="col" class="number">Skipped</th><th scope="col" class="number">Failed</th><th scope="col" class="number">Unknown</th><th scope="col">Created (UTC)</th>`;

const renderTable = (view: View, batches: readonly Batch[]): Html =>
  table(
    "Batches, newest first",
    [head],
    batches.map((batch) => renderRow(view, batch)),
  );

function renderRow({ links }: View, batch: Batch): Html {
  const { id, counts, total } = batch;
  const cell = (word: keyof typeof counts) =>
    html`<td class="number ${counts[word] === 0 ? "none" : word}" data-text="${id}.${word}">${formatCount(counts[word])}</td>`;
  return html`<tr>
<th scope="row"><a href="${links.href(`/batches/${id}`)}">${id}</a> <span class="what">${formatOperation(batch.label)}</span>
${batch.dryRun && html`<span class="tag">dry run</span>`}${batch.target === "upstream" && html`<span class="tag">upstream</span>`}
${batch.account && html`<span class="sub">${batch.account}</span>`}</th>
<td>${statusBadge(batch.status)}</td>
<td class="wide">${outcomeBar(counts, total, `${id}.`)}<span class="sub" data-text="${id}.percent">${formatPercent(countFinished(counts), total)}</span></td>
<td class="number">${formatCount(total)}</td>
${cell("done")}${cell("skipped")}${cell("failed")}${cell("unknown")}
<td>${time(batch.createdAt)}</td>
</tr>`;
}

function renderEmpty({ links, session }: View, isFiltered: boolean): Html {
  if (isFiltered) {
    return emptyState(
      "No batch matches",
      "Every condition must hold. Remove one, or look for a single item instead.",
      html`<a class="button" href="${links.href("/batches")}">Show all batches</a> <a class="button" href="${links.href("/find")}">Find an item</a>`,
    );
  }
  return emptyState(
    "No batches yet",
    "A batch is one operation on any number of items, with an outcome for each. Calls of the vendors' APIs, of /v1 and of the command line create batches too.",
    session?.canWrite &&
      html`<a class="button primary" href="${links.href("/batches/new")}">Create the first batch</a>`,
  );
}
