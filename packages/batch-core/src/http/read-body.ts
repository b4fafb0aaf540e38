import { findPass, waitForClient } from "../admission/pass.ts";
import { ReinstateError } from "../errors/errors.ts";

/** Bytes of a body that are read in one go for a caller who is not known. */
export const unknownCallerBytes = 64 * 1024;

/**
 * The body of a request, at most `limit` bytes of it. Throws `body_too_large` as soon as the limit is known to be passed:
 * from the header, before anything is read, or from the stream, without reading on. Throws `encoded_body` before anything is
 * read if the body is compressed, and `overloaded` if the caller is not known and the memory for such callers is full.
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array> {
  assertNotEncoded(request);
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) > limit) throw tooLarge(limit);
  const pass = findPass(request);
  // An announced length is enforced by the HTTP parser, so the quick way is safe.
  if (announced !== null && (!pass || pass.isKnown || Number(announced) <= unknownCallerBytes)) {
    pass?.reserve(Number(announced));
    return new Uint8Array(await waitForClient(request, request.arrayBuffer().catch(throwBroken)));
  }
  const parts: Uint8Array[] = [];
  for await (const part of bodyParts(request, limit)) parts.push(part);
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
}

/**
 * The body of a request as it arrives, at most `limit` bytes of it. Throws `body_too_large` and `encoded_body` like
 * `readBody`, and `broken_body` where the client is gone before the end.
 */
export async function* bodyParts(request: Request, limit: number): AsyncGenerator<Uint8Array, void, undefined> {
  assertNotEncoded(request);
  if (Number(request.headers.get("content-length")) > limit) throw tooLarge(limit);
  if (!request.body) return;
  const parts = (request.body as unknown as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  let size = 0;
  let isWaiting = false;
  try {
    for (;;) {
      isWaiting = true;
      const { value, done } = await waitForClient(request, parts.next().catch(throwBroken));
      isWaiting = false;
      if (done) return;
      size += value.byteLength;
      if (size > limit) throw tooLarge(limit);
      findPass(request)?.reserve(value.byteLength);
      yield value;
    }
  } finally {
    // It would wait for the part that is under way.
    if (!isWaiting) await parts.return?.();
  }
}

/** No API here reads compressed bodies. Some clients name their charset in this header; that encodes nothing. */
function assertNotEncoded(request: Request): void {
  const encoding = request.headers.get("content-encoding")?.trim() ?? "";
  if (/^(identity|utf-?8)?$/i.test(encoding)) return;
  throw new ReinstateError(
    "encoded_body",
    `The body must not be encoded (Content-Encoding is ${encoding.slice(0, 50)})`,
  );
}

function throwBroken(cause: unknown): never {
  throw new ReinstateError("broken_body", "The connection ended before the body did", { cause });
}

function tooLarge(limit: number): ReinstateError {
  return new ReinstateError("body_too_large", `The body is larger than ${limit} bytes`);
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The text of a UTF-8 body; undefined where it is not UTF-8. A byte order mark is left out. */
export function decodeUtf8(body: Uint8Array): string | undefined {
  try {
    return utf8.decode(body);
  } catch {
    return undefined;
  }
}
