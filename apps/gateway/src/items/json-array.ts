import type { ItemFault } from "./item-fault.ts";

const [quote, backslash, open, close, comma] = [0x22, 0x5c, 0x5b, 0x5d, 0x2c];
const [openBrace, closeBrace] = [0x7b, 0x7d];
const lineFeed = 0x0a;
const space = 0x20;

const isSpace = (byte: number) => byte === space || byte === lineFeed || byte === 0x0d || byte === 0x09;

/**
 * Yields the elements of a JSON array, one per line. Only the brackets are examined: each element is validated as a line of NDJSON.
 * Memory is constant.
 *
 * @throws the error of `fault` if the text does not begin with an array, ends within it, or continues behind it
 */
export async function* splitJsonArray(
  source: AsyncIterable<Uint8Array>,
  makeFault: ItemFault,
): AsyncGenerator<Uint8Array, void, undefined> {
  let depth = 0;
  let isInText = false;
  let isEscaped = false;
  let isOver = false;
  let isBlank = true;
  const fault = (what: string) => makeFault(what, "give a JSON array of items, or one item per line");
  for await (const part of source) {
    const lines = Buffer.allocUnsafe(part.length);
    let length = 0;
    for (const byte of part) {
      if (isInText) {
        lines[length++] = byte === lineFeed ? space : byte;
        if (isEscaped) isEscaped = false;
        else if (byte === backslash) isEscaped = true;
        else if (byte === quote) isInText = false;
        continue;
      }
      if (isSpace(byte)) {
        if (depth > 1) lines[length++] = space;
        continue;
      }
      if (isOver) throw fault("continues behind the end of its JSON array");
      if (depth === 0) {
        if (byte !== open) throw fault("is no JSON array");
        depth = 1;
        continue;
      }
      if (depth === 1 && byte === comma) {
        if (isBlank) throw fault("has a comma with no element before it");
        lines[length++] = lineFeed;
        isBlank = true;
        continue;
      }
      if (byte === open || byte === openBrace) depth++;
      else if (byte === close || byte === closeBrace) depth--;
      if (depth === 0) {
        isOver = true;
        lines[length++] = lineFeed;
        continue;
      }
      isBlank = false;
      if (byte === quote) isInText = true;
      lines[length++] = byte;
    }
    if (length > 0) yield lines.subarray(0, length);
  }
  if (!isOver) throw fault(depth === 0 ? "is empty" : "ends within its JSON array");
}
