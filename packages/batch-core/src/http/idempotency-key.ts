import { createHash, type Hash } from "node:crypto";
import { HTTPException } from "hono/http-exception";
import { cleanPath } from "./path.ts";
import { problem } from "./problem.ts";

/** True for 1 to 255 printable ASCII characters. */
export const isIdempotencyKey = (text: string): boolean => /^[\x20-\x7e]{1,255}$/.test(text);

/** A request that carries an Idempotency-Key, while its body is read. */
export interface KeyedRequest {
  /** Adds the bytes of the body, in order. */
  update(part: Uint8Array): void;
  /** Returns the idempotency key of a submission, after the whole body was read. */
  end(): { scope: string; key: string; digest: string };
}

/**
 * Reads the Idempotency-Key of a request; undefined if it has none. Each API key has its own scope. The digest is SHA-256 over method,
 * path, query and body. Throws a 400 for an invalid key.
 */
export function keyedRequest(request: Request, actor: string): KeyedRequest | undefined {
  const key = request.headers.get("idempotency-key");
  if (key === null) return undefined;
  if (!isIdempotencyKey(key)) {
    const detail = "The header Idempotency-Key must be 1 to 255 printable ASCII characters";
    throw new HTTPException(400, { res: problem(400, "invalid-idempotency-key", detail) });
  }
  const { search } = new URL(request.url);
  const route = `${request.method} ${cleanPath(request)}`;
  const hash: Hash = createHash("sha256").update(`${route}\n${search}\n`);
  return {
    update: (part) => void hash.update(part),
    end: () => ({ scope: `${actor} ${route}`, key, digest: hash.digest("hex") }),
  };
}
