import { findFlags, findFlagsInJson, readSafetyFlags } from "../safety-flags.ts";
import { decodeUtf8, readBody } from "./body.ts";

/** Bytes of the body of a call that takes none. */
const bodyLimit = 64 * 1024;

/**
 * Checks a call that supports no safety flag: neither its headers nor its query nor its body may hold one.
 * @throws ReinstateError `invalid_request`, or `body_too_large` for a body over 64 KiB.
 */
export async function rejectSafetyFlags(request: Request): Promise<void> {
  const text = decodeUtf8(await readBody(request, bodyLimit)) ?? "";
  readSafetyFlags(
    { place: "header", fields: findFlags(request.headers) },
    { place: "query", fields: findFlags(new URL(request.url).searchParams) },
    { place: "body", fields: findFlagsInText(text) },
  );
}

function findFlagsInText(text: string) {
  try {
    return findFlagsInJson(text);
  } catch {
    // A form, or a text whose first part resembles a flag.
    return findFlags(new URLSearchParams(text));
  }
}
