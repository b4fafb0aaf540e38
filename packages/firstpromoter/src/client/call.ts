import { type Caller, type CallerOptions, createCaller, toErrorKind } from "@reinstate/batch-core/client";
import { errorBody } from "../schemas.ts";

export interface ConnectionOptions
  extends Pick<CallerOptions, "baseUrl" | "fetch" | "timeoutMs" | "replyLimit" | "retry" | "breaker"> {
  /** Sent as `Authorization: Bearer …`, never part of an error. */
  apiKey: string;
  accountId: string;
  /**
   * The server keeps idempotency keys, as those of this package do, and FirstPromoter itself does not: calls with an
   * `idempotencyKey` are repeated like those that are safe to repeat. Default false.
   */
  keepsKeys?: boolean;
}

/** Throws a `TypeError` that holds no value where a key or an account id is none that a header can hold. */
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

/** `{ filters: { status: ["a", "b"] } }` → `filters[status][]=a&filters[status][]=b`. What is undefined is left out. */
export function toBracketParams(query: object): URLSearchParams {
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
