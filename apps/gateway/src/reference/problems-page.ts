import { type ProblemMeaning, problemTypes } from "@reinstate/batch-core/http";
import { html } from "hono/html";
import { renderPage } from "./docs-page.ts";

/** Renders a section for each problem type, with the last part of its URN as the anchor. */
export function renderProblems(base: string): ReturnType<typeof html> {
  const sections = Object.entries<ProblemMeaning>(problemTypes).map(
    ([type, { status, cause, action }]) => html`<section>
<h2 id="${type}">${type}</h2>
<dl>
<dt>Type and status</dt><dd><code>urn:reinstate:problem:${type}</code> ${status}</dd>
<dt>Why</dt><dd>${cause}</dd>
<dt>What to do</dt><dd>${action}</dd>
</dl>
</section>
`,
  );
  return renderPage(
    base,
    "Reinstate problems",
    html`<main>
<p>Errors of <code>/v1</code> and of the service itself are RFC 9457 problem bodies. Their <code>type</code> is one of these. Each vendor's API has the vendor's own errors.</p>
${sections}</main>`,
  );
}
