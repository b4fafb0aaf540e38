import * as z from "zod";
import { type CircuitBreaker, createCircuitBreaker } from "./breaker.ts";
import { createRetryBudget, type RetryOptions, withRetries } from "./retry.ts";
import { type CallOptions, createTransport, type Reply, type TransportOptions } from "./transport.ts";
import { VendorError, type VendorErrorKind } from "./vendor-error.ts";

/** A reply with its body: parsed, else its text, or undefined if it is empty. */
export interface ReadReply extends Reply {
  body: unknown;
  /** False for a read, which never changes anything. */
  changes: boolean;
}

/** The reason for which a vendor rejected a call. */
export interface VendorRefusal {
  kind: VendorErrorKind;
  /** Default: the name of the call and the status. */
  message?: string;
  code?: string | number | undefined;
}

/** Options of a caller. */
export interface CallerOptions extends TransportOptions {
  /** The vendor's name, for messages. */
  vendor: string;
  /** Retries of calls that are safe to repeat. `{ attempts: 1 }` repeats nothing. */
  retry?: RetryOptions | undefined;
  /** Shared by the clients of one vendor and account. Default: a breaker for this caller only. */
  breaker?: CircuitBreaker | undefined;
  /** The header for a new id of every call, which identifies a lost response in the vendor's log. */
  requestIdHeader?: string;
  /** Returns the rejection in a reply; undefined for a success, which is then checked by the call's `answer`. */
  readRefusal(reply: ReadReply, call: { name: string }): VendorRefusal | undefined;
  /** Reads the body of a reply. Default: JSON. Throws if it is invalid. */
  parse?(reply: Reply, answer: z.ZodType): unknown;
}

/** One call of a vendor's API. */
export interface VendorCall<Answer> extends Omit<CallOptions, "body" | "signal"> {
  /** The schema of a success. `emptyAnswer` for a response without a body. */
  answer: z.ZodType<Answer>;
  /** An object is sent as JSON, a text unchanged. */
  body?: object | string | undefined;
  signal?: AbortSignal | undefined;
  /** The name of the call in messages. Default: method and path. */
  name?: string;
  /** False for a call that changes nothing. Default: true unless the method is GET. */
  changes?: boolean;
  /** A second call leads to the same state, so it may be repeated. Default: true only for calls that change nothing. */
  repeatable?: boolean;
  /** Sent in `requestIdHeader` with every attempt. Default: a new one for each attempt. */
  requestId?: string | undefined;
}

/** Calls a vendor's API: sends, checks the reply, and maps what is wrong to a `VendorError`. */
export type Caller = <Answer>(call: VendorCall<Answer>) => Promise<Answer>;

/** The schema of a success without a body. */
export const emptyAnswer: z.ZodType<undefined> = z.undefined();

/**
 * Creates a function that calls one vendor. It builds the request, repeats calls that are safe to repeat, and validates the reply. It
 * returns the vendor's reply or throws a `VendorError`. Repeats have a budget, and a circuit breaker stops the calls after ten failures
 * within 30 s.
 *
 * @example
 * const call = createCaller({
 *   vendor: "Zendesk",
 *   baseUrl: "https://example.zendesk.com",
 *   headers: { authorization },
 *   readRefusal: (reply) => (reply.status < 300 ? undefined : { kind: toErrorKind(reply) }),
 * });
 * await call({ method: "PUT", path: "/api/v2/deleted_tickets/7/restore.json", answer: emptyAnswer, repeatable: true });
 */
export function createCaller(options: CallerOptions): Caller {
  const { retry, breaker = createCircuitBreaker(options.vendor) } = options;
  const transport = createTransport(options);
  const budget = createRetryBudget();

  async function send<Answer>(call: VendorCall<Answer>, name: string, changes: boolean): Promise<Answer> {
    breaker.check();
    try {
      const requestId = call.requestId ?? (options.requestIdHeader && crypto.randomUUID());
      const reply = await transport.call(toRequest(call, requestId, options)).catch((error: unknown) => {
        throw VendorError.is(error) ? withRequestId(error, requestId) : error;
      });
      const answer = readAnswer({ ...reply, requestId: reply.requestId ?? requestId }, call, name, changes, options);
      breaker.succeed();
      return answer;
    } catch (error) {
      throw breaker.fail(error);
    }
  }

  return (call) => {
    const { method, path, signal, changes = method !== "GET", name = `${method} ${path}` } = call;
    if (changes && !call.repeatable) return send(call, name, changes);
    return withRetries(() => send(call, name, changes), retry, { signal, changes, budget });
  };
}

/** Returns the kind of error for an HTTP status, for a vendor that documents no other rules. */
export function toErrorKind({ status, retryAfterMs, changes }: ReadReply): VendorErrorKind {
  if (status === 429) return "rate_limited";
  // The server did not receive the request in time, or names the time of the next attempt.
  if (status === 408 || status === 425 || (status === 503 && retryAfterMs !== undefined)) return "unavailable";
  // A proxy does not know if the call had its effect. A read has none.
  if (status >= 500) return changes ? "unknown_outcome" : "unavailable";
  return status >= 400 ? "rejected" : "bad_reply";
}

function toRequest(
  { method, path, query, body, headers, signal }: VendorCall<unknown>,
  requestId: string | undefined,
  { requestIdHeader }: CallerOptions,
): CallOptions {
  const isJson = typeof body === "object";
  return {
    method,
    path,
    ...(query && { query }),
    ...(body !== undefined && { body: isJson ? JSON.stringify(body) : body }),
    headers: {
      ...(isJson && { "content-type": "application/json" }),
      ...(requestIdHeader && requestId && { [requestIdHeader]: requestId }),
      ...headers,
    },
    ...(signal && { signal }),
  };
}

/** Throws a `VendorError` if the reply is a rejection, or not as the vendor documents. */
function readAnswer<Answer>(
  reply: Reply,
  { answer }: VendorCall<Answer>,
  name: string,
  changes: boolean,
  { vendor, readRefusal, parse = parseJson }: CallerOptions,
): Answer {
  const { status, requestId, retryAfterMs } = reply;
  const body = readBody(() => parse(reply, answer), reply.text);
  const refusal = readRefusal({ ...reply, body, changes }, { name });
  if (refusal) {
    const { kind, message = `${name}: status ${status}`, code } = refusal;
    throw new VendorError(kind, message, { status, code, requestId, retryAfterMs, body });
  }
  const parsed = answer.safeParse(body);
  if (parsed.success) return parsed.data;
  const at = parsed.error.issues[0]?.path.join(".") ?? "";
  const message = `${name}: the answer is not what ${vendor} documents${at === "" ? "" : ` (at ${at})`}`;
  // Without the body, because it may contain a secret.
  throw new VendorError("bad_reply", message, { status, requestId });
}

function parseJson({ text }: Reply): unknown {
  return JSON.parse(text);
}

function readBody(parse: () => unknown, text: string): unknown {
  if (text === "") return undefined;
  try {
    return parse();
  } catch {
    return text;
  }
}

function withRequestId(error: VendorError, requestId: string | undefined): VendorError {
  return new VendorError(error.kind, error.message, { ...error, requestId, cause: error.cause });
}
