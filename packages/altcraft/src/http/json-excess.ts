import { setImmediate } from "node:timers/promises";
import { findClosingQuote, longestText } from "@reinstate/batch-core/http";
import type { BodyLimits } from "./body-limits.ts";

/** Characters that are scanned between yields to the event loop. */
const charactersPerYield = 1024 * 1024;

const opened = 0x7b;
const openedList = 0x5b;
const closed = 0x7d;
const closedList = 0x5d;
const comma = 0x2c;
const quote = 0x22;

/**
 * Returns which limit a JSON text exceeds; undefined if none. Does not check whether the text is JSON.
 *
 * Performance: scans once before parsing and yields to the event loop, because a parser would first build millions of nested lists.
 */
export async function findExcess(json: string, limits: BodyLimits): Promise<string | undefined> {
  const children: number[] = [];
  let values = 0;
  for (let at = 0, nextYield = charactersPerYield; at < json.length; at++) {
    if (at > nextYield) {
      await setImmediate();
      nextYield = at + charactersPerYield;
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
        // A list has one value more than commas.
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
