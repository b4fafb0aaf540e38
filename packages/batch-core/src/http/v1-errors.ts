import type { ErrorAnswer } from "../openapi/errors.ts";
import { problemBody } from "./problem.ts";
import { type ProblemType, problemTypes } from "./problem-types.ts";

/** The status and an example of the detail of every error. */
const details = {
  unauthorized: [401, "This needs the header Authorization: Bearer <admin key>"],
  unknown_batch: [404, "There is no batch 7"],
  invalid_request: [422, "items.0: must be a whole number"],
  unknown_operation: [422, 'There is no operation "a.b.c" for the target "local"'],
  malformed_json: [400, "The request body is not valid JSON"],
  invalid_idempotency_key: [400, "The header Idempotency-Key must be 1 to 255 printable ASCII characters"],
  body_too_large: [413, "The request body is larger than 8388608 bytes"],
  unsupported_media_type: [415, "Content-Type must be application/json, application/x-ndjson or text/csv"],
  wrong_state: [409, "Batch 7 is completed and cannot be stopped"],
  duplicate_content: [
    409,
    "Batch 7 has the same operation, params and items; resume or retry it, or submit them again on purpose",
  ],
  idempotency_running: [409, "The first request with this Idempotency-Key is still being worked on"],
  idempotency_mismatch: [422, "This Idempotency-Key was used with another request"],
  too_many_requests: [429, "Too many requests at once; try again"],
  not_available: [503, "A database is away; try again in a few seconds"],
  internal_error: [500, "Unexpected error; see the server log"],
} as const;
/** The name of an error of `/v1`. */
export type ErrorName = keyof typeof details;

/** The answers to every error. */
export const errors = Object.fromEntries(
  Object.entries(details).map(([name, [status, detail]]): [string, ErrorAnswer] => {
    const type = name.replaceAll("_", "-") as ProblemType;
    return [name, { status, body: problemBody(status, type, detail), cause: problemTypes[type].cause }];
  }),
) as Record<ErrorName, ErrorAnswer>;

/** The errors of every call. */
export const everywhere: ErrorName[] = ["unauthorized", "too_many_requests", "not_available", "internal_error"];
/** The errors of calls with an `Idempotency-Key`. */
export const ofKeys: ErrorName[] = ["invalid_idempotency_key", "idempotency_running", "idempotency_mismatch"];
