import { isUnavailable, ReinstateError, toPublicMessage } from "../errors/errors.ts";
import type { Issue } from "../text/issue.ts";
import type { ProblemType } from "./problem-types.ts";

/** An RFC 9457 body. `type` is stable; `errors` never holds more than 100. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: Issue[];
  /** Of `duplicate-content`: the id of the batch that has the same content. */
  batch?: number;
  /** Of rejected items of an upload: the number of bad rows. `errors` has the first ones. */
  bad_rows?: number;
}

const titles: Record<number, string> = {
  400: "Bad request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  409: "Conflict",
  413: "Body too large",
  415: "Unsupported media type",
  422: "Invalid request",
  429: "Too many requests",
  500: "Internal error",
  503: "Not available",
};

/** Builds the body of a problem. `type` is the last part of its type, for example `unknown-batch`. */
export function problemBody(status: number, type: ProblemType, detail: string): Problem {
  return { type: `urn:reinstate:problem:${type}`, title: titles[status] ?? "Error", status, detail };
}

/** Builds a response with a problem. See `problemBody`. */
export function problem(
  status: number,
  type: ProblemType,
  detail: string,
  options: {
    errors?: Issue[];
    batch?: number | undefined;
    badRows?: number | undefined;
    headers?: Record<string, string>;
  } = {},
): Response {
  const body: Problem = {
    ...problemBody(status, type, detail),
    ...(options.errors && options.errors.length > 0 ? { errors: options.errors } : {}),
    ...(options.batch !== undefined && { batch: options.batch }),
    ...(options.badRows !== undefined && { bad_rows: options.badRows }),
  };
  return new Response(JSON.stringify(body), {
    status,
    headers: { "content-type": "application/problem+json", ...options.headers },
  });
}

const statuses = {
  invalid_request: 422,
  unknown_operation: 422,
  unknown_batch: 404,
  body_too_large: 413,
  broken_body: 400,
  encoded_body: 415,
  malformed_json: 400,
  wrong_state: 409,
  duplicate_content: 409,
  idempotency_mismatch: 422,
  idempotency_running: 409,
  overloaded: 503,
  too_many_requests: 429,
} as const satisfies Partial<Record<ReinstateError["code"], number>>;

/** The type of a code of the core: `unknown-batch` for `unknown_batch`. A code without a documented type does not compile. */
type Dashed<Code extends string> = Code extends `${infer Head}_${infer Rest}` ? `${Head}-${Dashed<Rest>}` : Code;
type CodedType = Dashed<Exclude<keyof typeof statuses, "encoded_body">>;

/** Returns the headers for an error of the core. */
const headersByCode: Partial<Record<ReinstateError["code"], Record<string, string>>> = {
  // The rest of the body is not read, so the connection cannot be reused.
  body_too_large: { connection: "close" },
  encoded_body: { "accept-encoding": "identity" },
  idempotency_running: { "retry-after": "1" },
};

/** Returns the problem for an error of the core; undefined for any other. */
export function toProblem(error: unknown): Response | undefined {
  if (!ReinstateError.is(error)) return undefined;
  const status = (statuses as Partial<Record<ReinstateError["code"], number>>)[error.code];
  if (status === undefined) return undefined;
  const headers =
    error.retryAfterSeconds === undefined
      ? headersByCode[error.code]
      : { "retry-after": String(error.retryAfterSeconds) };
  const type: ProblemType =
    error.code === "encoded_body" ? "unsupported-media-type" : (error.code.replaceAll("_", "-") as CodedType);
  return problem(status, type, error.message, {
    errors: error.issues,
    batch: error.batchId,
    badRows: error.badRows,
    ...(headers && { headers }),
  });
}

/**
 * Returns the problem for a server error: 503 with `Retry-After` if a database is unavailable, full or read-only, else 500. It does not
 * contain the text of the error, which is for the log.
 */
export function faultProblem(error: unknown): Response {
  const detail = toPublicMessage(error);
  if (!isUnavailable(error)) return problem(500, "internal-error", detail);
  return problem(503, "not-available", `${detail}; try again in a few seconds`, { headers: { "retry-after": "5" } });
}
