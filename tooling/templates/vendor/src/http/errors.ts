import { type ApiError, defineErrors } from "@reinstate/batch-core/http";

/** One row of the table. */
interface ErrorAnswer {
  status: number;
  message: string;
  headers?: Record<string, string>;
}

// FILL: every error of the vendor's API, with its own statuses, texts and headers.
export const errorAnswers = {
  bad_key: { status: 401, message: "The API key is missing or not valid", headers: { "www-authenticate": "Bearer" } },
  not_found: { status: 404, message: "Not found" },
  malformed_json: { status: 400, message: "The body is not valid JSON" },
  invalid: { status: 422, message: "The request is not valid" },
  too_large: { status: 413, message: "The body is too large", headers: { connection: "close" } },
  encoded: { status: 415, message: "The body must not be encoded", headers: { "accept-encoding": "identity" } },
  too_many_requests: { status: 429, message: "Too many requests" },
  unavailable: { status: 503, message: "Try again later", headers: { "retry-after": "5" } },
  internal: { status: 500, message: "Internal error" },
} as const satisfies Record<string, ErrorAnswer>;

export type ErrorKind = keyof typeof errorAnswers;

export const { apiError, answerError } = defineErrors<ErrorKind>({
  vendor: "acme",
  codes: {
    unknown_batch: "not_found",
    malformed_json: "malformed_json",
    invalid_request: "invalid",
    body_too_large: "too_large",
    encoded_body: "encoded",
    too_many_requests: "too_many_requests",
    overloaded: "unavailable",
  },
});

/** Writes an error in the vendor's form. */
export function writeError({ kind, detail, headers }: ApiError<ErrorKind>): Response {
  const answer: ErrorAnswer = errorAnswers[kind];
  const body = { error: kind, message: answer.message, ...(detail !== "" && answer.status < 500 && { detail }) };
  return Response.json(body, { status: answer.status, headers: { ...answer.headers, ...headers } });
}
