import { isMarked } from "../errors/marked.ts";

const marker = Symbol.for("reinstate.vendor-error");
// Declared here again, because the client loads nothing of the server.
const publicMessage = Symbol.for("reinstate.public-message");

/**
 * - `rejected`: the vendor rejected the call.
 * - `rate_limited`: 429.
 * - `unavailable`: no connection, or the vendor reported that it is down. The call had no effect.
 * - `circuit_open`: earlier calls failed, so this one was not sent.
 * - `unknown_outcome`: the call may have had its effect, but the response was lost.
 * - `bad_reply`: the response is not as the vendor documents.
 */
export type VendorErrorKind =
  | "rejected"
  | "rate_limited"
  | "unavailable"
  | "circuit_open"
  | "unknown_outcome"
  | "bad_reply";

/** A failed call to a vendor. Contains no secret and no header of the request. */
export class VendorError extends Error {
  readonly [marker] = true;
  readonly [publicMessage] = true;
  readonly kind: VendorErrorKind;
  /** HTTP status, if there was a response. */
  readonly status: number | undefined;
  /** The vendor's own code: `invalid_params`, 401, 448. */
  readonly code: string | number | undefined;
  readonly requestId: string | undefined;
  /** The vendor's response, parsed if possible. */
  readonly body: unknown;
  /** `Retry-After` in milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    kind: VendorErrorKind,
    message: string,
    details: {
      status?: number | undefined;
      code?: string | number | undefined;
      requestId?: string | undefined;
      body?: unknown;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "VendorError";
    this.kind = kind;
    this.status = details.status;
    this.code = details.code;
    this.requestId = details.requestId;
    this.body = details.body;
    this.retryAfterMs = details.retryAfterMs;
  }

  static is(value: unknown): value is VendorError {
    return isMarked(value, marker);
  }

  /** Reports whether the same call may succeed later. */
  get retryable(): boolean {
    return this.kind === "rate_limited" || this.kind === "unavailable" || this.kind === "circuit_open";
  }
}
