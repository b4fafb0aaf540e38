import { setImmediate } from "node:timers/promises";
import { ReinstateError } from "../errors/errors.ts";
import { readJsonInSlices } from "../text/json-slices.ts";
import { readJson } from "../text/json-text.ts";
import { decodeUtf8 } from "./read-body.ts";

/**
 * Parses a JSON body and yields to the event loop in between. Throws `malformed_json` if it is not UTF-8, if it holds a text of more
 * than a mebibyte, and as `parseJson` does.
 */
export async function parseJsonBody(body: Uint8Array): Promise<unknown> {
  const text = decodeUtf8(body);
  if (text === undefined) throw malformed("it is not UTF-8");
  // Decoding a long body takes a time slice of its own.
  if (text.length > longBody) await setImmediate();
  return parseJsonInSlices(text);
}

/** Parses a JSON text like `parseJson`, and yields to the event loop in between. */
export async function parseJsonInSlices(text: string): Promise<unknown> {
  const read = await readJsonInSlices(text);
  if (read.fault !== undefined) throw malformed(read.fault);
  return read.value;
}

/** Length of a body, in characters, from which parsing yields to the event loop. */
const longBody = 100_000;

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
