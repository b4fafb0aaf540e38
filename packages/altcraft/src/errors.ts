import { cutText } from "@reinstate/batch-core/http";
import type { AltcraftSettings } from "./options.ts";

/** What the API refuses, by our names. */
export type RefusalKind =
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

/** A request that is refused. Nothing has been changed by it. */
export class Refusal extends Error {
  readonly kind: RefusalKind;
  readonly detail: string;
  /** The batch that the refused call made, if it came so far. */
  readonly batch: number | undefined;
  readonly headers: Record<string, string>;

  constructor(kind: RefusalKind, detail = "", batch?: number, headers: Record<string, string> = {}) {
    super(`${kind}: ${detail}`);
    this.kind = kind;
    // A name out of the request may be as long as the request.
    this.detail = cutText(detail, 400);
    this.batch = batch;
    this.headers = headers;
  }
}

interface ErrorRow {
  code(settings: AltcraftSettings): number;
  text(detail: string, settings: AltcraftSettings): string;
  headers?: Record<string, string>;
  /** Told by HTTP itself, so the status follows the code whatever the settings say. */
  transport?: true;
}

/** The one table of the errors. The vendor documents the codes; of the texts only that of a missing token is known. */
const errors: Record<RefusalKind, ErrorRow> = {
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
    // What is left of the body is not read, so the connection cannot be used again.
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

/** Code and text of a refusal. */
export function errorOf({ kind, detail }: Refusal, settings: AltcraftSettings) {
  const row = errors[kind];
  return { error: row.code(settings), error_text: row.text(detail, settings) };
}

/** The reply to a refusal: its HTTP status, its body, its headers. */
export function refusalReply(refusal: Refusal, settings: AltcraftSettings) {
  const row = errors[refusal.kind];
  const body = errorOf(refusal, settings);
  return {
    status: settings.httpStatus === "follow_error" || row.transport ? body.error : 200,
    body: { ...(settings.errorReplyData === "null" && { data: null }), ...body },
    headers: { ...row.headers, ...refusal.headers },
  };
}
