import { type Batch, countFinished, type Estimate } from "@reinstate/batch-core";
import { formatAction, formatCount, formatDuration } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { View } from "../view.ts";
import type { BatchPage } from "./batch-page.ts";
import { time } from "./components.ts";
import { type Action, actionForm } from "./forms.ts";

/** Renders the actions that the state of the batch allows. */
export function renderControls(view: View, page: BatchPage): Html {
  const { batch } = page;
  const href = (verb: string) => view.links.href(`/batches/${batch.id}/${verb}`);
  if (batch.dryRun && batch.status === "completed") return renderPreview(page, href("run"), view.now);
  const { actions, count } = listActions(page, href);
  if (actions.length === 0) return html``;
  return html`<section class="card" aria-labelledby="actions"><h2 id="actions"${!isPrepared(batch) && html` class="hidden"`}>${isPrepared(batch) ? "Prepared: nothing has run yet" : "Actions"}</h2>
${page.estimate && renderEstimate(page.estimate, view.now)}
${actionForm({ actions, count, key: page.newKey(), note: "optional" })}</section>`;
}

/** The batch waits for its first start. */
const isPrepared = ({ status, startedAt, counts }: Batch): boolean =>
  status === "stopped" && startedAt === null && countFinished(counts) === 0;

/** `count`: the number of items that the largest action changes. */
function listActions({ batch, can }: BatchPage, href: (verb: string) => Html): { actions: Action[]; count?: number } {
  const { status, counts, total, label } = batch;
  if (status === "pending" || status === "in_progress") {
    return { actions: [{ action: href("stop"), label: "Stop", kind: "danger" }] };
  }
  if (status === "stopped") {
    const left = total - countFinished(counts);
    const text = isPrepared(batch) ? formatAction(label, left) : `Resume the remaining ${formatCount(left)}`;
    return { actions: [{ action: href("resume"), label: text, kind: "primary" }], count: left };
  }
  const actions: Action[] = [];
  if (counts.failed > 0) actions.push({ action: href("retry"), label: `Retry ${formatCount(counts.failed)} failed` });
  if (can.undo && counts.done > 0 && !batch.dryRun) {
    actions.push({ action: href("undo"), label: `Prepare the undo of ${formatCount(counts.done)}`, isFree: true });
  }
  return { actions, count: counts.failed };
}

/** Renders the result of a dry run with the button that makes it real. */
function renderPreview({ batch, newKey, estimate }: BatchPage, action: Html, now: number): Html {
  const { counts, label, total, duplicates }: Batch = batch;
  if (counts.done === 0) {
    return html`<section class="card attention" aria-labelledby="preview"><h2 id="preview">Nothing to do</h2>
<p>None of the ${formatCount(total)} items would change. The table below has the reasons.</p></section>`;
  }
  return html`<section class="card accent" aria-labelledby="preview"><h2 id="preview">Nothing has changed yet</h2>
<p>This was a dry run. The real run would change <b>${formatCount(counts.done)}</b> of ${formatCount(total)} items${counts.skipped > 0 && html`, skip ${formatCount(counts.skipped)}`}${counts.failed > 0 && html` and fail for ${formatCount(counts.failed)}`}.${duplicates > 0 && html` Duplicates count once: ${formatCount(duplicates)} were left out.`}</p>
${estimate && renderEstimate(estimate, now)}
${actionForm({ actions: [{ action, label: formatAction(label, counts.done), kind: "primary" }], count: counts.done, key: newKey(), note: "optional" })}</section>`;
}

const limitTexts = {
  rate: "limited by the vendor's rate",
  office_hours: "limited by the hours in which changes are allowed",
  concurrency: "limited by how many requests may run at once",
} as const;

/** A start within this time is at once: the estimate is made after the view. */
const atOnceMs = 1000;

/** Renders the requests, the start and the duration of the real run. */
function renderEstimate({ chunks, requests, earliestStart, durationMs, limitedBy }: Estimate, now: number): Html {
  const parts: Html[] = [
    requests > 0
      ? html`<span>Requests <b>${formatCount(requests)}</b></span>`
      : html`<span>Chunks <b>${formatCount(chunks)}</b></span>`,
    earliestStart > now + atOnceMs
      ? html`<span>Starts <b>${time(earliestStart)} UTC</b></span>`
      : html`<span>Starts <b>at once</b></span>`,
  ];
  if (durationMs !== null) parts.push(html`<span>Takes about <b>${formatDuration(durationMs)}</b></span>`);
  if (limitedBy !== null) parts.push(html`<span>${limitTexts[limitedBy]}</span>`);
  return html`<p class="pace">${parts}</p>`;
}
