import { inspect } from "node:util";

import type { Issue } from "../text/issue.ts";

import { cutList, cutText } from "./cut-text.ts";
import { isMarked } from "./marked.ts";
import type { WaitReason } from "./wait-reason.ts";

/**
 * An error of the core. It is recognized by a well-known symbol instead of `instanceof`, so that two installed versions of the core
 * recognize each other's errors.
 */
const marker = Symbol.for("reinstate.error");

/** The codes of errors that the core throws. */
export type ReinstateErrorCode =
  | "invalid_request"
  | "unknown_operation"
  | "unknown_batch"
  | "body_too_large"
  | "broken_body"
  | "encoded_body"
  | "malformed_json"
  | "bad_setting"
  | "wrong_state"
  | "duplicate_content"
  | "idempotency_mismatch"
  | "idempotency_running"
  | "overloaded"
  | "too_many_requests"
  | "transient";

/** Bytes of a message, of one issue and of all issues at most: no answer grows with the fault that it reports. */
const messageBytes = 2000;
const issueBytes = 500;
const issuesBytes = 10_000;

function cutIssues(issues: readonly Issue[]): Issue[] {
  const short = issues.slice(0, 100).map(({ path, message }) => ({
    path: cutText(path, issueBytes),
    message: cutText(message, issueBytes),
  }));
  return cutList(short, issuesBytes);
}

/** An error that the core throws for its caller. Recognize it by `ReinstateError.is`, which works across copies of the package. */
export class ReinstateError extends Error {
  readonly [marker] = true;
  readonly code: ReinstateErrorCode;
  /** At most 100 issues; fewer if their texts are long. */
  readonly issues: Issue[];
  /** Of `overloaded` and `too_many_requests`: when the same call may succeed. */
  readonly retryAfterSeconds: number | undefined;
  /** Of `duplicate_content`: the batch that has the same content. */
  readonly batchId: number | undefined;
  /** Of rejected items of an upload: the number of bad rows. The issues are the first ones. */
  readonly badRows: number | undefined;

  constructor(
    code: ReinstateErrorCode,
    message: string,
    options: {
      issues?: Issue[];
      cause?: unknown;
      retryAfterSeconds?: number;
      batchId?: number;
      badRows?: number | undefined;
    } = {},
  ) {
    super(cutText(message, messageBytes), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ReinstateError";
    this.code = code;
    this.issues = cutIssues(options.issues ?? []);
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.batchId = options.batchId;
    this.badRows = options.badRows;
  }

  static is(value: unknown, code?: ReinstateErrorCode): value is ReinstateError {
    if (!isMarked(value, marker)) return false;
    return code === undefined || (value as ReinstateError).code === code;
  }
}

const transientCodes = new Set([
  // sockets
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "ENETUNREACH",
  "ENETDOWN",
  "EAI_AGAIN",
  "ENOTFOUND",
  // PostgreSQL: serialization failure, deadlock, lock not available, statement taken too long, admin shutdown, crash shutdown,
  // cannot connect now, idle for too long in and between transactions, too many connections
  "40001",
  "40P01",
  "55P03",
  "57014",
  "57P01",
  "57P02",
  "57P03",
  "57P05",
  "25P03",
  "53300",
  // MariaDB
  "PROTOCOL_CONNECTION_LOST",
  "PROTOCOL_SEQUENCE_TIMEOUT",
  "ER_LOCK_WAIT_TIMEOUT",
  "ER_LOCK_DEADLOCK",
  "ER_CON_COUNT_ERROR",
  "ER_SERVER_SHUTDOWN",
]);

/** A database or a file system that cannot store anything now: full, read-only, or failing to write. */
const storageCodes = new Set([
  // PostgreSQL: insufficient resources, disk full, out of memory, configuration limit exceeded, I/O error, read-only transaction
  "53000",
  "53100",
  "53200",
  "53400",
  "58030",
  "25006",
  // MariaDB: disk full, table full, out of memory, write failed, server set to read only
  "ER_DISK_FULL",
  "ER_RECORD_FILE_FULL",
  "ER_OUTOFMEMORY",
  "ER_OUT_OF_RESOURCES",
  "ER_ERROR_ON_WRITE",
  "ER_OPTION_PREVENTS_STATEMENT",
  "ER_READ_ONLY_MODE",
  // file system
  "ENOSPC",
  "EDQUOT",
  "EROFS",
  "EIO",
]);

/** SQLITE_NOMEM, SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN: the low byte of an extended code. */
const sqliteStorageCodes = new Set([7, 8, 10, 13, 14]);

/** Messages of PostgreSQL's driver without a code, for a missing or lost connection. */
const lostConnection =
  /Connection terminated|server closed the connection|is not queryable|timeout exceeded when trying to connect|Query read timeout/i;

/**
 * The marker of an error whose message is written for callers: it holds no text of a database, no path and no address.
 * `class Refused extends Error { readonly [publicMessage] = true; }`
 */
export const publicMessage = Symbol.for("reinstate.public-message");

const notNowMarker = Symbol.for("reinstate.not-now");

/** Thrown by an operation that may not run now. The chunk waits until the given time, and no attempt is counted. */
export class DeferUntil extends Error {
  readonly [notNowMarker] = true;
  readonly [publicMessage] = true;
  /** Milliseconds since 1970 UTC. */
  readonly until: number;
  readonly waitingFor: WaitReason | undefined;

