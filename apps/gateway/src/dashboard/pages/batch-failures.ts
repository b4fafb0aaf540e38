import { formatCount } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { View } from "../view.ts";
import type { BatchPage } from "./batch-page.ts";
import { outcomeBadge, share, table } from "./components.ts";
import { actionForm } from "./forms.ts";

const head = html`<th scope="col">Outcome</th><th scope="col">Code</th><th scope="col" class="number">Items</th><th scope="col" class="number">Share</th><th scope="col" class="wide">Message of one of them</th><th scope="col"><span class="hidden">Action</span></th>`;

/** Renders the skipped, failed and unknown items by code. */
export function renderFailures(view: View, page: BatchPage): Html {
  const { batch, failures } = page;
  if (failures.length === 0) return html``;
  const canRetry =
    view.session?.canWrite && !batch.dryRun && (batch.status === "completed" || batch.status === "failed");
  const rows = failures.map(({ outcome, code, count, message }) => {
    const href = view.links.href(`/batches/${batch.id}/items`, { outcome, code });
    return html`<tr><td>${outcomeBadge(outcome)}</td><th scope="row"><a href="${href}"><code>${code}</code></a></th>
<td class="number">${formatCount(count)}</td><td class="number">${share(count, batch.total)}</td><td class="wide">${message}</td>
<td>${
      canRetry &&
      outcome === "failed" &&
      actionForm({
        actions: [
          {
            action: view.links.href(`/batches/${batch.id}/retry`),
            label: html`Retry ${formatCount(count)}<span class="hidden"> items with the code ${code}</span>`,
          },
        ],
        key: page.newKey(),
        count,
        fields: { code },
      })
    }</td></tr>`;
  });
  return html`<section class="card" aria-labelledby="codes"><h2 id="codes">By code</h2>
${table("Items by code", [head], rows)}</section>`;
}

/** Renders what to do about items whose effect is not known. */
export function renderUnknown(view: View, { batch, failures, can, newKey, vendor }: BatchPage): Html {
  const count = batch.counts.unknown;
  if (count === 0) return html``;
  const reasons = failures.filter(({ outcome }) => outcome === "unknown");
  const href = (verb: string) => view.links.href(`/batches/${batch.id}/${verb}`);
  const items = view.links.href(`/batches/${batch.id}/items`, { outcome: "unknown" });
  return html`<section class="card attention" aria-labelledby="unknown">
<h2 id="unknown">${formatCount(count)} with an unknown outcome</h2>
<p>The request was sent, and no answer came back. The items may be changed or not. They are never sent again by themselves.</p>
${reasons.length > 0 && html`<ul>${reasons.map(({ code, count, message }) => html`<li><code>${code}</code> ${formatCount(count)}: ${message}</li>`)}</ul>`}
<p><b>What to check:</b> open <a href="${items}">these items</a>, look a few of them up at ${vendor}, and compare their state with what the batch should have done.</p>
${
  view.session?.canWrite &&
  html`${actionForm({
    actions: [
      ...(can.reexamine
        ? [{ action: href("reexamine"), label: "Look again", kind: "primary", isFree: true } as const]
        : []),
      ...(["done", "failed"] as const).map((value) => ({
        action: href("mark"),
        label: `Mark as ${value}`,
        field: { name: "as", value },
      })),
    ],
    key: newKey(),
    note: "required",
  })}
<p class="hint">${can.reexamine && "“Look again” reads the state back and decides. "}Failed items can be retried afterwards. The note appears in the history.</p>`
}</section>`;
}
