/** Objects and lists within each other in a text of JSON or XML at most. Code that walks a value recursively stays within its stack. */
export const maxDepth = 64;

const quote = 0x22;
const backslash = 0x5c;

/** A value that was read from JSON, or the reason why the text has no certain meaning. */
export type JsonText =
  | { value: unknown; fault?: undefined }
  | {
      fault: string;
      /** The fault quotes some of the text, which may hold a secret. */
      quotes?: true;
    };

/**
 * Reads a JSON text, in time that grows with its length alone. The fault says why it is none, that an object holds a name twice
 * (readers differ in which value they take), or that it is nested more than 64 deep.
 */
export function readJson(text: string): JsonText {
  // Performance: JSON.parse takes far longer over a megabyte of brackets than over any other megabyte.
  if (isTooDeep(text)) return { fault: `it is nested more than ${maxDepth} deep` };
  let value: unknown;
  const { stackTraceLimit } = Error;
  try {
    // Performance: the stack takes half the time of a text that is not JSON, and is not read.
    Error.stackTraceLimit = 0;
    value = JSON.parse(text);
  } catch (error) {
    return { fault: (error as SyntaxError).message, quotes: true };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  // Performance: the search takes twice as long as the parser, and nearly no text needs it.
  const name = countNameEnds(text) > countNames(value) ? findRepeatedName(text) : undefined;
  if (name === undefined) return { value };
  return { fault: `the name ${JSON.stringify(name.slice(0, 100))} occurs twice in an object` };
}

function isTooDeep(text: string): boolean {
  if (text.length <= maxDepth) return false;
  let depth = 0;
  let isText = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isText) {
      if (code === backslash) at++;
      else if (code === quote) isText = false;
    } else if (code === quote) isText = true;
    // Braces differ from brackets by one bit, and the closing ones from the opening ones by two.
    else if ((code | 0x20) === 0x7b && ++depth > maxDepth) return true;
    else if ((code | 0x20) === 0x7d) depth--;
  }
  return false;
}

/** Counts the colons behind a quote: one for each name, and further ones inside texts. */
function countNameEnds(text: string): number {
  let count = 0;
  for (let at = text.indexOf(":"); at >= 0; at = text.indexOf(":", at + 1)) {
    let before = at - 1;
    while (isBlank(text.charCodeAt(before))) before--;
    if (text.charCodeAt(before) === quote) count++;
  }
  return count;
}

const isBlank = (code: number) => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;

/** Counts the properties of all objects in a value, which is at most `maxDepth` deep. */
function countNames(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const inner of value) count += countNames(inner);
    return count;
  }
  for (const inner of Object.values(value)) count += 1 + countNames(inner);
  return count;
}

/** Returns a name that an object holds twice, in a text that `JSON.parse` accepts. */
export function findRepeatedName(text: string): string | undefined {
  if (!text.includes("{")) return undefined;
  /** The names of each open object; undefined for an open list. */
  const open: (Set<string> | undefined)[] = [];
  const token = /["{}[\]]/g;
  const colon = /\s*:/y;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    if (match[0] === "}" || match[0] === "]") open.pop();
    else if (match[0] === '"') {
      const end = findClosingQuote(text, match.index);
      token.lastIndex = end + 1;
      const names = open.at(-1);
      colon.lastIndex = end + 1;
      if (!names || !colon.test(text)) continue;
      const name = JSON.parse(text.slice(match.index, end + 1)) as string;
      if (names.has(name)) return name;
      names.add(name);
    } else open.push(match[0] === "{" ? new Set() : undefined);
  }
  return undefined;
}

/** Characters of one text in a long JSON text at most: no API here takes a longer one, and it is parsed in one piece. */
export const longestText = 1024 * 1024;

/**
 * Returns the place of the quote that ends the text that begins at `start`; -1 without one. If the text has more characters than
 * `longest`, any place beyond them.
 * Performance: a text of megabytes is searched by `indexOf`.
 */
export function findClosingQuote(text: string, start: number, longest = Number.POSITIVE_INFINITY): number {
  for (let at = text.indexOf('"', start + 1); at >= 0; at = text.indexOf('"', at + 1)) {
    if (at - start > longest) return at;
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === backslash) escapes++;
    if (escapes % 2 === 0) return at;
  }
  return -1;
}
