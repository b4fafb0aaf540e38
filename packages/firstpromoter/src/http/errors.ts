import { type ApiError, cutList, defineErrors } from "@reinstate/batch-core/http";
import type { ErrorBody } from "../schemas.ts";

/** An error response: a status with a JSON body or none. */
export interface ErrorAnswer {
  status: number;
  /** The body; null means empty. A `{}` in `message` is replaced by the detail of the error. */
  body: ErrorBody | null;
  headers?: Record<string, string>;
}

const notFound = { message: "Record not found", code: "not_found" };
const forbidden = { message: "You don't have enough rights to perform this action", code: "forbidden" };
const unauthorized = { status: 401, body: null, headers: { "www-authenticate": "Bearer" } };

/** All errors of the vendor's API. The option `answers` can replace each one. */
export const errorAnswers = {
  /** The key is missing, unknown or revoked. */
  bad_key: unauthorized,
  /** The account header is missing or blank. */
  missing_account: unauthorized,
  /** The key is valid, but no key belongs to the account. */
  unknown_account: { status: 404, body: notFound },
  /** The key is valid, but the account is another key's. */
  foreign_account: { status: 403, body: forbidden },
  not_found: { status: 404, body: notFound },
  missing_param: {
    status: 422,
    body: { message: "param is missing or the value is empty or invalid: {}", code: "invalid_params" },
  },
  cannot_find_by: { status: 422, body: { message: "Cannot find promoter by {}", code: "invalid_params" } },
  malformed_json: { status: 400, body: { message: "The request body is not valid JSON", code: "invalid_params" } },
  invalid_record: { status: 400, body: { message: "Validation failed: {}", code: "invalid_record" } },
  invalid_param: { status: 422, body: { message: "{}", code: "invalid_params" } },
  /** The state of the batch does not allow stop, resume, retry or undo. */
  wrong_state: { status: 409, body: { message: "{}", code: "wrong_state" } },
  /** The `Idempotency-Key` was used for another request. */
  idempotency_mismatch: {
    status: 422,
    body: { message: "This Idempotency-Key was used with another request", code: "idempotency_mismatch" },
  },
  /** The first request with this `Idempotency-Key` is still running. */
  idempotency_running: {
    status: 409,
    body: {
      message: "The first request with this Idempotency-Key is still being worked on",
      code: "idempotency_running",
    },
    headers: { "retry-after": "1" },
  },
  body_too_large: {
    status: 413,
    body: { message: "The request body is larger than {} bytes", code: "body_too_large" },
    // The rest of the body is not read, so the connection cannot be reused.
    headers: { connection: "close" },
  },
  /** The body is compressed, which the server does not support. */
  encoded_body: {
    status: 415,
    body: { message: "The request body must not be encoded (Content-Encoding)", code: "encoded_body" },
    headers: { "accept-encoding": "identity" },
  },
  /** More requests in a minute than `rateLimit`, too many at a time, or too many wrong keys. `Retry-After` holds the seconds to wait. */
  too_many_requests: { status: 429, body: { message: "Too many requests", code: "too_many_requests" } },
  /** A database is unreachable, full or read-only, or too many calls are in progress. */
  unavailable: {
    status: 503,
    body: { message: "Service unavailable", code: "service_unavailable" },
    headers: { "retry-after": "5" },
  },
  internal: { status: 500, body: { message: "Internal server error", code: "internal_error" } },
} satisfies Record<string, ErrorAnswer>;

/** A row of the error table. */
export type ErrorName = keyof typeof errorAnswers;

/** When a call ends with each error, for the reference. */
export const errorCauses: Record<ErrorName, string> = {
  bad_key: "The key is missing, unknown or revoked.",
  missing_account: "The header Account-ID is missing.",
  unknown_account: "The key is valid, but no key belongs to the account.",
  foreign_account: "The key is valid, but the account is another key's.",
  not_found: "The account has no such record.",
  missing_param: "A required parameter is missing or empty.",
  cannot_find_by: "The parameter find_by names no field that identifies a promoter.",
  malformed_json: "The body is not JSON.",
  invalid_record: "A field of the promoter is invalid. The member errors has the faults by field.",
  invalid_param: "A parameter has an invalid value, or is a safety flag that the call does not support.",
  wrong_state: "The status of the batch does not allow the call.",
  idempotency_mismatch: "The Idempotency-Key was used for another request.",
  idempotency_running: "The first request with this Idempotency-Key is still running.",
  body_too_large: "The body is larger than the limit.",
  encoded_body: "The body is compressed.",
  too_many_requests: "The account or the key has exceeded a limit. Retry-After has the seconds to wait.",
  unavailable: "A database cannot be reached or is full, or the server has too many calls in progress.",
  internal: "An unexpected error. The server log has it under the request id.",
};

/** The most bytes of faults by field, so that no response grows with the request. */
const maxFieldBytes = 8000;

export const { apiError, answerError } = defineErrors<ErrorName>({
  vendor: "firstpromoter",
  codes: {
    unknown_batch: "not_found",
    invalid_request: "invalid_param",
    overloaded: "unavailable",
    too_many_requests: "too_many_requests",
    encoded_body: "encoded_body",
    malformed_json: "malformed_json",
    wrong_state: "wrong_state",
    idempotency_mismatch: "idempotency_mismatch",
    idempotency_running: "idempotency_running",
  },
});

/** Returns the error of an invalid record. `fields`: `{ email: ["has already been taken"] }`. */
export function invalidRecord(fields: Record<string, string[]>): ApiError {
  const sentences = Object.entries(fields).flatMap(([field, faults]) =>
    faults.map((f) => `${formatFieldName(field)} ${f}`),
  );
  const errors = Object.fromEntries(cutList(Object.entries(fields), maxFieldBytes));
  return apiError("invalid_record", sentences.join(", "), { members: { errors } });
}

// Vendor quirk: its framework names `cust_id` as "Cust" in a sentence.
function formatFieldName(field: string): string {
  const words = field.replace(/_id$/, "").replaceAll(/[_.]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Returns the HTTP response to an error. `answers`: the error table with its replacements. */
export function writeError(
  answers: Record<ErrorName, ErrorAnswer>,
  { kind, detail, headers, members }: ApiError<ErrorName>,
  requestId: string,
): Response {
  const { status, body, headers: own } = answers[kind];
  const init = { status, headers: { ...own, ...headers, "x-request-id": requestId } };
  if (body === null) return new Response(null, init);
  const { message, code, ...more } = body;
  const full = {
    message: message.replace("{}", () => detail),
    ...members,
    ...(code !== undefined && { code }),
    ...more,
  };
  return Response.json(full, init);
}
