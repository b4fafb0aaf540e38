import { invalidRequest } from "../errors.ts";
import { findFlags, findFlagsInJson, readSafetyFlags } from "../safety-flags.ts";
import { decodeUtf8, readBody } from "./body.ts";

/** Bytes of the body of a call that takes none. */
const bodyLimit = 64 * 1024;

/**
 * Checks a call that takes no parameters: neither its headers may hold a safety flag, nor its query or its body anything. A
 * caller who names some items of a batch, or a code, means less than the whole batch.
 * @throws ReinstateError `invalid_request`, or `body_too_large` for a body over 64 KiB.
 */
export async function rejectParameters(request: Request): Promise<void> {
  const { searchParams } = new URL(request.url);
  const text = decodeUtf8(await readBody(request, bodyLimit)) ?? "not UTF-8";
  readSafetyFlags(
    { place: "header", fields: findFlags(request.headers) },
    { place: "query", fields: findFlags(searchParams) },
    { place: "body", fields: findFlagsInText(text) },
  );
  const path = searchParams.size > 0 ? "query" : "body";
  if (path === "query" || !/^\s*(\{\s*\})?\s*$/.test(text)) {
    throw invalidRequest({ path, message: "must be empty, because the call is for the whole batch" });
  }
}

function findFlagsInText(text: string) {
  try {
    return findFlagsInJson(text);
  } catch {
    // A form, or a text whose first part resembles a flag.
    return findFlags(new URLSearchParams(text));
  }
}
