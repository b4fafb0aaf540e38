import { type ApiError, cutList, cutText, defineErrors } from "@reinstate/batch-core/http";
import type { Counts, Verb } from "../leads/move-types.ts";
import type { ErrorReason, Reason, ReplyDialect } from "./reply-dialects.ts";

/** Reason phrases of the statuses that are not part of HTTP. */
const phrases: Partial<Record<Reason, string>> = {
  office_hours: "Office Hours",
  insert_leads: "Invalid insert_leads",
  update_leads: "Invalid update_leads",
  delete_leads: "Invalid delete_leads",
  integers: "Not Integers",
  empty: "No Values",
  exceed: "Too Many Values",
  duplicates: "Duplicate Values",
  missing: "Leads Do Not Exist",
  other: "Error",
};

/** The variable parts of an error answer. */
export interface ErrorDetails {
  /** The message of `other`, which has no text of its own. */
  message?: string;
  /** Values at fault as JSON texts, so that an id of any size stays exact. */
  offenders?: readonly string[];
  /** Replaces the dialect's status. */
  status?: number;
  headers?: Record<string, string>;
}

/** Maximum bytes of a message, of one value at fault, and of all of them. They limit the size of an answer. */
const messageBytes = 2000;
const offenderBytes = 500;
const offendersBytes = 12_000;

/** Cuts the values to the maximum sizes. A value that was cut becomes a string, so that the answer stays JSON. */
function cutOffenders(offenders: readonly string[]): string[] {
  const short = offenders.map((text) =>
    text.length <= offenderBytes ? text : JSON.stringify(cutText(text, offenderBytes)),
  );
  return cutList(short, offendersBytes);
}

/** Kinds of errors for which no dialect has a reason. */
export type ErrorKind =
  | "rejected"
  | "in_progress"
  | "too_large"
  | "encoded"
  | "overloaded"
  | "too_many_requests"
  | "unavailable"
  | "internal";

/** Closes the connection, because the rest of the body is not read. */
const close = { connection: "close" };

/** Status and headers by kind, in every dialect. The default status is the dialect's own for "other". */
const answers: Record<ErrorKind, { status?: number; headers?: Record<string, string> }> = {
  rejected: {},
  in_progress: { headers: { "retry-after": "1" } },
  too_large: { status: 413, headers: close },
  encoded: { status: 415, headers: close },
  overloaded: { status: 503 },
  too_many_requests: { status: 429 },
  unavailable: { status: 503, headers: { "retry-after": "5" } },
  internal: {},
};

export const { apiError, toApiError, answerError } = defineErrors<ErrorKind>({
  vendor: "vicidial",
  codes: {
    invalid_request: "rejected",
    idempotency_mismatch: "rejected",
    idempotency_running: "in_progress",
    body_too_large: "too_large",
    encoded_body: "encoded",
    overloaded: "overloaded",
    too_many_requests: "too_many_requests",
  },
});

/** Returns the details of the answer to an error. */
export function toErrorDetails({ kind, detail, headers }: ApiError<ErrorKind>): ErrorDetails & { message: string } {
  const { status, headers: own } = answers[kind];
  return { message: detail, headers: { ...own, ...headers }, ...(status !== undefined && { status }) };
}

/** Returns the answer to a failed call. */
export function errorReply(dialect: ReplyDialect, reason: ErrorReason, details: ErrorDetails = {}): Response {
  const { offenders = [], status = dialect.statuses[reason] } = details;
  const message = reason === "other" ? cutText(details.message ?? "", messageBytes) : dialect.messages[reason];
  const members = [member(dialect.errorKey, JSON.stringify(message))];
  const list = dialect.lists[reason];
  if (list) {
    for (const name of list.counts) members.push(member(name, String(offenders.length)));
    members.push(member(list.ids, `[${cutOffenders(offenders).join(",")}]`));
  }
  return reply(dialect, reason, status, members, details.headers);
}

/** Returns the answer to a successful call. */
export function successReply(
  dialect: ReplyDialect,
  verb: Verb,
  counts: Counts,
  headers: Record<string, string>,
): Response {
  const shown = (["select_count", "insert_count", "update_count", "delete_count"] as const).filter(
    (name) => verb === "archive" || name !== "update_count",
  );
  return reply(
    dialect,
    "processed",
    dialect.statuses.processed,
    [
      member(dialect.successKey, JSON.stringify(dialect.messages.processed)),
      ...shown.map((name) => member(name, String(counts[name]))),
    ],
    headers,
  );
}

const member = (name: string, value: string) => `${JSON.stringify(name)}:${value}`;

function reply(
  dialect: ReplyDialect,
  reason: Reason,
  status: number,
  members: string[],
  headers: Record<string, string> = {},
): Response {
  if (dialect.codeKey !== undefined) members.push(member(dialect.codeKey, String(status)));
  const statusText = status > 431 && status < 450 ? (phrases[reason] ?? "Error") : "";
  return new Response(`{${members.join(",")}}`, {
    status,
    statusText,
    headers: { "content-type": "application/json; charset=utf-8", ...headers },
  });
}
