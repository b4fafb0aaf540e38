import { maxDepth } from "@reinstate/batch-core/http";
import { fieldLimits } from "./identity.ts";

/** What a body may hold at most, in JSON or XML, so that a hostile one costs no more than a friendly one. */
export interface BodyLimits {
  /** Objects and lists, or elements, within each other. */
  depth: number;
  /** Values, or elements. */
  values: number;
  /** Values of one object or list, or elements of one element. */
  children: number;
}

/** What a document may hold at most. */
export interface XmlLimits extends BodyLimits {
  /** Per element. */
  attributes: number;
  /** Characters of text per element. */
  text: number;
}

/** No text is longer than all custom fields together may be, so XML holds what JSON does. */
export const requestLimits: XmlLimits = {
  ...{ depth: maxDepth, values: 4096, children: 4096, attributes: 16 },
  text: fieldLimits.characters,
};

const opened = 0x7b;
const openedList = 0x5b;
const closed = 0x7d;
const closedList = 0x5d;
const comma = 0x2c;
const quote = 0x22;
const backslash = 0x5c;

/**
 * What is too much in a JSON text; undefined where nothing is. Looked for before the text is parsed, in one pass that remembers
 * nothing of it: a parser would build millions of nested lists first. Says nothing of whether the text is JSON.
 */
export function excessOf(json: string, limits: BodyLimits): string | undefined {
  const children: number[] = [];
  let values = 0;
  for (let at = 0; at < json.length; at++) {
    const character = json.charCodeAt(at);
    if (character === quote) {
      at = endOfText(json, at);
    } else if (character === opened || character === openedList || character === comma) {
      if (++values > limits.values) return `more than ${limits.values} values`;
      if (character === comma) {
        const siblings = (children.pop() ?? 0) + 1;
        // One more than there are commas.
        if (siblings >= limits.children) return `more than ${limits.children} values in one`;
        children.push(siblings);
      } else {
        children.push(0);
        if (children.length > limits.depth) return `nested more than ${limits.depth} deep`;
      }
    } else if (character === closed || character === closedList) children.pop();
  }
  return undefined;
}

/** The place of the quote that ends the text that begins at `start`, or the end of all. */
function endOfText(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let escapes = 0;
    while (json.charCodeAt(at - 1 - escapes) === backslash) escapes++;
    if (escapes % 2 === 0) return at;
  }
  return json.length;
}
