import { type Batch, countFinished, isFinished, outcomeWords } from "@reinstate/batch-core";
import { formatAction, formatCount, formatDuration, formatItems, formatOperation } from "../format.ts";
import { type Html, html } from "../html.ts";
import { describeProgress, toPageState } from "../progress.ts";
import type { View } from "../view.ts";
import { renderControls } from "./batch-controls.ts";
import { renderFailures, renderUnknown } from "./batch-failures.ts";
import { renderHistory } from "./batch-history.ts";
import type { BatchPage } from "./batch-page.ts";
import { facts, outcomeBar, share, statusBadge, time, timeWithDistance } from "./components.ts";
import { renderPage } from "./layout.ts";

/** Renders the page of one batch. */
export function renderBatch(view: View, page: BatchPage): Html {
  const { batch } = page;
  return renderPage(view, {
    title: `Batch ${batch.id}`,
    section: "/batches",
    live: { events: view.links.path(`/batches/${batch.id}/events`), state: toPageState(batch) },
    body: html`${renderHeading(view, page)}
${renderProgress(view, batch)}
${view.session?.canWrite && renderControls(view, page)}
${renderUnknown(view, page)}
${renderFailures(view, page)}
${renderHistory(view, page.history)}
${renderDetails(view, page)}
${renderReports(view, batch)}`,
  });
}

function renderHeading({ links }: View, { batch, vendor }: BatchPage): Html {
  return html`<nav class="trail" aria-label="Breadcrumb"><a href="${links.href("/batches")}">Batches</a> / <span>${batch.id}</span></nav>
<div class="head"><h1>${formatOperation(batch.label)}</h1>
<p class="tags">${statusBadge(batch.status)}${batch.dryRun && html`<span class="tag">dry run</span>`}${batch.target === "upstream" && html`<span class="tag">upstream</span>`}</p></div>
<p class="lead">Batch ${batch.id} · ${vendor}${batch.account && html` · account ${batch.account}`} · ${formatItems(batch.label, batch.total)}</p>`;
}

function renderProgress({ links, now }: View, batch: Batch): Html {
  const { id, counts, total, status } = batch;
  const texts = describeProgress(batch, now);
  const isOver = status === "completed" || status === "failed";
  return html`<section class="card" aria-labelledby="progress">
<h2 id="progress" class="hidden">Progress</h2>
<p class="big"><b data-text="percent">${texts.percent}</b> <span class="muted">${batch.dryRun ? "checked, nothing is changed" : "finished"}</span></p>
${outcomeBar(counts, total)}
<dl class="counts">
${outcomeWords.map(
  (word) =>
    html`<div class="${word}"><dt><a href="${links.href(`/batches/${id}/items`, { outcome: word })}">${countLabels[word]}</a></dt><dd><b data-text="${word}"${counts[word] === 0 && html` class="none"`}>${texts[word]}</b> ${isOver && share(counts[word], total)}</dd></div>`,
)}
<div class="waiting"><dt>Waiting</dt><dd><b data-text="waiting">${texts.waiting}</b></dd></div>
<div class="total"><dt>Total</dt><dd><b>${formatCount(total)}</b></dd></div>
</dl>
<p class="pace"><span>Rate <b data-text="rate">${texts.rate}</b></span>${!isFinished(status) && html`<span>Ends <b data-text="end">${texts.end}</b></span>`}<span>Generation <b>${batch.generation}</b></span>${batch.startedAt !== null && batch.finishedAt !== null && html`<span>Took <b>${formatDuration(batch.finishedAt - batch.startedAt)}</b></span>`}</p>
<p class="notice wait" data-text="wait">${texts.wait}</p>
${batch.error && html`<p class="notice failed"><b>Ended early.</b> ${batch.error}</p>`}
</section>`;
}

const countLabels = { done: "Done", skipped: "Skipped", failed: "Failed", unknown: "Unknown" } as const;

function renderDetails({ links, now }: View, { batch, actor }: BatchPage): Html {
  const params = Object.entries((batch.params ?? {}) as Record<string, unknown>);
  const tally = Object.entries(batch.tally);
  return html`<section class="card" aria-labelledby="details"><h2 id="details">Details</h2>
${facts([
  ["Operation", html`<code>${batch.operation}</code>`],
  ["Target", batch.target === "local" ? "Our own records" : "The vendor itself"],
  ["Account", batch.account],
  [
    "Items of",
    batch.fromBatch !== null &&
      html`<a href="${links.href(`/batches/${batch.fromBatch}`)}">batch ${batch.fromBatch}</a>`,
  ],
  [
    "Undoes",
    batch.undoOf !== null && html`<a href="${links.href(`/batches/${batch.undoOf}`)}">batch ${batch.undoOf}</a>`,
  ],
  ["Submitted by", actor ?? batch.actor],
  ["Dry run", batch.dryRun ? "Yes: nothing was changed" : "No"],
  ["Duplicates", batch.duplicates > 0 && `${formatCount(batch.duplicates)} repeated items count once`],
  ["Created", timeWithDistance(batch.createdAt, now)],
  ["Started", batch.startedAt !== null && html`${time(batch.startedAt)} UTC`],
  ["Ended", batch.finishedAt !== null && html`${time(batch.finishedAt)} UTC`],
  ...params.map(([name, value]) => [name, html`<code>${JSON.stringify(value)}</code>`] as const),
  ...tally.map(([name, count]) => [name.replaceAll("_", " "), formatCount(count)] as const),
])}</section>`;
}

function renderReports({ links }: View, { id, counts, total }: Batch): Html {
  const isPartial = countFinished(counts) < total;
  return html`<section class="card" aria-labelledby="reports"><h2 id="reports">Report</h2>
<p>Every item with its outcome, code and message${isPartial && ", as it is now"}. The manifest has the sizes and SHA-256 digests.</p>
<p class="row"><a class="button" href="${links.href(`/batches/${id}/report.csv`)}" download>CSV</a>
<a class="button" href="${links.href(`/batches/${id}/report.ndjson`)}" download>NDJSON</a>
<a class="button" href="${links.href(`/batches/${id}/manifest.json`)}">Manifest</a>
<a class="button" href="${links.href(`/batches/${id}/items`)}">Browse the items</a></p></section>`;
}

/** The text of a button that runs an operation on the items of a batch. */
export const formatRun = ({ label }: Batch, count: number): string => formatAction(label, count);
