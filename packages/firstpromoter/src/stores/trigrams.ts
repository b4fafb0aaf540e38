/** Pieces of text that all stand somewhere in what is looked through, as they are. */
export type Pieces = readonly string[];

/** Three characters of Unicode each, every one once. */
export function trigramsOf(pieces: Pieces): string[] {
  const trigrams = new Set<string>();
  for (const piece of pieces) {
    const characters = [...piece];
    for (let at = 0; at + 3 <= characters.length; at++) trigrams.add(characters.slice(at, at + 3).join(""));
  }
  return [...trigrams];
}

// JSON writes them as they are, all others as escapes.
const plain = /(?:[^"\\\p{Cc}\p{Cs}])+/gu;

/**
 * What the JSON of a promoter's fields holds where one has this value, or has it in part: the pieces of one of the answers.
 * Superfluous ones may be found by them, nobody is missed.
 */
export function piecesOfField({ key, value, partial }: { key: string; value: string; partial: boolean }): Pieces[] {
  // As a text, and as a number or a truth value.
  if (!partial && /^[\w-]{1,15}$/.test(value)) return [[`":"${value}"`], [`":${value}`]];
  // A longer number may be written otherwise than it is asked for.
  const texts = /^[-+.\d]/.test(value) ? [key] : [key, value];
  return [texts.flatMap((text) => text.match(plain) ?? [])];
}
