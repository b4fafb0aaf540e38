import { formatCount } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { View } from "../view.ts";
import type { HistoryEntry } from "./batch-page.ts";
import { time } from "./components.ts";

/** Renders who did what, when and why. */
export function renderHistory({ links }: View, history: readonly HistoryEntry[]): Html {
  const entries = history.map(
    ({ at, verb, actor, note, generation, code, items, batch }) =>
      html`<li>${time(at)} <b>${verb.replaceAll("_", " ")}</b>${items !== null && html` ${formatCount(items)} items`}${code !== null && html` with the code <code>${code}</code>`}${batch !== null && html` as <a href="${links.href(`/batches/${batch}`)}">batch ${batch}</a>`}${actor && html` by <bdi>${actor}</bdi>`}${generation > 0 && html` <span class="muted">generation ${generation}</span>`}${note && html`<q>${note}</q>`}</li>`,
  );
  return html`<section class="card" aria-labelledby="history"><h2 id="history">History</h2>
<ol class="history">${entries}</ol></section>`;
}
