/** Levels of objects and lists within each other that a JSON text may have. */
export const deepestJson = 64;

const quote = 0x22;
const backslash = 0x5c;

/** Returns true when objects and lists stand deeper within each other than `levels`, whether or not the text is JSON. */
export function isDeeperThan(levels: number, text: string): boolean {
  if (text.length <= levels) return false;
  let depth = 0;
  let isText = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isText) {
      if (code === backslash) at++;
      else if (code === quote) isText = false;
    } else if (code === quote) isText = true;
    // [ and { differ from ] and } by two, and from each other by one bit.
    else if ((code | 0x20) === 0x7b && ++depth > levels) return true;
    else if ((code | 0x20) === 0x7d) depth--;
  }
  return false;
}
