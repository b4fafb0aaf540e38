import { isMarked } from "../errors/marked.ts";

const marker = Symbol.for("reinstate.vendor-error");
// Declared here again: the client loads nothing of the server side.
const publicMessage = Symbol.for("reinstate.public-message");

/**
 * `rejected`: the vendor said no. `rate_limited`: 429. `unavailable`: no connection, or the vendor answered that it is
 * down; nothing was done. `circuit_open`: the vendor did not answer the calls before, so this one was not sent.
 * `unknown_outcome`: the request may have been carried out, but its answer was lost. `bad_reply`: an answer that is not the
 * vendor's.
 */
export type VendorErrorKind =
  | "rejected"
  | "rate_limited"
  | "unavailable"
  | "circuit_open"
  | "unknown_outcome"
  | "bad_reply";

/** A call to a vendor that did not succeed. Holds no secret and no header of the request. */
export class VendorError extends Error {
  readonly [marker] = true;
  readonly [publicMessage] = true;
  readonly kind: VendorErrorKind;
  /** HTTP status, where there was an answer. */
  readonly status: number | undefined;
  /** The vendor's own code: `invalid_params`, 401, 448. */
  readonly code: string | number | undefined;
  readonly requestId: string | undefined;
  /** The vendor's answer, parsed where it could be. */
  readonly body: unknown;
  /** Milliseconds that the vendor asks us to wait. */
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

  /** May the same call succeed later without a change? */
  get retryable(): boolean {
    return this.kind === "rate_limited" || this.kind === "unavailable" || this.kind === "circuit_open";
  }
}
