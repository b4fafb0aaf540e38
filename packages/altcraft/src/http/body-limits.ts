import { setImmediate } from "node:timers/promises";
import { findClosingQuote, longestText, maxDepth } from "@reinstate/batch-core/http";
import { fieldLimits } from "../schemas/identity.ts";

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

/** Characters that are examined before others get a turn. */
const turnLength = 1024 * 1024;

const opened = 0x7b;
const openedList = 0x5b;
const closed = 0x7d;
const closedList = 0x5d;
const comma = 0x2c;
const quote = 0x22;

/**
 * Returns what is too much in a JSON text; undefined if nothing is. One pass before the text is parsed, with turns of the event loop in
 * between: a parser would build millions of nested lists first. Does not report whether the text is JSON.
 */
export async function findExcess(json: string, limits: BodyLimits): Promise<string | undefined> {
  const children: number[] = [];
  let values = 0;
  for (let at = 0, turn = turnLength; at < json.length; at++) {
    if (at > turn) {
      await setImmediate();
      turn = at + turnLength;
    }
    const character = json.charCodeAt(at);
    if (character === quote) {
      const end = findClosingQuote(json, at, longestText);
      if (end - at > longestText) return `a text of more than ${longestText} characters`;
      at = end < 0 ? json.length : end;
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
