/** Characters that hide themselves or reorder the text around them. */
const controls =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these characters are made visible.
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/**
 * Returns a text with its invisible and reordering characters made visible. Tabs and line ends stay.
 *
 * @example showControls("a\u202eb") // "a⟨U+202E⟩b"
 */
export const showControls = (text: string): string =>
  text.replace(controls, (character) => `⟨U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

/** Characters of a value that a message shows at most. */
export const shownCharacters = 50;

/**
 * Returns a value of the caller for a message, as JSON on one line. A long one is cut, and ends with `…`.
 *
 * @example showValue("12\n") // '"12\\n"'
 */
export function showValue(value: unknown): string {
  if (typeof value === "string") return showControls(JSON.stringify(cut(value)));
  return showControls(cut(JSON.stringify(value) ?? String(value)));
}

/** Cuts a text, and no surrogate pair in it. */
const cut = (text: string): string =>
  text.length > shownCharacters ? `${text.slice(0, shownCharacters).replace(/[\ud800-\udbff]$/, "")}…` : text;
