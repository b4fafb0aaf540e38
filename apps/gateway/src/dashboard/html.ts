import { showControls } from "@reinstate/batch-core";
import { html as template } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";

/** Markup that is safe to put into a page. */
export type Html = HtmlEscapedString;

export type Value = string | number | boolean | null | undefined | readonly Value[];

/** Builds markup. Every text in it is escaped, and its control characters are made visible. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return template(strings, ...values.map(prepare)) as Html;
}

/** Escapes a text without making control characters visible, for values that a form sends back. */
export const exact = (text: string): Html => template`${text}` as Html;

// Markup is an object of the class String at run time, so only plain texts are changed.
const prepare = (value: Value): Value =>
  typeof value === "string" ? showControls(value) : Array.isArray(value) ? value.map(prepare) : value;