  constructor(until: number, message = "Not at this hour", waitingFor?: WaitReason) {
    super(message);
    this.name = "DeferUntil";
    this.until = until;
    this.waitingFor = waitingFor;
  }

  static is(value: unknown): value is DeferUntil {
    return isMarked(value, notNowMarker);
  }
}

const effectMarker = Symbol.for("reinstate.possible-effect");

/**
 * Marks an error as thrown after other calls of the same chunk were sent. The chunk is then released as interrupted, however
 * harmless the failed call itself was. Returns the error.
 */
export function markPossibleEffect<Thrown>(error: Thrown): Thrown {
  if (typeof error === "object" && error !== null) Object.assign(error, { [effectMarker]: true });
  return error;
}

/** Reports whether other calls of the chunk were sent before this error was thrown. */
export const hasPossibleEffect = (error: unknown): boolean => isMarked(error, effectMarker);

/** Reports whether an error of a vendor's client shows that the same call may succeed later, and that it had no effect. */
export function isRetryable(error: unknown): boolean {
  return typeof error === "object" && error !== null && (error as { retryable?: unknown }).retryable === true;
}

/** Returns the milliseconds until the next call to a vendor that is down, if its client sent nothing; else undefined. */
export function readCircuitPause(error: unknown): number | undefined {
  const { kind, retryAfterMs } = (error ?? {}) as { kind?: unknown; retryAfterMs?: unknown };
  return kind === "circuit_open" && typeof retryAfterMs === "number" ? retryAfterMs : undefined;
}

/**
 * Reports whether the same work may succeed later: after a lost connection, a deadlock or a busy database. A rejection of an item or a
 * bug is never transient.
 */
export function isTransient(error: unknown): boolean {
  return listCauses(error).some((cause) => {
    if (ReinstateError.is(cause, "transient") || isRetryable(cause)) return true;
    const { code, message } = cause;
    if (typeof code === "string" && (transientCodes.has(code) || code.startsWith("08"))) return true;
    // SQLITE_BUSY and SQLITE_LOCKED
    if ([5, 6].includes(sqliteCode(cause) ?? 0)) return true;
    return typeof message === "string" && lostConnection.test(message);
  });
}

/**
 * Reports whether a database or a disk cannot store anything now: it is full, read-only, out of memory, or it fails to write. This is
 * never a fault of an item. The work can go on once an operator has made room.
 */
export function isStorageFault(error: unknown): boolean {
  return listCauses(error).some((cause) => {
    if (typeof cause.code === "string" && storageCodes.has(cause.code)) return true;
    return sqliteStorageCodes.has(sqliteCode(cause) ?? 0);
  });
}

/** Reports whether the same call can succeed later: a database is unavailable, busy, full or read-only. Callers get 503. */
export function isUnavailable(error: unknown): boolean {
  return isTransient(error) || isStorageFault(error);
}

interface Cause {
  code?: unknown;
  errcode?: unknown;
  message?: unknown;
  cause?: unknown;
  errors?: unknown;
}

/** Yields an error, its causes and the parts of an AggregateError. The depth is limited, because causes can form a cycle. */
function listCauses(error: unknown, depth = 0): Cause[] {
  if (typeof error !== "object" || error === null || depth === 5) return [];
  const { cause, errors } = error as Cause;
  const parts = Array.isArray(errors) ? errors.slice(0, 5) : [];
  return [error as Cause, ...[cause, ...parts].flatMap((part) => listCauses(part, depth + 1))];
}

/** The primary result code of an error of node:sqlite. */
function sqliteCode({ code, errcode }: Cause): number | undefined {
  return code === "ERR_SQLITE_ERROR" && typeof errcode === "number" ? errcode & 0xff : undefined;
}

/** Reports whether a statement on PostgreSQL timed out. */
export function isTimeout(error: unknown): boolean {
  return /^(Query read timeout|timeout exceeded when trying to connect)$/.test(
    (error as Cause | undefined)?.message as string,
  );
}

/** Reports whether the database rolled the transaction back (deadlock, serialization), so that it can be repeated safely. */
export function wasRolledBack(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === "40001" || code === "40P01";
}

/**
 * Returns the text for the log of anything that was thrown, with its causes. Never for a caller: it can hold names of files,
 * tables and servers.
 */
export function toMessage(error: unknown): string {
  if (typeof error !== "object" || error === null) return String(error);
  return [...new Set(listCauses(error).map(readOwnMessage))].join(": ");
}

function readOwnMessage(error: Cause): string {
  for (const text of [error.message, error.code]) if (typeof text === "string" && text !== "") return text;
  if (error instanceof Error) return error.name;
  return inspect(error, { depth: 2, breakLength: Number.POSITIVE_INFINITY });
}

/**
 * Returns the text of an error for answers and reports. Messages that are not marked as written for callers stay in the log;
 * the caller gets the kind of the fault.
 */
export function toPublicMessage(error: unknown): string {
  if (typeof error === "object" && error !== null && (marker in error || publicMessage in error)) {
    return readOwnMessage(error as Cause);
  }
  if (isStorageFault(error)) return "The database cannot store anything at the moment";
  if (isTransient(error)) return "A database or server cannot be reached";
  return "Unexpected error; see the server log";
}

/** Creates the error of a rejected request with these issues. The message names the first one. */
export function invalidRequest(...issues: Issue[]): ReinstateError {
  return new ReinstateError("invalid_request", `${issues[0]?.path}: ${issues[0]?.message}`, { issues });
}
