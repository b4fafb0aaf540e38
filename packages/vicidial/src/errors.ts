import { ReinstateError } from "@reinstate/batch-core";
import { cutList, cutText } from "@reinstate/batch-core/http";
import type { Dialect, Reason } from "./dialects.ts";
import type { Counts, Verb } from "./store.ts";

/** Reason phrases of the statuses that HTTP does not know. */
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

export interface ErrorDetails {
  /** For `other`, which has no text of its own. */
  message?: string;
  /** Values at fault, as JSON texts: so an id of any size stays exact. */
  offenders?: readonly string[];
  /** Where the dialect's own status is not to be used. */
  status?: number;
  headers?: Record<string, string>;
}

/** Bytes of a message, of one value at fault and of all of them at most: no answer grows with the request. */
const messageBytes = 2000;
const offenderBytes = 500;
const offendersBytes = 12_000;

/** Returns the values that an answer shows. A long one is cut and shown as a string, so that the answer stays JSON. */
function toShown(offenders: readonly string[]): string[] {
  const short = offenders.map((text) =>
    text.length <= offenderBytes ? text : JSON.stringify(cutText(text, offenderBytes)),
  );
  return cutList(short, offendersBytes);
}

/** Returns status and headers of the answer to a call beyond the limits of the server; undefined for any other error. */
export function turnedAwayReply(error: unknown): { status: number; headers: Record<string, string> } | undefined {
  const isBusy = ReinstateError.is(error, "overloaded");
  if (!isBusy && !ReinstateError.is(error, "too_many_requests")) return undefined;
  return { status: isBusy ? 503 : 429, headers: { "retry-after": String(error.retryAfterSeconds ?? 1) } };
}

/** Returns the HTTP status of a call whose body was not read; undefined for any other error. */
export function unreadBodyStatus({ code }: ReinstateError): number | undefined {
  return code === "body_too_large" ? 413 : code === "encoded_body" ? 415 : undefined;
}

/** The answer to a call that was refused or went wrong. */
export function errorReply(
  dialect: Dialect,
  reason: Exclude<Reason, "processed">,
  details: ErrorDetails = {},
): Response {
  const { offenders = [], status = dialect.statuses[reason] } = details;
  const message = reason === "other" ? cutText(details.message ?? "", messageBytes) : dialect.messages[reason];
  const members = [member(dialect.errorKey, JSON.stringify(message))];
  const list = dialect.lists[reason];
  if (list) {
    for (const name of list.counts) members.push(member(name, String(offenders.length)));
    members.push(member(list.ids, `[${toShown(offenders).join(",")}]`));
  }
  return reply(dialect, reason, status, members, details.headers);
}

/** The answer to a call that was carried out. */
export function successReply(dialect: Dialect, verb: Verb, counts: Counts, headers: Record<string, string>): Response {
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
  dialect: Dialect,
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
