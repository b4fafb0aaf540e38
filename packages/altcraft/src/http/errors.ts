import { type ApiError, defineErrors } from "@reinstate/batch-core/http";
import { type AltcraftSettings, altcraftOptions } from "../options.ts";

/** Kinds of API errors, under our own names. */
export type ErrorKind =
  | "bad_request"
  | "token_required"
  | "unknown_token"
  | "forbidden"
  | "not_found"
  | "erased"
  | "no_consent"
  | "in_progress"
  | "no_such_method"
  | "post_only"
  | "too_large"
  | "encoded"
  | "too_many_requests"
  | "unavailable"
  | "internal";

interface ErrorRow {
  code(settings: AltcraftSettings): number;
  text(detail: string, settings: AltcraftSettings): string;
  headers?: Record<string, string>;
  /** Transport-level error: always uses its real HTTP status, regardless of `httpStatus`. */
  transport?: true;
}

/**
 * Table of all errors. The order of the checks, which decides the error of a call with several faults, is listed at `handle` in
 * routes.ts. The vendor documents the codes, but of the texts only the one for a missing token.
 */
const errors: Record<ErrorKind, ErrorRow> = {
  bad_request: { code: (s) => s.badRequestError, text: (detail) => `Incorrect request: ${detail}` },
  token_required: { code: () => 401, text: (_, s) => s.tokenRequiredText },
  unknown_token: { code: (s) => s.unknownTokenError, text: () => "API token is not valid" },
  forbidden: { code: (s) => s.forbiddenError, text: (detail) => `No rights: ${detail}` },
  not_found: { code: (s) => s.notFoundError, text: (detail) => detail },
  erased: { code: (s) => s.erasedError, text: (detail) => detail },
  no_consent: { code: (s) => s.consentError, text: (detail) => `No consent: ${detail}` },
  in_progress: {
    code: () => 409,
    text: () => "The first request with this Request-ID is in progress",
    headers: { "retry-after": "1" },
  },
  no_such_method: { code: () => 404, text: () => "Method not found" },
  post_only: {
    code: () => 405,
    text: () => "Method not allowed: use POST",
    headers: { allow: "POST" },
    transport: true,
  },
  too_large: {
    code: () => 413,
    text: (detail) => `Request body is too large: ${detail}`,
    // The rest of the body is not read, so the connection cannot be reused.
    headers: { connection: "close" },
    transport: true,
  },
  encoded: {
    code: () => 415,
    text: (detail) => `Request body is not readable: ${detail}`,
    headers: { "accept-encoding": "identity" },
    transport: true,
  },
  too_many_requests: { code: () => 429, text: (detail) => detail, transport: true },
  unavailable: {
    code: () => 503,
    text: () => "Service is busy, try again",
    headers: { "retry-after": "5" },
    transport: true,
  },
  internal: { code: () => 500, text: () => "Internal error" },
};

export const { apiError, answerError } = defineErrors<ErrorKind>({
  vendor: "altcraft",
  detailBytes: 400,
  codes: {
    // An unclear safety flag, or one that the method does not support.
    invalid_request: "bad_request",
    idempotency_mismatch: "bad_request",
    idempotency_running: "in_progress",
    body_too_large: "too_large",
    encoded_body: "encoded",
    overloaded: "unavailable",
    too_many_requests: "too_many_requests",
  },
  details: {
    idempotency_mismatch: () => "this Request-ID was used for another request",
    invalid_request({ issues, message }) {
      const [issue = { path: "", message }] = issues;
      return `field ${JSON.stringify(issue.path)}: ${issue.message}`;
    },
  },
});

/** Returns the members `error` and `error_text` of an error. */
export function toErrorBody({ kind, detail }: ApiError<ErrorKind>, settings: AltcraftSettings) {
  const row = errors[kind];
  return { error: row.code(settings), error_text: row.text(detail, settings) };
}

/** Returns the HTTP status, the body and the headers of an error reply. */
export function toErrorReply(error: ApiError<ErrorKind>, settings: AltcraftSettings) {
  const row = errors[error.kind];
  const body = toErrorBody(error, settings);
  return {
    status: settings.httpStatus === "follow_error" || row.transport ? body.error : 200,
    body: { ...(settings.errorReplyData === "null" && { data: null }), ...body },
    headers: { ...row.headers, ...error.headers },
  };
}

/** An example of the part of each error text that varies. */
const exampleDetails: Partial<Record<ErrorKind, string>> = {
  bad_request: 'field "channel": is required',
  forbidden: "the token may not call subscriptions/erase",
  not_found: "Subscription not found",
  erased: "The subscription was erased",
  no_consent: "the address is suppressed",
  too_large: "at most 10485760 bytes are accepted",
  encoded: "send it without Content-Encoding",
  too_many_requests: "Too many requests at once; try again",
};

/** When a method ends with each error, for the reference. */
const causes: Record<Exclude<ErrorKind, "no_such_method" | "post_only">, string> = {
  bad_request: "A parameter is missing or invalid, or the body is not JSON or XML.",
  token_required: "The call has no token.",
  unknown_token: "The token is unknown or revoked.",
  forbidden: "The token may not call this method.",
  not_found: "There is no such database, resource, profile or subscription.",
  erased: "The subscription was erased and cannot be brought back.",
  no_consent: "The consent guard is on, and the address is suppressed or has not consented.",
  in_progress: "The first request with this Request-ID is still running.",
  too_large: "The body is larger than the limit.",
  encoded: "The body is compressed.",
  too_many_requests: "The key has too many calls in progress, or the address sent too many wrong tokens.",
  unavailable: "A database cannot be reached or is full, or the server has too many calls in progress.",
  internal: "An unexpected error. The server log has it.",
};

/** An error in the reference: when a method ends with it, and an example of the body. */
export interface DescribedError {
  kind: string;
  cause: string;
  body: { error: number; error_text: string };
}

/** Returns every error that a method can end with, with the default settings. */
export function describeErrors(): DescribedError[] {
  const settings = altcraftOptions.parse({});
  return (Object.keys(causes) as (keyof typeof causes)[]).map((kind) => ({
    kind,
    cause: causes[kind],
    body: { error: errors[kind].code(settings), error_text: errors[kind].text(exampleDetails[kind] ?? "", settings) },
  }));
}
