import { formatCount } from "../format.ts";
import { exact, type Html, html, type Value } from "../html.ts";

/** Above this many items, the number must be typed. */
export const typedAbove = 10_000;

/** A button of a form. */
export interface Action {
  action: Html;
  label: Value;
  kind?: "primary" | "plain" | "danger";
  /** A field that only this button sends. */
  field?: { name: string; value: string };
  /** The button works without the note and the typed number. */
  isFree?: boolean;
}

/** A form that changes something. Its answer is a redirect. */
export interface ActionForm {
  actions: readonly Action[];
  /** Repeats of the form with the same key change nothing. */
  key: string;
  /** The number of items that it changes. */
  count?: number | undefined;
  /** Asks for a note: required, optional, or not at all. */
  note?: "required" | "optional" | undefined;
  fields?: Readonly<Record<string, string>>;
}

/** Shows a form with a button for each action. */
export function actionForm({ actions, key, count = 0, note, fields = {} }: ActionForm): Html {
  return html`<form class="action" method="post" action="${actions[0]?.action}">
<input type="hidden" name="key" value="${key}">
${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${exact(value)}">`)}
${count > typedAbove && html`<label><span>Type <b>${formatCount(count)}</b> to confirm</span> <input name="confirm" inputmode="numeric" autocomplete="off" required size="12"></label>`}
${note && html`<label><span>Note${note === "optional" && html` <span class="muted">(optional)</span>`}</span> <input name="note" maxlength="1000" size="32" autocomplete="off"${note === "required" && " required"}></label>`}
${actions.map(
  ({ action, label, kind = "plain", field, isFree }) =>
    html`<button class="${kind}" formaction="${action}"${field && html` name="${field.name}" value="${field.value}"`}${isFree && " formnovalidate"}>${label}</button>`,
)}
</form>`;
}

/** Shows a field with its label and a hint. */
export const field = (label: Value, control: Html, hint?: Value): Html =>
  html`<div class="field"><label><span>${label}</span> ${control}</label>${hint && html`<p class="hint">${hint}</p>`}</div>`;

/** Shows a list of choices. */
export const select = (
  name: string,
  chosen: string | undefined,
  options: readonly (readonly [string, string])[],
): Html =>
  html`<select name="${name}">${options.map(
    ([value, label]) =>
      html`<option value="${exact(value)}"${value === (chosen ?? "") && " selected"}>${label}</option>`,
  )}</select>`;

/** Reads a number as people type it: `12,345`, `12 345` or `12345`. */
export const readTypedNumber = (text: string): number =>
  Number(text.replace(/[\s,.'_\u00a0\u202f]/g, "") || Number.NaN);
