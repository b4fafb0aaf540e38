import { capitalize, formatCount } from "../format.ts";
import { type Html, html } from "../html.ts";
import { canDryRun, type OperationChoice } from "../operations.ts";
import type { ParamField } from "../params.ts";
import type { View } from "../view.ts";
import { alert } from "./components.ts";
import { field, select } from "./forms.ts";
import { renderPage } from "./layout.ts";

/** Renders the choice of the operation. */
export function renderChoice(view: View, choices: readonly OperationChoice[]): Html {
  const vendors = [...new Set(choices.map(({ vendor }) => vendor))];
  return renderPage(view, {
    title: "New batch",
    section: "/batches/new",
    body: html`<div class="head"><h1>New batch</h1></div>
<p class="lead">Choose what to do. Nothing changes before you have seen a preview.</p>
<div class="columns">${vendors.map(
      (vendor) =>
        html`<section class="card"><h2>${vendor}</h2><ul class="choices">${choices
          .filter((choice) => choice.vendor === vendor)
          .map(
            ({ value, title, target, operation }) =>
              html`<li><a href="${view.links.href("/batches/new", { operation: value })}">${title}</a>${target === "upstream" && html` <span class="tag">upstream</span>`} <span class="sub">${describeTarget(target)}, ${formatCount(operation.chunkSize)} per request</span></li>`,
          )}</ul></section>`,
    )}</div>`,
  });
}

const describeTarget = (target: string): string => (target === "local" ? "our own records" : "the vendor itself");

export interface NewBatchPage {
  choice: OperationChoice;
  fields: readonly ParamField[];
  accounts: readonly string[];
  columns: readonly string[];
  key: string;
  /** The faults of the last attempt, and the values that were entered. */
  fault?: { title: string; issues: readonly { path: string; message: string }[] } | undefined;
  entered?: Readonly<Record<string, string>>;
}

/** Renders the form of a new batch. Its fields stand before the file, so that the file can be read as it arrives. */
export function renderNewBatch(view: View, page: NewBatchPage): Html {
  const { choice, fields, columns, key, fault, entered = {} } = page;
  const { links } = view;
  return renderPage(view, {
    title: choice.title,
    section: "/batches/new",
    body: html`<nav class="trail" aria-label="Breadcrumb"><a href="${links.href("/batches/new")}">New batch</a> / <span>${choice.vendor}</span></nav>
<div class="head"><h1>${choice.title}</h1>${choice.target === "upstream" && html`<p class="tags"><span class="tag">upstream</span></p>`}</div>
<p class="lead">${choice.vendor}, ${describeTarget(choice.target)}.</p>
${fault && alert(fault.title, fault.issues, "Nothing was created. Correct the input and send it again.")}
<form class="card" method="post" enctype="multipart/form-data" action="${links.href("/batches/new")}">
<input type="hidden" name="key" value="${key}">
<input type="hidden" name="operation" value="${choice.value}">
${choice.accounts && renderAccount(page)}
${fields.map((param) => renderParam(param, page.fault ? entered[`param.${param.name}`] : param.usual))}
${field("Ids or rows", html`<textarea name="items" rows="8" spellcheck="false" placeholder="${placeholder(columns)}">${entered.items ?? ""}</textarea>`, html`One per line, or paste a table with a header. Columns: ${columns.map((column, index) => html`${index > 0 && ", "}<code>${column}</code>`)}.`)}
${field("Or a file", html`<input type="file" name="file">`, "CSV, TSV, NDJSON, a JSON list, or one id per line; any number of rows. Duplicates count once.")}
<div class="row"><button class="primary">${canDryRun(choice.operation) ? "Preview" : "Check and prepare"}</button></div>
<p class="hint">${canDryRun(choice.operation) ? "The preview is a dry run: it shows the outcome of every item and changes nothing." : "This operation has no dry run. The batch is prepared, and nothing runs before you start it."}</p>
</form>`,
  });
}

const placeholder = (columns: readonly string[]): string => (columns.length > 2 ? columns.join(",") : "101\n102\n103");

function renderAccount({ accounts, entered = {} }: NewBatchPage): Html {
  const value = entered.account ?? (accounts.length === 1 ? (accounts[0] ?? "") : "");
  return field(
    "Account",
    html`<input name="account" value="${value}" list="accounts" required autocomplete="off"><datalist id="accounts">${accounts.map((account) => html`<option value="${account}"></option>`)}</datalist>`,
  );
}

function renderParam({ name, kind, isRequired, options, description }: ParamField, entered: string | undefined): Html {
  const label = capitalize(name.replaceAll("_", " "));
  const input = `param.${name}`;
  if (kind === "boolean") {
    return html`<div class="field check"><label><input type="checkbox" name="${input}" value="true"${entered === "true" && " checked"}> ${label}</label>${description && html`<p class="hint">${description}</p>`}</div>`;
  }
  if (kind === "choice") {
    const choices = options.map((option) => [option, option] as const);
    return field(label, select(input, entered, isRequired ? choices : [["", "–"], ...choices]), description);
  }
  const mode = kind === "number" && html` inputmode="numeric"`;
  return field(
    html`${label}${!isRequired && html` <span class="muted">(optional)</span>`}`,
    html`<input name="${input}" value="${entered ?? ""}" autocomplete="off"${mode}${isRequired && " required"}>`,
    description,
  );
}
