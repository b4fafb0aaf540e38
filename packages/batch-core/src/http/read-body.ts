import { findPass, waitForClient } from "../admission/pass.ts";
import { ReinstateError } from "../errors/errors.ts";

/** Maximum announced length, in bytes, of a body that is read at once for an unknown caller. */
export const unknownCallerBytes = 64 * 1024;

/**
 * Reads the body of a request, at most `limit` bytes.
 *
 * @throws ReinstateError `body_too_large` as soon as the header or the stream exceeds the limit, without reading on; `encoded_body`,
 * before reading, if the body is compressed; `overloaded` if the memory for unknown callers is full
 */
export async function readBody(request: Request, limit: number): Promise<Uint8Array> {
  assertNotEncoded(request);
  const announced = request.headers.get("content-length");
  if (announced !== null && Number(announced) > limit) throw tooLarge(limit);
  const pass = findPass(request);
  // The HTTP parser enforces the announced length, so the fast path is safe.
  if (announced !== null && (!pass || pass.isKnown || Number(announced) <= unknownCallerBytes)) {
    pass?.reserve(Number(announced));
    return new Uint8Array(await waitForClient(request, request.arrayBuffer().catch(throwBroken)));
  }
  const parts: Uint8Array[] = [];
  for await (const part of bodyParts(request, limit)) parts.push(part);
  return parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
}

/**
 * Yields the body of a request as it arrives, at most `limit` bytes. Throws `body_too_large` and `encoded_body` like `readBody`, and
 * `broken_body` if the client disconnects before the end.
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
    // Awaiting the cancellation would wait for the pending part.
    if (!isWaiting) await parts.return?.();
  }
}

/** Rejects compressed bodies, which no API here supports. Some clients put a charset into this header, which is not an encoding. */
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

/** Decodes a UTF-8 body; undefined if it is not UTF-8. A byte order mark is skipped. */
export function decodeUtf8(body: Uint8Array): string | undefined {
  try {
    return utf8.decode(body);
  } catch {
    return undefined;
  }
}
