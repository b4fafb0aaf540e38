import type { Batch, OutcomeWord } from "@reinstate/batch-core";
import { formatOperation } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { OperationChoice } from "../operations.ts";
import type { View } from "../view.ts";
import { emptyState, outcomeBadge, statusBadge, table, time } from "./components.ts";
import { field, select } from "./forms.ts";
import { renderPage } from "./layout.ts";

/** The outcome of an item in one batch. */
export interface FoundItem {
  batch: Batch;
  outcome: OutcomeWord | undefined;
  code?: string | null | undefined;
  message?: string | null | undefined;
}

export interface FindPage {
  operations: readonly OperationChoice[];
  query: Readonly<Partial<Record<"operation" | "item" | "account" | "batch", string | undefined>>>;
  /** Undefined before the first search. */
  found: readonly FoundItem[] | undefined;
}

const head = html`<th scope="col">Batch</th><th scope="col">Outcome</th><th scope="col">Code</th><th scope="col" class="wide">Message</th><th scope="col">Batch status</th><th scope="col">Created (UTC)</th>`;

/** Renders the search for one item over all batches. */
export function renderFind(view: View, { operations, query, found }: FindPage): Html {
  const { links } = view;
  const choices = operations.map(
    ({ value, title, vendor, target }) =>
      [value, `${vendor}: ${title}${target === "upstream" ? " (upstream)" : ""}`] as const,
  );
  return renderPage(view, {
    title: "Find an item",
    section: "/find",
    body: html`<div class="head"><h1>Find an item</h1></div>
<p class="lead">What became of one record, over all batches of an operation.</p>
<form class="filter" method="get" action="${links.href("/find")}" role="search" aria-label="Find an item">
${field("Operation", select("operation", query.operation ?? choices[0]?.[0], choices))}
${field("Item", html`<input name="item" value="${query.item ?? ""}" required autocomplete="off">`)}
${field("Account", html`<input name="account" value="${query.account ?? ""}" size="14" autocomplete="off">`)}
${field("Batch", html`<input name="batch" value="${query.batch ?? ""}" size="8" inputmode="numeric" autocomplete="off">`)}
<button class="primary">Find</button>
</form>
<p class="hint">Ids are found over all batches. An item that is no number, such as a subscription as JSON, is found within one batch: give its number too.</p>
${found && (found.length > 0 ? renderFound(view, found) : nothing)}`,
  });
}

const nothing = emptyState(
  "Not in any batch",
  "No batch of this operation has the item. Check the operation and the account; deleted batches are not searched.",
);

const renderFound = ({ links }: View, found: readonly FoundItem[]): Html =>
  table(
    "Batches with this item, newest first",
    [head],
    found.map(
      ({
        batch,
        outcome,
        code,
        message,
      }) => html`<tr><th scope="row"><a href="${links.href(`/batches/${batch.id}`)}">${batch.id}</a> <span class="what">${formatOperation(batch.label)}</span>${batch.dryRun && html` <span class="tag">dry run</span>`}${batch.account && html`<span class="sub">${batch.account}</span>`}</th>
<td>${outcomeBadge(outcome)}</td><td>${code && html`<code>${code}</code>`}</td><td class="wide">${message}</td><td>${statusBadge(batch.status)}</td><td>${time(batch.createdAt)}</td></tr>`,
    ),
  );
