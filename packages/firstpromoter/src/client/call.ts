import { type Caller, type CallerOptions, createCaller, toErrorKind } from "@reinstate/batch-core/client";
import { errorBody } from "../schemas.ts";

/** The options of a client's connection. */
export interface ConnectionOptions
  extends Pick<CallerOptions, "baseUrl" | "fetch" | "timeoutMs" | "replyLimit" | "retry" | "breaker"> {
  /** Sent as `Authorization: Bearer …`, never part of an error. */
  apiKey: string;
  accountId: string;
  /**
   * Whether the server supports idempotency keys. Servers of this package do, FirstPromoter does not. If true, calls with an
   * `idempotencyKey` are repeated like idempotent ones. Default false.
   */
  keepsKeys?: boolean;
}

/**
 * Creates the function that makes calls.
 *
 * @throws `TypeError` if `apiKey` or `accountId` cannot be a header value. Its message does not contain the value.
 */
export function createFirstPromoterCaller({ apiKey, accountId, ...options }: ConnectionOptions): Caller {
  for (const [name, value] of Object.entries({ apiKey, accountId })) {
    if (!/^[!-~]+$/.test(value)) throw new TypeError(`${name} must be visible ASCII characters`);
  }
  return createCaller({
    ...options,
    vendor: "FirstPromoter",
    headers: { authorization: `Bearer ${apiKey}`, "account-id": accountId, accept: "application/json" },
    requestIdHeader: "x-request-id",
    readRefusal(reply, { name }) {
      if (reply.status >= 200 && reply.status < 300) return undefined;
      const refusal = errorBody.safeParse(reply.body).data;
      const message = `${name}: ${reply.status}${refusal ? ` ${refusal.message}` : ""}`;
      return { kind: toErrorKind(reply), message, code: refusal?.code };
    },
  });
}

/** Writes `{ filters: { status: ["a", "b"] } }` as `filters[status][]=a&filters[status][]=b`. Omits undefined and null values. */
export function toBracketParams(query: object): URLSearchParams {
  const pairs = new URLSearchParams();
  const add = (name: string, value: unknown) => {
    if (value === undefined || value === null) return;
    if (Array.isArray(value)) for (const entry of value) add(`${name}[]`, entry);
    else if (typeof value === "object") for (const [key, entry] of Object.entries(value)) add(`${name}[${key}]`, entry);
    else pairs.append(name, String(value));
  };
  for (const [name, value] of Object.entries(query)) add(name, value);
  return pairs;
}
