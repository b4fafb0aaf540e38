/** Cell separators, the most likely first. */
const separators = [",", ";", "\t"];

const quoteCode = 0x22;

/** Returns the separator that occurs most often outside quotes; a comma if there is none. */
export function findSeparator(text: string): string {
  const counts = separators.map(() => 0);
  const codes = separators.map((sign) => sign.charCodeAt(0));
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === quoteCode) isQuoted = !isQuoted;
    const place = isQuoted ? -1 : codes.indexOf(code);
    if (place >= 0) counts[place] = (counts[place] as number) + 1;
  }
  return separators[counts.indexOf(Math.max(...counts))] as string;
}

/**
 * Splits a record into at most `limit` cells, in linear time. Trims white space around cells. Returns undefined if a quote is inside
 * an unquoted cell, follows a quoted one, or is never closed.
 */
export function splitCells(text: string, separator: string, limit: number): string[] | undefined {
  if (!text.includes('"')) return text.split(separator, limit).map((cell) => cell.trim());
  const cells: string[] = [];
  for (let at = 0; cells.length < limit; ) {
    const start = skipSpace(text, at, separator);
    const quoted = text[start] === '"' ? readQuoted(text, start + 1) : undefined;
    if (text[start] === '"' && !quoted) return undefined;
    const from = quoted ? skipSpace(text, quoted.end, separator) : start;
    const next = text.indexOf(separator, from);
    const end = next < 0 ? text.length : next;
    if (quoted && from !== end) return undefined;
    const cell = quoted ? quoted.cell : text.slice(from, end).trim();
    if (!quoted && cell.includes('"')) return undefined;
    cells.push(cell);
    if (next < 0) break;
    at = next + 1;
  }
  return cells;
}

function skipSpace(text: string, from: number, separator: string): number {
  let at = from;
  while (at < text.length && text[at] !== separator && (text[at] as string).trim() === "") at++;
  return at;
}

/** Returns the cell whose opening quote is before `from`. Doubled quotes in it become one. */
function readQuoted(text: string, from: number): { cell: string; end: number } | undefined {
  for (let at = from; at < text.length; at++) {
    if (text.charCodeAt(at) !== quoteCode) continue;
    if (text.charCodeAt(at + 1) !== quoteCode) return { cell: text.slice(from, at).replaceAll('""', '"'), end: at + 1 };
    at++;
  }
  return undefined;
}

/** Counts the quotes of a line. An odd number leaves a cell open. */
export function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0 && at < text.length; at++) if (text.charCodeAt(at) === quoteCode) count++;
  return count;
}
