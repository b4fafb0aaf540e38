import { ReinstateError } from "../errors.ts";
import { readJson } from "../json-text.ts";
import { decodeUtf8 } from "./body.ts";

/** Parses a JSON body. Throws `malformed_json` if it is not UTF-8, and as `parseJson` does. */
export function parseJsonBody(body: Uint8Array): unknown {
  const text = decodeUtf8(body);
  if (text === undefined) throw malformed("it is not UTF-8");
  return parseJson(text);
}

/**
 * Parses a JSON text. Throws `malformed_json` if it is none, if an object holds a name twice (readers differ in which value
 * they take, so the text has no certain meaning), or if it is nested more than 64 deep.
 */
export function parseJson(text: string): unknown {
  const read = readJson(text);
  if (read.fault !== undefined) throw malformed(read.fault);
  return read.value;
}

function malformed(why: string): ReinstateError {
  return new ReinstateError("malformed_json", `The body is not valid JSON: ${why}`);
}
