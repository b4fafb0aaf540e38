import { formatCount } from "../format.ts";
import { type Html, html, type Value } from "../html.ts";
import type { View } from "../view.ts";
import { facts, table, timeWithDistance } from "./components.ts";
import { renderPage } from "./layout.ts";

/** A vendor on the page of the systems. */
export interface SystemBox {
  label: string;
  /** Undefined while it is unknown. */
  state: "ready" | "not ready" | "no answer within 2 s";
  targets: readonly {
    target: string;
    address: string;
    reachable: boolean | undefined;
    message: string | undefined;
    ms: number | undefined;
  }[];
  findings: readonly { level: "error" | "warning" | "info"; title: string; detail: string; sql: string | undefined }[];
  versions: Readonly<Record<string, string>>;
  operations: readonly OperationLimits[];
  checkedAt: number;
}

/** The limits of an operation, and what is left of them. */
export interface OperationLimits {
  title: string;
  target: string;
  chunkSize: number;
  perSecond: number | undefined;
  burst: number | undefined;
  /** Requests that may be sent now. */
  left: number | undefined;
  concurrency: number | undefined;
  running: number | undefined;
  /** `open until 18:00` or `opens Monday 08:00`, with the time zone; undefined if there are no hours. */
  hours: string | undefined;
  nextAllowedAt: number | undefined;
}

/** Renders the vendors: whether they can be reached, and what they allow now. */
export function renderSystems(view: View, boxes: readonly SystemBox[]): Html {
  return renderPage(view, {
    title: "Systems",
    section: "/systems",
    body: html`<div class="head"><h1>Systems</h1><a class="button" href="${view.links.href("/systems")}">Refresh</a></div>
<p class="lead">What each vendor allows now. The vendors are asked at most every 30 seconds.</p>
${boxes.map((box, index) => renderBox(view, box, index))}`,
  });
}

const limitsHead = html`<th scope="col">Operation</th><th scope="col">Hours</th><th scope="col" class="number">Per request</th><th scope="col" class="number">Requests per second</th><th scope="col" class="number">Left now</th><th scope="col" class="number">At once</th>`;

function renderBox({ now }: View, box: SystemBox, index: number): Html {
  const { label, state, targets, findings, versions, operations, checkedAt } = box;
  return html`<section class="card" aria-labelledby="system-${index}">
<div class="head"><h2 id="system-${index}">${label}</h2><span class="badge ${state === "ready" ? "completed" : "failed"}">${state}</span></div>
${facts([
  ...targets.map(
    ({ target, address, reachable, message, ms }) =>
      [
        target === "local" ? "Our own records" : "Upstream",
        html`<code>${address}</code><span class="sub">${reachable === false ? (message ?? "not reachable") : reachable ? `reachable${ms === undefined ? "" : ` in ${formatCount(Math.round(ms))} ms`}` : message}</span>`,
      ] as const,
  ),
  ...Object.entries(versions).map(([name, version]) => [name, html`<code>${version}</code>`] as const),
  ["Checked", timeWithDistance(checkedAt, now)],
])}
${findings.map(renderFinding)}
${table(
  `Limits of ${label}`,
  [limitsHead],
  operations.map((operation) => renderLimits(now, operation)),
)}
</section>`;
}

const levels = { error: "failed", warning: "unknown", info: "skipped" } as const;

const renderFinding = ({ level, title, detail, sql }: SystemBox["findings"][number]): Html =>
  html`<div class="notice ${level === "error" ? "failed" : "wait"}"><span class="outcome ${levels[level]}">${level}</span> <b>${title}</b><p>${detail}</p>${sql && html`<pre>${sql}</pre>`}</div>`;

function renderLimits(now: number, operation: OperationLimits): Html {
  const { title, target, chunkSize, perSecond, burst, left, concurrency, running, hours, nextAllowedAt } = operation;
  const none = html`<span class="none">no limit</span>`;
  const number = (value: number | undefined, more?: Value) =>
    value === undefined ? none : html`${formatCount(value)}${more}`;
  return html`<tr><th scope="row">${title}${target === "upstream" && html` <span class="tag">upstream</span>`}</th>
<td>${hours ?? html`<span class="none">always open</span>`}${nextAllowedAt !== undefined && nextAllowedAt > now && html`<span class="sub">next at ${timeWithDistance(nextAllowedAt, now)}</span>`}</td>
<td class="number">${formatCount(chunkSize)}</td>
<td class="number">${number(perSecond, burst !== undefined && html`<span class="sub">burst ${formatCount(burst)}</span>`)}</td>
<td class="number">${left === undefined ? none : formatCount(Math.max(0, Math.floor(left)))}</td>
<td class="number">${number(concurrency, running !== undefined && html`<span class="sub">${formatCount(running)} running</span>`)}</td></tr>`;
}
