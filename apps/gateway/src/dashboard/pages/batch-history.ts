import { type Html, html } from "../html.ts";
import type { HistoryEntry } from "./batch-page.ts";
import { time } from "./components.ts";

/** Renders who did what, when and why. */
export function renderHistory(history: readonly HistoryEntry[]): Html {
  return html`<section class="card" aria-labelledby="history"><h2 id="history">History</h2>
<ol class="history">${history.map(
    ({ at, verb, actor, note, generation }) =>
      html`<li>${time(at)} <b>${verb}</b>${actor && html` by <bdi>${actor}</bdi>`}${generation > 0 && html` <span class="muted">generation ${generation}</span>`}${note && html`<q>${note}</q>`}</li>`,
  )}</ol></section>`;
}
