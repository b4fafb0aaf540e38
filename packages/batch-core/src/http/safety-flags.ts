import { invalidRequest } from "../errors/errors.ts";
import { findFlags, findFlagsInJson, readSafetyFlags } from "../safety-flags/safety-flags.ts";
import { parseJson } from "./json.ts";
import { decodeUtf8, readBody } from "./read-body.ts";

/** Bytes of the body of a call that takes none, or a few parameters. */
const bodyLimit = 64 * 1024;

/**
 * Checks a call that takes no parameters: neither its headers may hold a safety flag, nor its query or its body anything. A
 * caller who names some items of a batch means less than the whole batch.
 * @throws ReinstateError `invalid_request`, or `body_too_large` for a body over 64 KiB.
 */
export async function rejectParameters(request: Request): Promise<void> {
  if (isBlank(await readParameters(request))) return;
  throw invalidRequest({ path: "body", message: "must be empty, because the call is for the whole batch" });
}

/**
 * Reads the body of a call that takes few parameters and no safety flags; an empty body is `{}`. `read` gets its bytes.
 * @throws ReinstateError `invalid_request`, `malformed_json`, or `body_too_large` for a body over 64 KiB.
 */
export async function readSmallBody(request: Request, read?: (body: Uint8Array) => void): Promise<unknown> {
  const text = await readParameters(request, read);
  return isBlank(text) ? {} : parseJson(text);
}

// Performance: trimmed first, because one expression for all of it takes quadratic time on a body of spaces.
const isBlank = (text: string) => /^(\{\s*\})?$/.test(text.trim());

/** Returns the text of the body, of a call without safety flags and without a query. */
async function readParameters(request: Request, read?: (body: Uint8Array) => void): Promise<string> {
  const { searchParams } = new URL(request.url);
  const body = await readBody(request, bodyLimit);
  read?.(body);
  const text = decodeUtf8(body) ?? "not UTF-8";
  readSafetyFlags(
    { place: "header", fields: findFlags(request.headers) },
    { place: "query", fields: findFlags(searchParams) },
    { place: "body", fields: findFlagsInText(text) },
  );
  if (searchParams.size === 0) return text;
  throw invalidRequest({ path: "query", message: "must be empty, because the call takes no parameters there" });
}

function findFlagsInText(text: string) {
  try {
    return findFlagsInJson(text);
  } catch {
    // A form, or a text whose first part resembles a flag.
    return findFlags(new URLSearchParams(text));
  }
}
