/**
 * Errors of the core, recognised by a well-known symbol and not by `instanceof`, so that two installed
 * versions of the core still know each other's errors.
 */
const marker = Symbol.for("reinstate.error");

export type ReinstateErrorCode =
  | "invalid_request"
  | "unknown_operation"
  | "unknown_batch"
  | "body_too_large"
  | "broken_body"
  | "bad_setting"
  | "wrong_state"
  | "idempotency_mismatch"
  | "idempotency_running"
  | "transient";

/** One thing that is wrong with a request: `path` names the place (`items[3]`, `params.insert_leads`). */
export interface Issue {
  path: string;
  message: string;
}

export class ReinstateError extends Error {
  readonly [marker] = true;
  readonly code: ReinstateErrorCode;
  /** At most 100 of the things that are wrong. */
  readonly issues: Issue[];

  constructor(code: ReinstateErrorCode, message: string, options: { issues?: Issue[]; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ReinstateError";
    this.code = code;
    this.issues = (options.issues ?? []).slice(0, 100);
  }

  static is(value: unknown, code?: ReinstateErrorCode): value is ReinstateError {
    if (typeof value !== "object" || value === null || !(marker in value)) return false;
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
  "ENETUNREACH",
  "EAI_AGAIN",
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
  "ER_LOCK_WAIT_TIMEOUT",
  "ER_LOCK_DEADLOCK",
  "ER_CON_COUNT_ERROR",
  "ER_SERVER_SHUTDOWN",
]);

/** What PostgreSQL's driver says, without a code, where it has no connection (any more). */
const lostConnection =
  /Connection terminated|server closed the connection|is not queryable|timeout exceeded when trying to connect/i;

const notNowMarker = Symbol.for("reinstate.not-now");

/**
 * Thrown by an operation that may not run at this hour, before it has changed anything: the chunk waits until then, and
 * that costs no attempt.
 */
export class NotNow extends Error {
  readonly [notNowMarker] = true;
  /** Milliseconds since 1970 UTC. */
  readonly until: number;

  constructor(until: number, message = "Not at this hour") {
    super(message);
    this.name = "NotNow";
    this.until = until;
  }

  static is(value: unknown): value is NotNow {
    return typeof value === "object" && value !== null && notNowMarker in value;
  }
}

/** True for an error of a vendor's client that says that nothing was done. */
export function nothingWasDone(error: unknown): boolean {
  return typeof error === "object" && error !== null && (error as { retryable?: unknown }).retryable === true;
}

/**
 * True where the same work may succeed a little later: lost connections, deadlocks, a busy database.
 * A verdict on an item or a fault in the program is never transient.
 */
export function isTransient(error: unknown): boolean {
  for (let cause: unknown = error, depth = 0; typeof cause === "object" && cause !== null && depth < 5; depth++) {
    if (ReinstateError.is(cause, "transient") || nothingWasDone(cause)) return true;
    const { code, errcode, message } = cause as { code?: unknown; errcode?: unknown; message?: unknown };
    if (typeof code === "string" && (transientCodes.has(code) || code.startsWith("08"))) return true;
    // node:sqlite: SQLITE_BUSY (5) and SQLITE_LOCKED (6), in the low byte.
    if (code === "ERR_SQLITE_ERROR" && typeof errcode === "number" && [5, 6].includes(errcode & 0xff)) return true;
    if (typeof message === "string" && lostConnection.test(message)) return true;
    cause = (cause as { cause?: unknown }).cause;
  }
  return false;
}

/** True where a database took its transaction back by itself, deadlock or serialization: saying it again is safe. */
export function wasRolledBack(error: unknown): boolean {
  const { code } = (error ?? {}) as { code?: unknown };
  return code === "40001" || code === "40P01";
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A request that is refused for what is wrong in these places; the message tells the first of them. */
export function invalidRequest(...issues: Issue[]): ReinstateError {
  return new ReinstateError("invalid_request", `${issues[0]?.path}: ${issues[0]?.message}`, { issues });
}
