import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { expiredCertificate } from "./expired-certificate.ts";

/** The effect of a fault on one request. */
export interface Fault {
  /** The request reaches the server, so it can have its effect. */
  effect: boolean;
  /**
   * The reply of the proxy instead of the server's:
   * - `reset`: the connection is reset without a reply.
   * - `reset within`: the connection is reset in the middle of the body.
   * - `truncated`: the reply ends regularly in the middle of the body.
   * - `trickle`: the reply arrives byte by byte.
   * - `oversized`: megabytes of white space follow the reply.
   */
  reply:
    | "reset"
    | "reset within"
    | "truncated"
    | "trickle"
    | "oversized"
    | { status: number; type?: string; headers?: Record<string, string>; body?: string };
}

const html = { status: 200, type: "text/html", body: "<!doctype html><title>Maintenance</title><p>Please wait" };

/** The faults of real networks and vendors, by name. */
export const faults = {
  "429 with Retry-After": { effect: false, reply: { status: 429, headers: { "retry-after": "1" }, body: "{}" } },
  "500 before the effect": { effect: false, reply: { status: 500, body: "{}" } },
  "500 after the effect": { effect: true, reply: { status: 500, body: "{}" } },
  "502 after the effect": { effect: true, reply: { status: 502, type: "text/html", body: "<h1>Bad Gateway</h1>" } },
  "503 before the effect": { effect: false, reply: { status: 503, headers: { "retry-after": "1" }, body: "" } },
  "504 after the effect": {
    effect: true,
    reply: { status: 504, type: "text/html", body: "<h1>Gateway Time-out</h1>" },
  },
  "HTML with 200 before the effect": { effect: false, reply: html },
  "HTML with 200 after the effect": { effect: true, reply: html },
  "truncated JSON": { effect: true, reply: "truncated" },
  "oversized JSON": { effect: true, reply: "oversized" },
  "reset before the effect": { effect: false, reply: "reset" },
  "reset before the reply": { effect: true, reply: "reset" },
  "reset within the body": { effect: true, reply: "reset within" },
  "one byte at a time": { effect: true, reply: "trickle" },
} satisfies Record<string, Fault>;

/** A fault that the proxy can cause. */
export type FaultName = keyof typeof faults;

/** A request as the proxy received it. */
export interface ProxiedRequest {
  /** Counts all requests, from 0. */
  index: number;
  method: string;
  /** The path with its query. */
  path: string;
  headers: Record<string, string>;
  body: string;
}

/** Options of a fault proxy. */
export interface FaultProxyOptions {
  /** The server behind the proxy: its base URL, or its `fetch`. */
  target: string | ((request: Request) => Response | Promise<Response>);
  /** Returns the fault of a request; undefined forwards it. */
  fault(request: ProxiedRequest): Fault | undefined;
  /** Serves https with an expired certificate. */
  expiredTls?: boolean;
  /** Milliseconds between the bytes of a trickle. Default 1,000. */
  byteMs?: number;
}

/** A running fault proxy. */
export interface FaultProxy extends AsyncDisposable {
  /** Without a slash at the end. */
  url: string;
  /** The requests so far, with the information if the server received them. */
  requests: (ProxiedRequest & { forwarded: boolean })[];
}

/**
 * Starts an HTTP server on 127.0.0.1 that forwards requests to another server and damages the replies to some of them.
 *
 * @example
 * await using proxy = await startFaultProxy({
 *   target: vendor.routes.fetch,
 *   fault: ({ method, index }) => (method === "POST" && index < 3 ? faults["reset before the reply"] : undefined),
 * });
 * const client = createFirstPromoterClient({ baseUrl: `${proxy.url}/api/v2/company`, apiKey, accountId });
 */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const { target, fault, expiredTls = false, byteMs = 1000 } = options;
  const requests: FaultProxy["requests"] = [];
  const listener: RequestListener = (incoming, outgoing) => {
    answer(incoming, outgoing).catch(() => incoming.socket.destroy());
  };
  const server = expiredTls ? createTlsServer(expiredCertificate, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const request: ProxiedRequest = {
      index: requests.length,
      method: incoming.method ?? "GET",
      path: incoming.url ?? "/",
      headers: incoming.headers as Record<string, string>,
      body: Buffer.concat(parts).toString(),
    };
    const spoilt = fault(request);
    const forwarded = spoilt?.effect ?? true;
    requests.push({ ...request, forwarded });
    const reply = forwarded ? await readReply(target, request) : undefined;
    await send(outgoing, reply, spoilt, byteMs);
  }

  return {
    url: `${expiredTls ? "https" : "http"}://localhost:${port}`,
    requests,
    [Symbol.asyncDispose]: () => close(server),
  };
}

interface ReadReply {
  status: number;
  headers: [string, string][];
  body: Buffer;
}

async function readReply(
  target: FaultProxyOptions["target"],
  { method, path, headers, body }: ProxiedRequest,
): Promise<ReadReply> {
  const { connection: _connection, "content-length": _length, host: _host, ...rest } = headers;
  const base = typeof target === "string" ? target : "http://localhost";
  const request = new Request(base + path, { method, headers: rest, ...(body !== "" && { body }) });
  const response = await (typeof target === "string" ? fetch(request) : target(request));
  const read = Buffer.from(await response.arrayBuffer());
  const ofTransport = /^(connection|content-length|content-encoding|transfer-encoding|keep-alive)$/;
  const kept = [...response.headers].filter(([name]) => !ofTransport.test(name));
  return { status: response.status, headers: kept, body: read };
}

const megabyte = Buffer.alloc(1024 * 1024, " ");
const oversizedMegabytes = 32;

async function send(
  outgoing: ServerResponse,
  reply: ReadReply | undefined,
  fault: Fault | undefined,
  byteMs: number,
): Promise<void> {
  const { reply: spoilt } = fault ?? {};
  if (typeof spoilt === "object") {
    const { status, type = "application/json", headers, body = "" } = spoilt;
    outgoing.writeHead(status, { "content-type": type, ...headers }).end(body);
    return;
  }
  if (spoilt === "reset" || reply === undefined) return void outgoing.socket?.resetAndDestroy();
  const { status, headers, body } = reply;
  const half = body.subarray(0, body.length >> 1);
  const isWhole = spoilt === undefined || spoilt === "reset within";
  outgoing.writeHead(status, [...headers.flat(), ...(isWhole ? ["content-length", String(body.length)] : [])]);
  switch (spoilt) {
    case "truncated":
      outgoing.end(half);
      return;
    case "reset within":
      outgoing.write(half, () => outgoing.socket?.resetAndDestroy());
      return;
    case "oversized":
      return sendOversized(outgoing, body);
    case "trickle":
      return trickle(outgoing, body, byteMs);
    default:
      outgoing.end(body);
  }
}

async function sendOversized(outgoing: ServerResponse, body: Buffer): Promise<void> {
  outgoing.write(body);
  for (let sent = 0; sent < oversizedMegabytes && !outgoing.destroyed; sent++) {
    if (!outgoing.write(megabyte)) await drained(outgoing);
  }
  outgoing.end();
}

async function trickle(outgoing: ServerResponse, body: Buffer, byteMs: number): Promise<void> {
  for (const byte of body) {
    if (outgoing.destroyed) return;
    outgoing.write(Buffer.of(byte));
    await new Promise((resolve) => setTimeout(resolve, byteMs).unref());
  }
  outgoing.end();
}

/** Resolves when the stream can be written again, or is closed. */
function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      outgoing.off("drain", end).off("close", end);
      resolve();
    };
    outgoing.on("drain", end).on("close", end);
  });
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}
