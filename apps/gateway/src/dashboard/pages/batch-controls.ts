import { type Batch, countFinished } from "@reinstate/batch-core";
import { formatAction, formatCount } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { View } from "../view.ts";
import type { BatchPage } from "./batch-page.ts";
import { actionForm } from "./forms.ts";

/** Renders the actions that the state of the batch allows. */
export function renderControls(view: View, page: BatchPage): Html {
  const { batch } = page;
  const href = (verb: string) => view.links.href(`/batches/${batch.id}/${verb}`);
  const form = (verb: string, more: Partial<Parameters<typeof actionForm>[0]>) =>
    actionForm({ action: href(verb), key: page.newKey(), button: verb, note: "optional", ...more });
  const { status, counts, total } = batch;
  const left = total - countFinished(counts);
  const isOver = status === "completed" || status === "failed";
  const forms: Html[] = [];
  if (batch.dryRun && status === "completed") return renderPreview(batch, form);
  if (status === "pending" || status === "in_progress") forms.push(form("stop", { button: "Stop", kind: "danger" }));
  if (status === "stopped") {
    const isNew = batch.startedAt === null && left === total;
    const button = isNew ? formatAction(batch.label, left) : `Resume the remaining ${formatCount(left)}`;
    forms.push(form("resume", { button, count: left, kind: "primary" }));
  }
  if (isOver && counts.failed > 0) {
    const button = `Retry ${formatCount(counts.failed)} failed`;
    forms.push(form("retry", { button, count: counts.failed }));
  }
  if (isOver && page.can.undo && counts.done > 0) {
    forms.push(form("undo", { button: `Prepare the undo of ${formatCount(counts.done)}` }));
  }
  if (forms.length === 0) return html``;
  return html`<section class="card" aria-labelledby="actions"><h2 id="actions" class="hidden">Actions</h2><div class="actions">${forms}</div></section>`;
}

type Form = (verb: string, more: Partial<Parameters<typeof actionForm>[0]>) => Html;

/** Renders the result of a dry run with the button that makes it real. */
function renderPreview({ counts, label, total, duplicates }: Batch, form: Form): Html {
  if (counts.done === 0) {
    return html`<section class="card attention"><h2>Nothing to do</h2>
<p>None of the ${formatCount(total)} items would change. The table below has the reasons.</p></section>`;
  }
  return html`<section class="card accent" aria-labelledby="preview"><h2 id="preview">Nothing has changed yet</h2>
<p>This was a dry run. The real run would change <b>${formatCount(counts.done)}</b> of ${formatCount(total)} items${counts.skipped > 0 && html`, skip ${formatCount(counts.skipped)}`}${counts.failed > 0 && html` and fail for ${formatCount(counts.failed)}`}.${duplicates > 0 && html` ${formatCount(duplicates)} duplicates count once.`}</p>
<div class="actions">${form("run", { button: formatAction(label, counts.done), count: counts.done, kind: "primary" })}</div></section>`;
}
