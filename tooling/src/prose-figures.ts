/** Sentences of a Markdown text, without code, tables, links' addresses and headings. */
export function readSentences(markdown: string): string[] {
  const text = markdown
    .replace(/^```[\s\S]*?^```$/gm, "")
    .replace(/^(?:\||#|---).*$/gm, "")
    .replace(/\]\([^)]*\)/g, "]")
    .replace(/`[^`\n]*`/g, "code");
  return text
    .split(/\n\s*\n|\n(?=\s*[-*\d])/)
    .flatMap((paragraph) => paragraph.replace(/\s+/g, " ").split(/(?<=[.!?:])\s+(?=[A-Z[*"(])/))
    .map((sentence) => sentence.trim())
    .filter((sentence) => /\p{L}{2}/u.test(sentence));
}

/** Names of the tests and `describe` blocks in a source text. */
export const readTestNames = (source: string): string[] =>
  [...source.matchAll(/^\s*(?:test|it)(?:\.\w+)*(?:\([^"\n]*\))?\(\s*"([^"]+)"/gm)].map(([, name = ""]) => name);

export const countWords = (text: string): number => text.split(/\s+/).filter((word) => /[\p{L}\d]/u.test(word)).length;

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
