import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** How long a stream of items may take. Ten million ids over a slow line take longer than the five minutes of Node. */
export const uploadMs = 3_600_000;
/** How long the headers of a request may take from their first byte. */
const headersMs = 10_000;
const sweepMs = 1_000;

/** The state of one connection. */
interface Connection {
  /** The bytes that the requests before had taken. */
  readBefore: number;
  /** When headers were first seen to be incomplete. */
  headersSince?: number | undefined;
  request?: { incoming: IncomingMessage; outgoing: ServerResponse; since: number } | undefined;
}

/**
 * Ends connections whose headers or bodies come too slowly, with 408. Node's own limits cannot tell an idle connection from slow
 * headers, nor an upload of many items from any other body.
 *
 * @param bodyMs how long a body may take, except if `isUpload` holds.
 */
export function endSlowClients(
  server: Server,
  { bodyMs, isUpload }: { bodyMs: number; isUpload(incoming: IncomingMessage): boolean },
): void {
  const connections = new Map<Socket, Connection>();

  server.on("connection", (socket: Socket) => {
    connections.set(socket, { readBefore: 0 });
    socket.once("close", () => connections.delete(socket));
  });
  server.prependListener("request", (incoming, outgoing) => {
    const { socket } = incoming;
    const connection = connections.get(socket);
    if (!connection) return;
    const request = { incoming, outgoing, since: Date.now() };
    connection.request = request;
    connection.headersSince = undefined;
    outgoing.once("close", () => {
      connection.readBefore = socket.bytesRead;
      if (connection.request === request) connection.request = undefined;
    });
  });

  const sweep = setInterval(() => {
    const now = Date.now();
    for (const [socket, connection] of connections) {
      const { request, readBefore } = connection;
      if (request) {
        const { incoming, outgoing, since } = request;
        if (!incoming.complete && now - since > bodyMs && !isUpload(incoming)) hangUp(socket, outgoing.headersSent);
      } else if (socket.bytesRead > readBefore) {
        connection.headersSince ??= now;
        if (now - connection.headersSince > headersMs) hangUp(socket, false);
      }
    }
  }, sweepMs);
  sweep.unref();
  server.once("close", () => clearInterval(sweep));
}

function hangUp(socket: Socket, answered: boolean): void {
  if (!answered && socket.writable) {
    socket.write("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  }
  socket.destroySoon();
}
