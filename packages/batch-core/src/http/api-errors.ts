import { readRequestId } from "../admission/request-id.ts";
import { cutText } from "../errors/cut-text.ts";
import {
  isUnavailable,
  ReinstateError,
  type ReinstateErrorCode,
  toMessage,
  toPublicMessage,
} from "../errors/errors.ts";
import { isMarked } from "../errors/marked.ts";
import type { Log } from "../log.ts";
import { answerAborted } from "./aborted.ts";

const marker = Symbol.for("reinstate.api-error");

/** Details of an error beside its message. */
export interface ApiErrorOptions {
  /** Headers of this answer, beside those of its kind. */
  headers?: Record<string, string>;
  /** Members of the body beside the message, such as the faults of each field. The thrower limits their size. */
  members?: Record<string, unknown>;
}

/** A call that a vendor's API rejects, or that failed. Thrown from anywhere; the routes turn it into the vendor's answer. */
export class ApiError<Kind extends string = string> extends Error {
  readonly [marker] = true;
  /** The row in the vendor's table of errors. */
  readonly kind: Kind;
  /** The variable part of the message; empty if there is none. */
  readonly detail: string;
  readonly headers: Record<string, string>;
  readonly members: Record<string, unknown>;

  constructor(kind: Kind, detail: string, { headers = {}, members = {} }: ApiErrorOptions = {}) {
    super(detail === "" ? kind : `${kind}: ${detail}`);
    this.kind = kind;
    this.detail = detail;
    this.headers = headers;
    this.members = members;
  }

  static is(value: unknown): value is ApiError {
    return isMarked(value, marker);
  }
}

/** The kinds of a fault of the server. Every vendor has an answer for each. */
export type FaultKind = "unavailable" | "internal";

/** The errors of one vendor's API. */
export interface ApiErrors<Kind extends string> {
  /** Makes an error of this API, to be thrown. */
  apiError(kind: Kind | FaultKind, detail?: string, options?: ApiErrorOptions): ApiError<Kind | FaultKind>;
  /**
   * Returns the error of this API for anything that was thrown. A database that is away, full or read-only is `unavailable`;
   * what is not known is `internal`, with a detail that holds no text of the error.
   */
  toApiError(error: unknown): ApiError<Kind | FaultKind>;
  /**
   * Answers a call that failed, by `write`. Logs faults of the server, except calls that were turned away. A client that has
   * gone gets an answer for the access log alone.
   */
  answerError(
    error: unknown,
    call: { request: Request; log: Log; fields?: Record<string, unknown> },
    write: (error: ApiError<Kind | FaultKind>) => Response,
  ): Response;
}

/**
 * Declares the errors of a vendor's API: the kind of answer for each error of the core. The vendor keeps statuses, bodies and
 * headers of each kind in a table of its own.
 *
 * @example
 * const { apiError, answerError } = defineErrors<"bad_key" | "not_found" | "invalid" | "too_many_requests">({
 *   vendor: "zendesk",
 *   codes: { unknown_batch: "not_found", invalid_request: "invalid", overloaded: "unavailable", too_many_requests: "too_many_requests" },
 * });
 * routes.onError((error, c) => answerError(error, { request: c.req.raw, log: host.log }, writeError));
 * routes.notFound(() => writeError(apiError("not_found")));
 */
export function defineErrors<Kind extends string>({
  vendor,
  codes,
  details = {},
  detailBytes = 2000,
}: {
  vendor: string;
  /** Bytes of a detail at most: it may repeat a part of the request, and no answer grows with that. */
  detailBytes?: number;
  codes: Partial<Record<ReinstateErrorCode, Kind | FaultKind>>;
  /** The details of errors of the core, where they are not the core's message. */
  details?: Partial<Record<ReinstateErrorCode, (error: ReinstateError) => string>>;
}): ApiErrors<Kind> {
  const apiError: ApiErrors<Kind>["apiError"] = (kind, detail = "", options) =>
    new ApiError(kind, cutText(detail, detailBytes), options);

  function toApiError(error: unknown): ApiError<Kind | FaultKind> {
    if (ApiError.is(error)) return error as ApiError<Kind>;
    const known = ReinstateError.is(error) ? codes[error.code] : undefined;
    if (!ReinstateError.is(error) || known === undefined) {
      return apiError(isUnavailable(error) ? "unavailable" : "internal", toPublicMessage(error));
    }
    const { message, retryAfterSeconds } = error;
    return apiError(known, details[error.code]?.(error) ?? message, {
      ...(retryAfterSeconds !== undefined && { headers: { "retry-after": String(retryAfterSeconds) } }),
    });
  }

  return {
    apiError,
    toApiError,
    answerError(error, { request, log, fields }, write) {
      const aborted = answerAborted(request, error);
      if (aborted) return aborted;
      const known = toApiError(error);
      const isFault = known.kind === "unavailable" || known.kind === "internal";
      if (isFault && !ApiError.is(error) && !ReinstateError.is(error, "overloaded")) {
        const request_id = readRequestId(request);
        log.error({ vendor, request_id, ...fields, error: toMessage(error) }, "failed to answer a call");
      }
      return write(known);
    },
  };
}
