import { randomUUID } from "node:crypto";

/** Kept here and not in an argument, so that the gateway and the routes of a vendor log one id for one call. */
const ids = new WeakMap<Request, string>();

/**
 * Returns the caller's own id of a request if it is one that can be logged and sent back, or a new one.
 *
 * @example outgoing.setHeader("x-request-id", toRequestId(incoming.headers["x-request-id"]));
 */
export function toRequestId(given: unknown, allowed = /^[\w.:-]{1,128}$/): string {
  return typeof given === "string" && allowed.test(given) ? given : randomUUID();
}

/**
 * Returns the id of a call for logs and replies: its header `X-Request-Id`, or a new one. The same request always has the same id; the
 * first reader decides what is allowed.
 *
 * @example log.error({ request_id: readRequestId(request) }, "failed to answer a call");
 */
export function readRequestId(request: Request, allowed?: RegExp): string {
  let id = ids.get(request);
  if (id === undefined) {
    id = toRequestId(request.headers.get("x-request-id")?.trim(), allowed);
    ids.set(request, id);
  }
  return id;
}
