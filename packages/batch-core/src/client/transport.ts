import { VendorError } from "./vendor-error.ts";

/** Options of a transport. */
export interface TransportOptions {
  /** The part of the URL before the vendor's documented path. */
  baseUrl: string;
  /** Sent with every call; never part of an error. */
  headers?: Record<string, string>;
  /** Replaces the global `fetch`, for tests, proxies and CA files. */
  fetch?: (input: string, init: RequestInit) => Promise<Response>;
  /** Time-out for the complete response in milliseconds. Default 30,000. */
  timeoutMs?: number;
  /** Maximum size of a response in bytes. Default 10 MiB. */
  replyLimit?: number;
}

/** One request to the vendor. */
export interface CallOptions {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** The vendor's documented path, from its slash on. */
  path: string;
  query?: URLSearchParams;
  /** Sent unchanged. */
  body?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** A response of the vendor with its whole body. */
export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  requestId: string | undefined;
  /** Milliseconds of `Retry-After`, given as seconds or as a date. */
  retryAfterMs: number | undefined;
}

/** Sends requests to a vendor. */
export interface Transport {
  /** Returns the response, whatever its status. Throws a `VendorError` if there is none. Follows no redirects. */
  call(options: CallOptions): Promise<Reply>;
}

/**
 * Creates the transport of a client.
 *
 * @throws TypeError if the base URL or a header cannot be sent
 */
export function createTransport(options: TransportOptions): Transport {
  const { headers = {}, timeoutMs = 30_000, replyLimit = 10 * 1024 * 1024 } = options;
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  refuseUnfit(baseUrl, headers);
  const send = options.fetch ?? ((input, init) => fetch(input, init));
  const redact = createRedaction(headers);
  return {
    async call({ method, path, query, body, headers: more, signal }) {
      const timeout = AbortSignal.timeout(timeoutMs);
      const search = query && query.size > 0 ? `?${query}` : "";
      try {
        const response = await send(`${baseUrl}${path}${search}`, {
          method,
          headers: { ...headers, ...more },
          redirect: "manual",
          signal: signal ? AbortSignal.any([timeout, signal]) : timeout,
          ...(body === undefined ? {} : { body }),
        });
        const text = redact(await readReply(response, replyLimit));
        const requestId = response.headers.get("x-request-id");
        return {
          status: response.status,
          headers: response.headers,
          text,
          requestId: requestId === null ? undefined : redact(requestId),
          retryAfterMs: retryAfter(response.headers.get("retry-after")),
        };
      } catch (error) {
        if (VendorError.is(error)) throw error;
        if (signal?.aborted) throw signal.reason;
        if (timeout.aborted) {
          throw new VendorError("unknown_outcome", `${method} ${path}: no answer within ${timeoutMs} ms`, {
            cause: error,
          });
        }
        if (isConnectFailure(error)) {
          throw new VendorError("unavailable", `${method} ${path}: the server cannot be reached`, { cause: error });
        }
        throw new VendorError("unknown_outcome", `${method} ${path}: the connection was lost before the answer`, {
          cause: error,
        });
      }
    },
  };
}

/** Minimum length of a redacted header value. Shorter values occur in unrelated texts. */
const shortestSecret = 8;

/**
 * Returns a function that removes the secrets of these headers from a text. Otherwise a server that repeats a request in its error would
 * put them into a log or a report.
 */
function createRedaction(headers: Record<string, string>): (text: string) => string {
  const values = Object.entries(headers).flatMap(([name, value]) =>
    /auth|key|token|secret|cookie/i.test(name)
      ? [value, value.replace(/^\w+[\s=]+/, ""), ...value.split(/[\s=,;]+/)]
      : [],
  );
  const secrets = values
    .flatMap((value) => [value, encodeURIComponent(value), JSON.stringify(value).slice(1, -1)])
    .filter((value) => value.length >= shortestSecret)
    .sort((one, other) => other.length - one.length);
  return (text) => secrets.reduce((rest, secret) => rest.replaceAll(secret, "[redacted]"), text);
}

/** Rejects settings that `fetch` would reject at every call, with the secret in its message. */
function refuseUnfit(baseUrl: string, headers: Record<string, string>): void {
  if (!/^https?:\/\/[^/]/.test(baseUrl) || !URL.canParse(baseUrl)) {
    throw new TypeError("baseUrl must be an http or https URL");
  }
  const { username, password } = new URL(baseUrl);
  if (username !== "" || password !== "") throw new TypeError("baseUrl must not hold a user or a password");
  for (const [name, value] of Object.entries(headers)) {
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) {
      throw new TypeError(`The value of the header ${name} has a character that no header can hold`);
    }
  }
}

async function readReply(response: Response, limit: number): Promise<string> {
  if (!response.body) return "";
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    size += part.byteLength;
    if (size > limit) {
      throw new VendorError("bad_reply", `The answer is larger than ${limit} bytes`, { status: response.status });
    }
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}

const unsent = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
]);

/** Matches the codes of a rejected certificate. The handshake ended before the request was sent. */
const certificateCodes = /^(CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_SELF_SIGNED|ERR_TLS_CERT_)/;

/** Reports whether the connection was never made, so the call had no effect. */
function isConnectFailure(error: unknown): boolean {
  for (let cause: unknown = error; typeof cause === "object" && cause !== null; ) {
    const { code, cause: next } = cause as { code?: unknown; cause?: unknown };
    if (typeof code === "string" && (unsent.has(code) || certificateCodes.test(code))) return true;
    cause = next;
  }
  return false;
}

function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
