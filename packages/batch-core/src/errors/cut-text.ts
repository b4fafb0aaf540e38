/** Bytes of a text in JSON, which is its longest form in any answer. */
const jsonBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2;

/**
 * Returns a text of at most `bytes` bytes as JSON. A longer one is cut, and ends with `…`. An answer that repeats a part of its
 * request must not grow with it.
 */
export function cutText(text: string, bytes: number): string {
  // Performance: a character takes one byte at least and six at most, so most texts need not be measured.
  if (text.length * 6 <= bytes || (text.length <= bytes && jsonBytes(text) <= bytes)) return text;
  let cut = text.slice(0, bytes);
  for (let size = jsonBytes(cut); size > bytes - 3; size = jsonBytes(cut)) {
    cut = cut.slice(0, Math.min(cut.length - 1, Math.floor((cut.length * (bytes - 3)) / size)));
  }
  return `${cut.toWellFormed().replace(/\uFFFD$/, "")}…`;
}

/** Returns the first of `values` that fit into `bytes` bytes as JSON. */
export function cutList<Value>(values: readonly Value[], bytes: number): Value[] {
  let left = bytes;
  const end = values.findIndex((value) => {
    left -= Buffer.byteLength(JSON.stringify(value)) + 1;
    return left < 0;
  });
  return end < 0 ? [...values] : values.slice(0, end);
}

/** Returns a list of names as a sentence has it: at most ten, and the count of the rest. */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, 10).map((name) => JSON.stringify(cutText(name, 100)));
  return shown.join(", ") + (names.length > 10 ? ` and ${names.length - 10} more` : "");
}
