import { type BatchStatus, type Counts, type OutcomeWord, outcomeWords } from "@reinstate/batch-core";
import { formatCount, formatDuration, formatPercent, formatTime, statusTexts } from "../format.ts";
import { type Html, html, type Value } from "../html.ts";

/** Shows the status of a batch. */
export const statusBadge = (status: BatchStatus): Html =>
  html`<span class="badge ${status}">${statusTexts[status]}</span>`;

/** Shows the outcome of an item; undefined while it waits. */
export const outcomeBadge = (outcome: OutcomeWord | undefined): Html =>
  html`<span class="outcome ${outcome ?? "waiting"}">${outcome ?? "waiting"}</span>`;

/** Shows a time; the script adds the local one. */
export const time = (ms: number | null | undefined): Html =>
  ms === null || ms === undefined
    ? html`<span class="none">–</span>`
    : html`<time datetime="${new Date(ms).toISOString()}">${formatTime(ms)}</time>`;

/** Shows a time with its distance from now. */
export const timeWithDistance = (ms: number, now: number): Html =>
  html`${time(ms)} UTC <span class="muted">${ms > now ? `in ${formatDuration(ms - now)}` : `${formatDuration(now - ms)} ago`}</span>`;

/** The share of each outcome as widths of a bar of 1000. */
export function measureBar(counts: Counts, total: number): Record<OutcomeWord, { x: number; width: number }> {
  let x = 0;
  const parts = outcomeWords.map((word) => {
    const share = total === 0 ? 0 : (1000 * counts[word]) / total;
    // A single failure among a million is still seen.
    const width = counts[word] === 0 ? 0 : Math.max(4, Math.round(share));
    const part = { x: Math.min(x, 1000 - width), width };
    x += width;
    return [word, part] as const;
  });
  return Object.fromEntries(parts) as Record<OutcomeWord, { x: number; width: number }>;
}

/** Shows the outcomes of a batch as a bar. `name`: prefix of the live fields. */
export function outcomeBar(counts: Counts, total: number, name = ""): Html {
  const parts = measureBar(counts, total);
  return html`<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false">
${outcomeWords.map((word) => html`<rect class="${word}" data-bar="${name}${word}" x="${parts[word].x}" width="${parts[word].width}" height="10"/>`)}</svg>`;
}

/** Shows a table that scrolls inside its own box on narrow screens. */
export const table = (label: string, head: readonly Value[], rows: readonly Html[]): Html =>
  html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table>
<thead><tr>${head}</tr></thead>
<tbody>${rows}</tbody>
</table></div>`;

/** Shows what a page without content is for. */
export const emptyState = (title: string, text: Value, action?: Value): Html =>
  html`<div class="empty"><h2>${title}</h2><p>${text}</p>${action && html`<p>${action}</p>`}</div>`;

/** Shows terms with their values. Entries without a value are left out. */
export const facts = (entries: readonly (readonly [term: string, value: Value])[]): Html =>
  html`<dl class="facts">${entries
    .filter(([, value]) => value !== undefined && value !== null && value !== false && value !== "")
    .map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`;

/** Shows what is wrong with a request, with the way out. `issues`: places and reasons. */
export const alert = (title: string, issues: readonly { path: string; message: string }[] = [], more?: Value): Html =>
  html`<div class="alert" role="alert"><h2>${title}</h2>
${
  issues.length > 0 && html`<ul>${issues.map(({ path, message }) => html`<li><b>${path}</b> ${message}</li>`)}</ul>`
}${more && html`<p>${more}</p>`}</div>`;

/** Shows the share of a count in a total. */
export const share = (count: number, total: number): Html =>
  html`<span class="muted">${count > 0 ? formatPercent(count, total) : ""}</span>`;

/** A number in a cell of a table. */
export const numberCell = (count: number, className = ""): Html =>
  html`<td class="number ${count === 0 ? "none" : className}">${formatCount(count)}</td>`;
