/** The cause of a problem type, and the way out. */
export interface ProblemMeaning {
  status: number;
  cause: string;
  action: string;
}

/** Every problem type, by the last part of its URN: `urn:reinstate:problem:unknown-batch`. */
export const problemTypes = {
  "bad-request": {
    status: 400,
    cause: "The request line or a header is not valid HTTP.",
    action: "Correct the request. A proxy in front may have changed it.",
  },
  "broken-body": {
    status: 400,
    cause: "The body ended early, or the connection broke while it was read. Nothing was changed.",
    action: "Send the request again.",
  },
  "malformed-json": {
    status: 400,
    cause: "The body is not JSON. The detail names the place.",
    action: "Correct the body at this place.",
  },
  "invalid-idempotency-key": {
    status: 400,
    cause: "The Idempotency-Key header is empty, too long, or has characters outside printable ASCII.",
    action: "Send 1 to 255 printable ASCII characters, for example a UUID.",
  },
  unauthorized: {
    status: 401,
    cause: "The Authorization header is missing, or its key is unknown or revoked.",
    action: "Send the header Authorization: Bearer <admin key>. reinstate keys create --vendor admin creates a key.",
  },
  forbidden: {
    status: 403,
    cause: "The key may only read.",
    action: "Use an admin key that was created without access=read.",
  },
  "not-found": {
    status: 404,
    cause: "There is nothing at this path.",
    action: "Compare the path with the API reference.",
  },
  "unknown-batch": {
    status: 404,
    cause: "There is no batch with this id, or it was pruned.",
    action: "List the batches to find the id.",
  },
  "method-not-allowed": {
    status: 405,
    cause: "The path exists, but not with this method.",
    action: "Use a method of the Allow header.",
  },
  "wrong-state": {
    status: 409,
    cause: "The batch is in a state that does not permit the call. For example, a completed batch cannot be stopped.",
    action: "Read the batch. Its status decides which calls are possible.",
  },
  "duplicate-content": {
    status: 409,
    cause: "Another batch of the last seven days has the same content. The member batch has its id.",
    action: "Resume or retry that batch. To run the items again on purpose, send again as true.",
  },
  "idempotency-running": {
    status: 409,
    cause: "The first request with this Idempotency-Key is still in progress.",
    action: "Repeat the request after Retry-After. It then gets the first response.",
  },
  "body-too-large": {
    status: 413,
    cause: "The body is larger than this call accepts.",
    action: "Stream the items as CSV or NDJSON to POST /v1/batches?operation=….",
  },
  "unsupported-media-type": {
    status: 415,
    cause: "The Content-Type is not one that the call accepts, or the body is compressed.",
    action: "Send application/json, application/x-ndjson or text/csv, without Content-Encoding.",
  },
  "invalid-request": {
    status: 422,
    cause:
      "A parameter or an item is invalid. The errors list has the path and the fault of each. Nothing was changed.",
    action: "Correct what the list names, then send the request again.",
  },
  "unknown-operation": {
    status: 422,
    cause: "There is no operation with this name for this target.",
    action: "GET /v1/operations lists the operations. The target upstream needs the vendor's upstream settings.",
  },
  "idempotency-mismatch": {
    status: 422,
    cause: "The Idempotency-Key was used with another request.",
    action: "Use a new key for a new request.",
  },
  "too-many-requests": {
    status: 429,
    cause: "The key has too many calls in progress, or the address sent too many wrong keys.",
    action: "Repeat the request after Retry-After, with fewer calls at the same time.",
  },
  "internal-error": {
    status: 500,
    cause: "An unexpected error. The server log has it under the request id of the response.",
    action: "Report it with the request id.",
  },
  "not-available": {
    status: 503,
    cause: "A database or a vendor cannot be reached, or the storage is full. An accepted batch is not lost.",
    action: "Repeat the request after Retry-After. Use an Idempotency-Key so that a repeat cannot run twice.",
  },
  overloaded: {
    status: 503,
    cause: "The process has as many calls in progress as it admits. This call was not started.",
    action: "Repeat the request after Retry-After.",
  },
} as const satisfies Record<string, ProblemMeaning>;

/** The last part of the URN of a problem type. */
export type ProblemType = keyof typeof problemTypes;
