import type { InspectedTarget, LimitState, VendorFinding } from "@reinstate/batch-core";
import { formatCount } from "../format.ts";
import { type Html, html } from "../html.ts";
import type { View } from "../view.ts";
import { facts, table, timeWithDistance } from "./components.ts";
import { renderPage } from "./layout.ts";

/** A vendor on the page of the systems. */
export interface SystemBox {
  label: string;
  /** Why the vendor could not be asked. */
  fault: string | undefined;
  targets: readonly InspectedTarget[];
  findings: readonly VendorFinding[];
  versions: Readonly<Record<string, string>>;
  operations: readonly OperationLimits[];
  checkedAt: number;
}

/** The limits of an operation, and what is left of them. */
export interface OperationLimits
  extends Pick<LimitState, "target" | "account" | "rate" | "concurrency" | "nextAllowedAt"> {
  title: string;
  chunkSize: number | undefined;
  /** `open until 18:00 Europe/Berlin`; undefined if there are no hours. */
  hours: string | undefined;
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

function renderBox({ now }: View, box: SystemBox, index: number): Html {
  const { label, targets, findings, versions, operations, checkedAt } = box;
  const [state, badge] = judge(box);
  return html`<section class="card" aria-labelledby="system-${index}">
<div class="head"><h2 id="system-${index}">${label}</h2><span class="badge ${badge}">${state}</span></div>
${facts([
  ...targets.map(
    (target) => [target.target === "local" ? "Our own records" : "Upstream", renderTarget(target)] as const,
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

/** Sums up a box in a word, with the colour of the badge. */
function judge({ fault, targets, findings }: SystemBox): [string, string] {
  if (fault !== undefined) return [fault, "failed"];
  if (targets.some(({ reachable }) => reachable === false)) return ["not reachable", "failed"];
  if (findings.some(({ level }) => level === "error")) return ["needs attention", "failed"];
  if (findings.some(({ level }) => level === "warning")) return ["works, with warnings", "stopped"];
  return ["works", "completed"];
}

function renderTarget({ address, account, reachable, message, ms }: InspectedTarget): Html {
  const time = ms === undefined ? "" : ` in ${formatCount(Math.max(1, Math.round(ms)))} ms`;
  const state = reachable === undefined ? message : reachable ? `reachable${time}` : (message ?? "not reachable");
  return html`<code>${address}</code>${account && html` ${account}`}${state && html`<span class="sub">${state}</span>`}`;
}

const levels = { error: "failed", warning: "unknown", info: "skipped" } as const;

const renderFinding = ({ level, title, detail, sql }: VendorFinding): Html =>
  html`<div class="notice ${level === "error" ? "failed" : level === "warning" ? "wait" : ""}"><p><span class="outcome ${levels[level]}">${level}</span> <b>${title}</b></p><p>${detail}</p>${sql && html`<pre>${sql}</pre>`}</div>`;

const limitsHead = html`<th scope="col">Operation</th><th scope="col">Hours</th><th scope="col" class="number">Items per request</th><th scope="col" class="number">Requests per second</th><th scope="col" class="number">Left now</th><th scope="col" class="number">Running</th>`;

const none = html`<span class="none">no limit</span>`;

function renderLimits(now: number, operation: OperationLimits): Html {
  const { title, target, account, chunkSize, rate, concurrency, hours, nextAllowedAt } = operation;
  return html`<tr><th scope="row">${title}${target === "upstream" && html` <span class="tag">upstream</span>`}${account && html`<span class="sub">${account}</span>`}</th>
<td>${hours ?? html`<span class="none">always open</span>`}${nextAllowedAt > now && html`<span class="sub">next start ${timeWithDistance(nextAllowedAt, now)}</span>`}</td>
<td class="number">${chunkSize === undefined ? none : formatCount(chunkSize)}</td>
<td class="number">${rate ? html`${rate.perSecond}<span class="sub">burst ${formatCount(rate.burst)}</span>` : none}</td>
<td class="number">${rate ? formatCount(Math.max(0, Math.floor(rate.tokens))) : none}</td>
<td class="number">${concurrency ? html`${formatCount(concurrency.used)} of ${formatCount(concurrency.most)}` : none}</td></tr>`;
}
