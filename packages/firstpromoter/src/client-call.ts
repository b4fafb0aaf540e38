import {
  createTransport,
  type Reply,
  type RetryOptions,
  type TransportOptions,
  VendorError,
  withRetries,
} from "@reinstate/batch-core/client";
import type * as z from "zod";
import { errorBody } from "./schemas.ts";

export interface ConnectionOptions extends Pick<TransportOptions, "baseUrl" | "fetch" | "timeoutMs" | "replyLimit"> {
  /** Sent as `Authorization: Bearer …`, never part of an error. */
  apiKey: string;
  accountId: string;
  /**
   * The server keeps idempotency keys, as those of this package do, and FirstPromoter itself does not: calls with an
   * `idempotencyKey` are repeated like those that are safe to repeat. Default false.
   */
  keepsKeys?: boolean;
  /** How calls that are safe to repeat are repeated. `{ attempts: 1 }` repeats nothing. */
  retry?: RetryOptions;
}

/** One call, before it is sent. */
export interface Call<Answer> {
  method: "GET" | "POST" | "PUT";
  path: string;
  answer: z.ZodType<Answer>;
  body?: object | undefined;
  /** In the shape of Rails' brackets: `{ filters: { status: ["a", "b"] } }`. */
  query?: object | undefined;
  headers?: Record<string, string> | undefined;
  signal?: AbortSignal | undefined;
  /** A second such call ends in the same state. Reads always are. */
  repeatable?: boolean;
}

export type Caller = <Answer>(call: Call<Answer>) => Promise<Answer>;

/**
 * Sends calls, repeats those that are safe to repeat, and reads the replies: the vendor's own, or a `VendorError`. Throws a
 * `TypeError` that names neither where a key or an account id is none that a header can hold.
 */
export function createCaller(options: ConnectionOptions): Caller {
  const { apiKey, accountId, retry } = options;
  for (const [name, value] of Object.entries({ apiKey, accountId })) {
    if (!/^[!-~]+$/.test(value)) throw new TypeError(`${name} must be visible ASCII characters`);
  }
  const transport = createTransport({
    ...options,
    headers: { authorization: `Bearer ${apiKey}`, "account-id": accountId, accept: "application/json" },
  });
  return <Answer>({ method, path, answer, body, query, headers = {}, signal, repeatable }: Call<Answer>) => {
    const send = async () => {
      const requestId = crypto.randomUUID();
      const reply = await transport
        .call({
          method,
          path,
          ...(query && { query: bracketParams(query) }),
          ...(body && { body: JSON.stringify(body) }),
          headers: { ...headers, "x-request-id": requestId, ...(body && { "content-type": "application/json" }) },
          ...(signal && { signal }),
        })
        .catch((error: unknown) => {
          // The one who serves it may find it in his log, though he never answered.
          throw VendorError.is(error)
            ? new VendorError(error.kind, error.message, { ...error, requestId, cause: error.cause })
            : error;
        });
      return read(`${method} ${path}`, method, { ...reply, requestId: reply.requestId ?? requestId }, answer);
    };
    return method === "GET" || repeatable ? withRetries(send, retry, { signal, changes: method !== "GET" }) : send();
  };
}

/** The vendor's reply, checked; anything else is thrown. */
function read<Answer>(what: string, method: string, reply: Reply, answer: z.ZodType<Answer>): Answer {
  const { status, requestId, retryAfterMs } = reply;
  const body = parse(reply.text);
  if (status >= 200 && status < 300) {
    const parsed = answer.safeParse(body);
    if (parsed.success) return parsed.data;
    const at = parsed.error.issues[0]?.path.join(".") ?? "";
    const message = `${what}: the answer is not what FirstPromoter documents${at === "" ? "" : ` (at ${at})`}`;
    // Without the answer: it may hold what nobody may see, a `password_setup_url`.
    throw new VendorError("bad_reply", message, { status, requestId });
  }
  const refusal = errorBody.safeParse(body).data;
  throw new VendorError(kindOf(reply, method), `${what}: ${status}${refusal ? ` ${refusal.message}` : ""}`, {
    status,
    code: refusal?.code,
    requestId,
    retryAfterMs,
    body,
  });
}

function kindOf({ status, retryAfterMs }: Reply, method: string): VendorError["kind"] {
  if (status === 429) return "rate_limited";
  // The server waited for the request in vain, or says when it takes one again.
  if (status === 408 || (status === 503 && retryAfterMs !== undefined)) return "unavailable";
  // A proxy that answers so does not know whether the call was carried out; a read has nothing to carry out.
  if (status >= 500) return method === "GET" ? "unavailable" : "unknown_outcome";
  return status >= 400 ? "rejected" : "bad_reply";
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text === "" ? undefined : text;
  }
}

/** `{ filters: { status: ["a", "b"] } }` → `filters[status][]=a&filters[status][]=b`. What is undefined is left out. */
function bracketParams(query: object): URLSearchParams {
  const pairs = new URLSearchParams();
  const add = (name: string, value: unknown) => {
    if (value === undefined || value === null) return;
    if (Array.isArray(value)) for (const one of value) add(`${name}[]`, one);
    else if (typeof value === "object") for (const [key, one] of Object.entries(value)) add(`${name}[${key}]`, one);
    else pairs.append(name, String(value));
  };
  for (const [name, value] of Object.entries(query)) add(name, value);
  return pairs;
}
