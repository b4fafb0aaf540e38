import { formatCount } from "../format.ts";
import { exact, type Html, html, type Value } from "../html.ts";

/** Above this many items, the number must be typed. */
export const typedAbove = 10_000;

/** A form that changes something. */
export interface ActionForm {
  action: Html;
  button: Value;
  /** Repeats of the form with the same key change nothing. */
  key: string;
  /** The number of items that it changes. */
  count?: number | undefined;
  /** Asks for a note: required, optional, or not at all. */
  note?: "required" | "optional" | undefined;
  fields?: Readonly<Record<string, string>>;
  kind?: "primary" | "plain" | "danger" | undefined;
}

/** Shows a form with one button. Its answer is a redirect. */
export function actionForm({ action, button, key, count = 0, note, fields = {}, kind = "plain" }: ActionForm): Html {
  return html`<form class="action" method="post" action="${action}">
<input type="hidden" name="key" value="${key}">
${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${exact(value)}">`)}
${count > typedAbove && html`<label><span>Type <b>${formatCount(count)}</b> to confirm</span> <input name="confirm" inputmode="numeric" autocomplete="off" required size="12"></label>`}
${note && html`<label><span>Note${note === "optional" && html` <span class="muted">(optional)</span>`}</span> <input name="note" maxlength="255" autocomplete="off"${note === "required" && " required"}></label>`}
<button class="${kind}">${button}</button>
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
