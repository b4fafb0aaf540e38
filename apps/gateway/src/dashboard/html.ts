import { html as template } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";

/** Markup that is safe to put into a page. */
export type Html = HtmlEscapedString;

export type Value = string | number | boolean | null | undefined | readonly Value[];

/** Characters that hide themselves or reorder the text around them. */
const controls =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are made visible.
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/**
 * Returns a text with its invisible and reordering characters made visible.
 *
 * @example showControls("a\u202eb") // "a⟨U+202E⟩b"
 */
export const showControls = (text: string): string =>
  text.replace(controls, (character) => `⟨U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

/** Builds markup. Every text in it is escaped, and its control characters are made visible. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return template(strings, ...values.map(prepare)) as Html;
}

/** Escapes a text without making control characters visible, for values that a form sends back. */
export const exact = (text: string): Html => template`${text}` as Html;

// Markup is an object of the class String at run time, so only plain texts are changed.
const prepare = (value: Value): Value =>
  typeof value === "string" ? showControls(value) : Array.isArray(value) ? value.map(prepare) : value;
