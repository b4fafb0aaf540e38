import { setImmediate } from "node:timers/promises";
import { bodyParts, decodeUtf8, readBody, unknownCallerBytes } from "@reinstate/batch-core/http";
import { apiError } from "./errors.ts";
import { createTokenScan, type TokenScan } from "./token-scan.ts";

/** Size in bytes above which decoding and parsing a body are separated by a yield. */
const longBody = 100_000;

type CheckToken = (token: string) => Promise<unknown>;

/**
 * Reads the text of a request of at most `limit` bytes.
 *
 * @param checkToken throws for an unknown token
 * @throws `ApiError` if the text is not UTF-8
 */
export async function readText(request: Request, limit: number, checkToken: CheckToken): Promise<string> {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(request.headers.get("content-type") ?? "")?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) throw apiError("bad_request", "the charset must be UTF-8");
  const bytes = await readBodyOfUnknownCaller(request, limit, checkToken);
  const text = decodeUtf8(bytes);
  // Yields to the event loop between decoding and parsing a long body.
  if (bytes.length > longBody) await setImmediate();
  if (text === undefined) throw apiError("bad_request", "the body is not UTF-8");
  return text;
}

/**
 * Reads the body of a caller whose token may be in it. Beyond 64 KiB, the token is searched while the body arrives, and an unknown
 * token ends the reading. Until a token is found, the bytes count against the limit for unknown callers.
 */
async function readBodyOfUnknownCaller(request: Request, limit: number, checkToken: CheckToken): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) <= unknownCallerBytes) return readBody(request, limit);
  const parts: Uint8Array[] = [];
  let size = 0;
  let scan: TokenScan | undefined;
  let isFound = false;
  for await (const part of bodyParts(request, limit)) {
    parts.push(part);
    size += part.byteLength;
    if (isFound || size <= unknownCallerBytes) continue;
    const unread = scan ? [part] : parts;
    scan ??= createTokenScan(parts[0] as Uint8Array);
    for (const part of unread) {
      const token = isFound ? undefined : scan.write(part);
      if (token === undefined) continue;
      isFound = true;
      await checkToken(token);
    }
  }
  return Buffer.concat(parts);
}
