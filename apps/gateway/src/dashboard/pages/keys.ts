import type { Key } from "@reinstate/batch-core";
import { type Html, html } from "../html.ts";
import type { View } from "../view.ts";
import { alert, table, time } from "./components.ts";
import { field, select } from "./forms.ts";
import { renderPage } from "./layout.ts";

export interface KeysPage {
  keys: readonly Key[];
  vendors: readonly { name: string; label: string; options: readonly string[] }[];
  /** Makes a repeat of the form harmless. */
  key: string;
  /** A key that was just created, with its secret. */
  created?: { key: Key; secret: string };
  issues?: readonly { path: string; message: string }[];
  entered?: Readonly<Record<string, string>>;
}

const head = html`<th scope="col">Key</th><th scope="col">API</th><th scope="col">Account</th><th scope="col">Options</th><th scope="col">Created (UTC)</th><th scope="col">State</th><th scope="col"><span class="hidden">Action</span></th>`;

/** Renders the keys, and the form of a new one. */
export function renderKeys(view: View, page: KeysPage): Html {
  const { keys, created, issues } = page;
  return renderPage(view, {
    title: "Keys",
    section: "/keys",
    body: html`<div class="head"><h1>Keys</h1></div>
<p class="lead">Only digests of the secrets are stored. A revoked key stops working within a second, and so do its sessions.</p>
${
  created &&
  html`<section class="card accent" aria-labelledby="created"><h2 id="created">Key ${created.key.id} was created</h2>
<p>Copy its secret now. It is not shown again.</p><pre>${created.secret}</pre></section>`
}
${issues && alert("The key was not created", issues)}
${table(
  "Keys",
  [head],
  keys.map((key) => renderRow(view, page, key)),
)}
${renderForm(view, page)}`,
  });
}

function renderRow(view: View, { vendors }: KeysPage, key: Key): Html {
  const { id, vendor, account, name, options, createdAt, revokedAt } = key;
  const label = vendors.find((known) => known.name === vendor)?.label ?? vendor;
  const isOwn = view.session?.key.id === id;
  const optionTexts = Object.entries(options).map(
    ([option, value]) => `${option}=${Array.isArray(value) ? value.join(",") : value}`,
  );
  return html`<tr><th scope="row">${name || html`<span class="none">no name</span>`}<span class="sub"><code>${id}</code></span></th><td>${label}</td><td>${account || html`<span class="none">–</span>`}</td><td>${optionTexts.map((text) => html`<code>${text}</code> `)}</td><td>${time(createdAt)}</td>
<td>${revokedAt === null ? "valid" : html`<span class="none">revoked</span> ${time(revokedAt)}`}</td>
<td>${
    revokedAt === null &&
    (isOwn
      ? html`<span class="muted">yours</span>`
      : html`<form method="post" action="${view.links.href(`/keys/${encodeURIComponent(id)}/revoke`)}"><button class="danger">Revoke<span class="hidden"> ${name || id}</span></button></form>`)
  }</td></tr>`;
}

function renderForm({ links }: View, { vendors, key, entered = {} }: KeysPage): Html {
  const options = vendors.filter(({ options }) => options.length > 0);
  return html`<form class="card" method="post" action="${links.href("/keys")}"><h2>New key</h2>
<input type="hidden" name="key" value="${key}">
${field(
  "API",
  select(
    "vendor",
    entered.vendor,
    vendors.map(({ name, label }) => [name, label] as const),
  ),
)}
${field("Account", html`<input name="account" value="${entered.account ?? ""}" autocomplete="off">`, "Only for an API with accounts.")}
${field("Name", html`<input name="name" value="${entered.name ?? ""}" autocomplete="off" maxlength="255">`, "Who or what uses it. The history of batches shows this name.")}
${field("Options", html`<textarea name="options" rows="2" spellcheck="false">${entered.options ?? ""}</textarea>`, html`One per line, such as <code>access=read</code>. ${options.map((vendor, index) => html`${index > 0 && "; "}${vendor.label}: ${vendor.options.map((option, at) => html`${at > 0 && ", "}<code>${option}</code>`)}`)}.`)}
<div class="row"><button class="primary">Create key</button></div>
</form>`;
}
