import { messageOf, ReinstateError } from "../errors.ts";
import { decodeUtf8 } from "./body.ts";

/** Deeper than any request of an API here; what walks a value recursively stays within its stack. */
const maxDepth = 100;

/** Parses a JSON body. Throws `malformed_json` if it is not UTF-8, and as `parseJson` does. */
export function parseJsonBody(body: Uint8Array): unknown {
  const text = decodeUtf8(body);
  if (text === undefined) throw malformed("it is not UTF-8");
  return parseJson(text);
}

/**
 * Parses a JSON text. Throws `malformed_json` if it is none, if an object holds a name twice (readers differ in which value
 * they take, so the text has no certain meaning), or if it is nested more than 100 deep.
 */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed(messageOf(error));
  }
  checkStructure(text);
  return value;
}

function malformed(why: string): ReinstateError {
  return new ReinstateError("malformed_json", `The body is not valid JSON: ${why}`);
}

/** Checks depth and names of a text that `JSON.parse` accepts. */
function checkStructure(text: string): void {
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
      if (names.has(name)) throw malformed(`the name ${JSON.stringify(name.slice(0, 100))} occurs twice in an object`);
      names.add(name);
    } else {
      open.push(match[0] === "{" ? new Set() : undefined);
      if (open.length > maxDepth) throw malformed(`it is nested more than ${maxDepth} deep`);
    }
  }
}

function findClosingQuote(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); ; at = text.indexOf('"', at + 1)) {
    let escapes = 0;
    while (text[at - 1 - escapes] === "\\") escapes++;
    if (escapes % 2 === 0) return at;
  }
}
