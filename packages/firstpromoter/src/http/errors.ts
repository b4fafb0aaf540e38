import { type ApiError, cutList, defineErrors } from "@reinstate/batch-core/http";
import type { ErrorBody } from "../schemas.ts";

/** One answer: a status with its JSON body, or with none. */
export interface ErrorAnswer {
  status: number;
  /** `null`: the body is empty. `message` may hold `{}`, where the name of the thing goes. */
  body: ErrorBody | null;
  headers?: Record<string, string>;
}

const notFound = { message: "Record not found", code: "not_found" };
const forbidden = { message: "You don't have enough rights to perform this action", code: "forbidden" };
const unauthorized = { status: 401, body: null, headers: { "www-authenticate": "Bearer" } };

/** Every error of the vendor's API in one table. Each can be replaced by the option `answers`. */
export const errorAnswers = {
  /** Bearer missing, unknown or revoked. */
  bad_key: unauthorized,
  /** No account header, or a blank one. */
  missing_account: unauthorized,
  /** A good key with an account that no key belongs to. */
  unknown_account: { status: 404, body: notFound },
  /** A good key with another key's account. */
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
  /** A batch that is not in a state for this: stop, resume, retry, undo. */
  wrong_state: { status: 409, body: { message: "{}", code: "wrong_state" } },
  /** An `Idempotency-Key` that was used for another request. */
  idempotency_mismatch: {
    status: 422,
    body: { message: "This Idempotency-Key was used with another request", code: "idempotency_mismatch" },
  },
  /** The first request with this `Idempotency-Key` is not answered yet. */
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
    // What is left of the body is not read, so the connection cannot be used again.
    headers: { connection: "close" },
  },
  /** A compressed body, which is not read. */
  encoded_body: {
    status: 415,
    body: { message: "The request body must not be encoded (Content-Encoding)", code: "encoded_body" },
    headers: { "accept-encoding": "identity" },
  },
  /** More requests in a minute than `rateLimit`, too many at a time, or too many wrong keys; the header `Retry-After` holds the seconds until the next may come. */
  too_many_requests: { status: 429, body: { message: "Too many requests", code: "too_many_requests" } },
  /** A database is away, full or read-only, or more calls are in progress than the server takes at a time. */
  unavailable: {
    status: 503,
    body: { message: "Service unavailable", code: "service_unavailable" },
    headers: { "retry-after": "5" },
  },
  internal: { status: 500, body: { message: "Internal server error", code: "internal_error" } },
} satisfies Record<string, ErrorAnswer>;

export type ErrorName = keyof typeof errorAnswers;

/** Bytes of the faults by field at most: no answer grows with the request. */
const fieldsBytes = 8000;

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

/** Returns the error of a record that is not valid: `{ email: ["has already been taken"] }`. */
export function invalidRecord(fields: Record<string, string[]>): ApiError {
  const sentences = Object.entries(fields).flatMap(([field, faults]) => faults.map((f) => `${humanName(field)} ${f}`));
  const errors = Object.fromEntries(cutList(Object.entries(fields), fieldsBytes));
  return apiError("invalid_record", sentences.join(", "), { members: { errors } });
}

// As the vendor's framework names a field in a sentence: "cust_id" is "Cust".
function humanName(field: string): string {
  const words = field.replace(/_id$/, "").replaceAll(/[_.]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** Returns the HTTP answer to an error, by the table with the replacements of the option `answers`. */
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
