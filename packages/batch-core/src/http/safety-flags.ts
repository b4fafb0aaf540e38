import { invalidRequest } from "../errors/errors.ts";
import { type FlagPart, findFlags, findFlagsInJson } from "../safety-flags/safety-flags.ts";
import { parseJson } from "./json.ts";
import { decodeUtf8, readBody } from "./read-body.ts";
import { smallBodyLimit } from "./v1-limits.ts";

/** A call whose safety flags are not checked yet. */
export interface UncheckedCall<Input> {
  /** The part of the call that its route needs. */
  input: Input;
  /** The places where a safety flag may stand, except for the headers, which hold none in any call. */
  parts: FlagPart[];
}

/** A call that takes few parameters in its body, or none. */
export interface SmallCall {
  query: URLSearchParams;
  text: string;
}

/**
 * Reads a call that takes few parameters. `read` gets the bytes of its body. `supported`: the safety flags that its body may have.
 * @throws ReinstateError `body_too_large` for a body over 64 KiB.
 */
export async function readSmallCall(
  request: Request,
  read?: (body: Uint8Array) => void,
  supported: readonly string[] = [],
): Promise<UncheckedCall<SmallCall>> {
  const { searchParams: query } = new URL(request.url);
  const body = await readBody(request, smallBodyLimit);
  read?.(body);
  const text = decodeUtf8(body) ?? "not UTF-8";
  return {
    input: { query, text },
    parts: [
      { place: "query", fields: findFlags(query) },
      { place: "body", fields: findFlagsInText(text), supported },
    ],
  };
}

/**
 * Returns the parameters in the body of a call; an empty body is `{}`.
 * @throws ReinstateError `invalid_request` or `malformed_json`
 */
export function readParameters(call: SmallCall): unknown {
  rejectQuery(call);
  return isBlank(call.text) ? {} : parseJson(call.text);
}

function rejectQuery({ query }: SmallCall): void {
  if (query.size === 0) return;
  throw invalidRequest({ path: "query", message: "must be empty, because the call takes no parameters there" });
}

// Performance: trimmed first, because one expression for all of it takes quadratic time on a body of spaces.
const isBlank = (text: string) => /^(\{\s*\})?$/.test(text.trim());

function findFlagsInText(text: string) {
  try {
    return findFlagsInJson(text);
  } catch {
    // A form, or a text whose first part resembles a flag.
    return findFlags(new URLSearchParams(text));
  }
}
