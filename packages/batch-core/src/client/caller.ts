import * as z from "zod";
import { type CircuitBreaker, createCircuitBreaker } from "./breaker.ts";
import { createRetryBudget, type RetryOptions, withRetries } from "./retry.ts";
import { type CallOptions, createTransport, type Reply, type TransportOptions } from "./transport.ts";
import { VendorError, type VendorErrorKind } from "./vendor-error.ts";

/** A reply with its body read: parsed, the text where it cannot be parsed, or undefined where it is empty. */
export interface ReadReply extends Reply {
  body: unknown;
  /** False for a read: whatever went wrong, nothing was changed. */
  changes: boolean;
}

/** The reason why a vendor did not carry a call out. */
export interface VendorRefusal {
  kind: VendorErrorKind;
  /** Default: the name of the call and the status. */
  message?: string;
  code?: string | number | undefined;
}

export interface CallerOptions extends TransportOptions {
  /** The vendor's name, for messages. */
  vendor: string;
  /** How a call that is safe to repeat is repeated. `{ attempts: 1 }` repeats nothing. */
  retry?: RetryOptions | undefined;
  /** Shared by the clients of one vendor and account. Default: one of this caller's own. */
  breaker?: CircuitBreaker | undefined;
  /** The header in which a new id is sent with every call: an answer that is lost can then be found in the vendor's log. */
  requestIdHeader?: string;
  /** The refusal that a reply holds; undefined for a success, which is then checked by the call's `answer`. */
  readRefusal(reply: ReadReply, call: { name: string }): VendorRefusal | undefined;
  /** Reads the body of a reply. Default: JSON. Throws where it cannot be read. */
  parse?(reply: Reply, answer: z.ZodType): unknown;
}

/** One call of a vendor's API. */
export interface VendorCall<Answer> extends Omit<CallOptions, "body" | "signal"> {
  /** The schema of a success. `emptyAnswer` for a call that is answered without a body. */
  answer: z.ZodType<Answer>;
  /** An object is sent as JSON, a text as it is. */
  body?: object | string | undefined;
  signal?: AbortSignal | undefined;
  /** In messages. Default: method and path. */
  name?: string;
  /** False for a call that changes nothing. Default: true unless the method is GET. */
  changes?: boolean;
  /** A second such call ends in the same state. Default: only calls that change nothing are repeated. */
  repeatable?: boolean;
  /** Sent in `requestIdHeader` with every try. Default: a new one for each try. */
  requestId?: string | undefined;
}

export type Caller = <Answer>(call: VendorCall<Answer>) => Promise<Answer>;

/** The answer of a call whose success has no body. */
export const emptyAnswer: z.ZodType<undefined> = z.undefined();

/**
 * Makes the calls of one vendor: builds the request, repeats what is safe to repeat, reads the reply, and checks it. The
 * caller gets the vendor's own answer, or a `VendorError`. A vendor that is down is not hammered: repeats have a budget, and
 * after ten failures in a row a circuit breaker stops the calls.
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
  // The server waited for the request in vain, or says when it takes one again.
  if (status === 408 || status === 425 || (status === 503 && retryAfterMs !== undefined)) return "unavailable";
  // A proxy that answers so does not know whether the call was carried out; a read has nothing to carry out.
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

/** Throws a `VendorError` where the reply is a refusal, or not what the vendor documents. */
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
  // The body is left out, because it may hold a secret.
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
