import { type Html, html } from "../html.ts";
import type { View } from "../view.ts";
import { alert } from "./components.ts";
import { renderPage } from "./layout.ts";

/** A page that answers with a fault instead of its content. */
export interface Message {
  title: string;
  text: string;
  issues?: readonly { path: string; message: string }[];
  /** A link to continue with. */
  back?: { path: string; label: string };
}

/** Renders a fault with the way out. */
export function renderMessage(view: View, { title, text, issues = [], back }: Message): Html {
  const { path, label } = back ?? { path: "/batches", label: "All batches" };
  return renderPage(view, {
    title,
    body: html`<section class="card narrow">
<h1>${title}</h1>
${issues.length > 0 ? alert(text, issues) : html`<p>${text}</p>`}
<p><a class="button" href="${view.links.href(path)}">${label}</a></p>
</section>`,
  });
}
