import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { getRequestListener, type HttpBindings, RequestError } from "@hono/node-server";
import { type Admission, toMessage } from "@reinstate/batch-core";
import { problem } from "@reinstate/batch-core/http";
import { createCallQueue } from "./call-queue.ts";
import { endSlowClients, uploadMs } from "./slow-clients.ts";
import { createTurnAway, type TurnAway } from "./turn-away.ts";

/** How long and how far the rest of a body is read after an early answer, before the connection is closed. */
const discardMs = 30_000;
const discardIdleMs = 5_000;
const discardBytes = 256 * 1024 * 1024;
/** An early answer leaves the connection open if at most this much of the body is left. */
const keptOpenBytes = 64 * 1024;

export interface HttpServerOptions {
  /** Seconds for which an idle connection stays open between requests. */
  keepAliveSeconds: number;
  /** Seconds that the body of a request may take; an upload of items may take an hour. */
  requestSeconds: number;
  maxConnections: number;
  /** Prefix that is removed from paths, because not every proxy removes it; paths without it are answered too. */
  basePath?: string;
  /** Decides for how many calls there are places. */
  admission?: Admission;
}

/** Serves a web `fetch` over HTTP/1.1 and HTTP/1.0; `env` holds Node's own request and response. */
export function createHttpServer(
  fetch: (request: Request, env: HttpBindings) => Promise<Response>,
  { keepAliveSeconds, requestSeconds, maxConnections, basePath = "", admission }: HttpServerOptions,
): Server {
  const queue = createCallQueue();
  const turnAway = admission && createTurnAway(admission, queue);
  const listener = getRequestListener(
    async (request, env) => {
      const { incoming, outgoing } = env as HttpBindings;
      const response = await fetch(request, { incoming, outgoing });
      if (!isHealthCheck(incoming)) turnAway?.follow(request, incoming, outgoing);
      await turnAway?.learn(incoming, request, response);
      // The adaptor leaves the phrase to Node, which has none for a status that HTTP does not name.
      if (response.statusText !== "") outgoing.statusMessage = response.statusText;
      if (!outgoing.shouldKeepAlive && isEventStream(response)) outgoing.removeHeader("transfer-encoding");
      if (!incoming.complete) discardRest(incoming, outgoing, response);
      return response;
    },
    { hostname: "localhost", errorHandler: replyToError },
  );
  const server = createServer({ connectionsCheckingInterval: 5000 }, (incoming, outgoing) => {
    removePrefix(incoming, basePath);
    const isFirst = !turnAway || isHealthCheck(incoming);
    if (!isFirst && turnAway.answer(incoming, outgoing)) return;
    normalizeHost(incoming);
    if (isFirst) void listener(incoming, outgoing);
    else queue.add(() => void listener(incoming, outgoing));
  });
  server.on("checkContinue", (incoming: IncomingMessage, outgoing: ServerResponse) => {
    // Only a body that is read is asked for, so that an early answer spares the client the upload.
    incoming.once("resume", () => {
      if (!outgoing.headersSent) outgoing.writeContinue();
    });
    server.emit("request", incoming, outgoing);
  });
  server.keepAliveTimeout = keepAliveSeconds * 1000;
  // Counts from the opening of a connection, so a proxy may open one before it needs it.
  server.headersTimeout = server.keepAliveTimeout + 5000;
  server.requestTimeout = uploadMs;
  server.maxConnections = maxConnections;
  endSlowClients(server, { bodyMs: requestSeconds * 1000, isUpload });
  if (turnAway) readBeforeClosing(server, turnAway);
  return server;
}

/** Reads the calls that wait in the kernel before idle connections are closed, so that they get a response too. */
function readBeforeClosing(server: Server, turnAway: TurnAway): void {
  const closeIdleConnections = server.closeIdleConnections.bind(server);
  server.closeIdleConnections = () => {
    turnAway.end();
    // In the turn after the next one: in between, connections are read.
    setImmediate(() => setImmediate(closeIdleConnections));
  };
}

const isHealthCheck = ({ url = "" }: IncomingMessage) => /^\/+(healthz|readyz|metrics)\b/.test(url);

function removePrefix(incoming: IncomingMessage, basePath: string): void {
  const { url = "" } = incoming;
  if (basePath === "" || !url.startsWith(basePath)) return;
  const rest = url.slice(basePath.length);
  if (/^([/?]|$)/.test(rest)) incoming.url = rest.startsWith("/") ? rest : `/${rest}`;
}

/** Streamed items; a caller without a key is answered before the body is read. */
const isUpload = ({ method, url = "", headers: { "content-type": type = "" } }: IncomingMessage) =>
  method === "POST" &&
  (/^\/+v1\/+batches\/*\?/.test(url)
    ? /^ *(text\/csv|application\/(x-)?ndjson)\b/i.test(type)
    : /^\/+batches\/+new\/*$/.test(url) && /^ *multipart\/form-data\b/i.test(type));

const isEventStream = ({ headers }: Response) => headers.get("content-type")?.startsWith("text/event-stream") === true;

function replyToError(error: unknown): Response {
  if (error instanceof RequestError) return problem(400, "bad-request", toMessage(error));
  return problem(500, "internal-error", "Unexpected error; see the server log");
}

/** RFC 3986, `host [":" port]`: also an empty host, an empty port, percent-encoding and zones of IPv6. */
const legalHost =
  /^(?:\[[\da-f:.]+(?:%[\w.~%-]+)?\]|\[v[\da-f]+\.[\w.~!$&'()*+,;=:-]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::\d*)?$/i;

/** The adaptor makes a URL of the header: a host that is legal but no host of a URL becomes `localhost`. */
function normalizeHost({ headers }: IncomingMessage): void {
  const { host } = headers;
  if (host && legalHost.test(host)) headers.host = URL.parse(`http://${host}`)?.host || "localhost";
}

/**
 * Answers before the whole body has arrived: the answer goes out at once, but the connection ends only when the rest of the body has
 * been read and discarded, within bounds. Otherwise the kernel would reset the connection, and the client would never see the answer.
 */
function discardRest(incoming: IncomingMessage, outgoing: ServerResponse, response: Response): void {
  const { "content-length": length = Number.POSITIVE_INFINITY, expect } = incoming.headers;
  if (expect !== undefined || Number(length) > keptOpenBytes) outgoing.shouldKeepAlive = false;
  if (response.body === null) response.headers.set("content-length", "0");
  const end = outgoing.end.bind(outgoing) as () => ServerResponse;
  outgoing.end = (...parts: unknown[]) => {
    const [body] = parts;
    if (typeof body === "string" || body instanceof Uint8Array) outgoing.write(body);
    else outgoing.flushHeaders();
    readToEnd(incoming).then(() => end());
    return outgoing;
  };
}

/** Resolves when the body has ended, or its connection; a client that sends too much or too slowly loses the connection. */
function readToEnd(incoming: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    if (incoming.complete || incoming.destroyed) return resolve();
    let left = discardBytes;
    const hangUp = () => incoming.socket.destroySoon();
    const idle = setTimeout(hangUp, discardIdleMs);
    const over = setTimeout(hangUp, discardMs);
    const finish = () => {
      clearTimeout(idle);
      clearTimeout(over);
      resolve();
    };
    // The handler that read the body up to here would keep the rest in memory.
    incoming.removeAllListeners("data");
    incoming.on("data", (part: Uint8Array) => {
      idle.refresh();
      left -= part.byteLength;
      if (left < 0) hangUp();
    });
    incoming.once("end", finish).once("error", finish).once("close", finish);
    incoming.resume();
  });
}
