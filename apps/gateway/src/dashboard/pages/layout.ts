import { renderDocument } from "../../html-document.ts";
import { exact, type Html, html } from "../html.ts";
import type { View } from "../view.ts";

/** Content of a page. */
export interface Page {
  title: string;
  body: Html;
  /** The entry of the navigation that the page belongs to. */
  section?: Section | undefined;
  /** The path of the page's stream of changes, and the state in which the page shows it. */
  live?: { events: string; state: string } | undefined;
}

export type Section = (typeof sections)[number]["path"];

const sections = [
  { path: "/batches", label: "Batches" },
  { path: "/batches/new", label: "New batch" },
  { path: "/find", label: "Find an item" },
  { path: "/systems", label: "Systems" },
  { path: "/keys", label: "Keys" },
] as const;

/** Seconds after which a page without a script is loaded again while it is live. */
const reloadSeconds = 5;

/** Renders a whole page. */
export function renderPage(view: View, { title, body, section, live }: Page): Html {
  const { links, assets } = view;
  return renderDocument({
    title: html`${title} · Reinstate`,
    icon: { href: links.href(assets.icon), type: "image/svg+xml" },
    styles: [links.href(assets.style)],
    head: html`<script src="${links.href(assets.script)}" defer></script>
${live && html`<noscript><meta http-equiv="refresh" content="${reloadSeconds}"></noscript>`}`,
    body: html`<a class="skip" href="#content">Skip to the content</a>
<header class="top"><div class="inner">
<a class="brand" href="${links.href("/batches")}">${mark}<span>Reinstate</span></a>
${view.session && renderNavigation(view, section)}
</div></header>
<main id="content" tabindex="-1"${live && html` data-live="${exact(live.events)}" data-state="${live.state}"`}>
${body}
</main>
${live && html`<p class="hidden" role="status" data-announce></p>`}`,
  }) as Html;
}

function renderNavigation({ links, session }: View, section: Section | undefined): Html {
  const shown = sections.filter(({ path }) => session?.canWrite || !["/batches/new", "/keys"].includes(path));
  return html`<nav aria-label="Main">${shown.map(
    ({ path, label }) =>
      html`<a href="${links.href(path)}"${path === section && html` aria-current="page"`}>${label}</a>`,
  )}</nav>
<form class="account" method="post" action="${links.href("/sign-out")}">
<span>${session?.key.name || session?.key.id}${session?.canWrite === false && html` <span class="tag">read only</span>`}</span>
<button class="quiet">Sign out</button>
</form>`;
}

const mark = html`<svg class="mark" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true"><path d="M5 12a7 7 0 1 0 2.4-5.3M7.6 3v4h4" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round"/><circle cx="12" cy="12" r="2.2" fill="currentColor"/></svg>`;
