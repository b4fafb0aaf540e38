import { type Html, html } from "../html.ts";
import type { View } from "../view.ts";
import { alert } from "./components.ts";
import { renderPage } from "./layout.ts";

/** Renders the sign-in. `next`: the path to open afterwards. */
export function renderSignIn(view: View, { next, fault }: { next: string; fault?: string | undefined }): Html {
  return renderPage(view, {
    title: "Sign in",
    body: html`<section class="card narrow">
<h1>Sign in</h1>
${fault && alert(fault)}
<form method="post" action="${view.links.href("/sign-in")}">
<input type="hidden" name="next" value="${next}">
<div class="field"><label>Admin key <input name="secret" type="password" required autocomplete="current-password" spellcheck="false"></label>
<p class="hint">A key with <code>access=read</code> sees everything and changes nothing.</p></div>
<button class="primary">Sign in</button>
</form>
<details><summary>I have no key</summary>
<p>Create one on the server, and keep it in a password manager:</p>
<pre>reinstate keys create --vendor admin --name "Ada Lovelace"</pre>
</details>
</section>`,
  });
}
