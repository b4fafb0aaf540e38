import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import { constants } from "node:os";

const stopSignals = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** How often open connections are examined after the signal. */
const lookMs = 250;
/** After the signal, a request that is not complete and whose client sends nothing for this long is cut off. */
const silenceMs = 1_000;
/** Part of the grace that is kept for chunks in progress, once every connection is closed. */
const chunksPart = 0.25;

/** Resolves with the first signal to stop. A second one ends the process at once. */
export function receiveSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let received = false;
    for (const signal of stopSignals) {
      process.on(signal, () => {
        if (received) process.exit(128 + constants.signals[signal]);
        received = true;
        resolve(signal);
      });
    }
  });
}

/** Ends a process in order, and in time whatever hangs. */
export interface Shutdown {
  /** Answers the requests that are complete, cuts off clients that fall silent, and closes the server. */
  closeServer(): Promise<void>;
  /** Waits for the work, until the grace is over. Returns false if the work was not finished by then. */
  finish(work: () => Promise<void>): Promise<boolean>;
}

/** Watches the connections of a server from now on. The grace begins with `closeServer`, or with `finish` if there is no server. */
export function createShutdown(graceMs: number, server?: Server): Shutdown {
  /** The request that each connection is busy with; undefined between two requests and while a head arrives. */
  const connections = new Map<Socket, IncomingMessage | undefined>();
  let deadline: number | undefined;

  server?.on("connection", (socket: Socket) => {
    connections.set(socket, undefined);
    socket.once("close", () => connections.delete(socket));
  });
  server?.on("request", (request: IncomingMessage, response) => {
    const { socket } = request;
    connections.set(socket, request);
    response.once("close", () => {
      if (connections.has(socket)) connections.set(socket, undefined);
    });
  });

  const remainingMs = () => {
    deadline ??= performance.now() + graceMs;
    return Math.max(0, deadline - performance.now());
  };

  /** Destroys connections that have an incomplete request, or none, and send nothing. */
  function createSweep(): () => void {
    const seen = new Map<Socket, { bytes: number; at: number }>();
    return () => {
      const now = performance.now();
      for (const [socket, request] of connections) {
        // Complete: its answer is being made or sent.
        if (request?.complete) continue;
        const before = seen.get(socket);
        if (before?.bytes !== socket.bytesRead) seen.set(socket, { bytes: socket.bytesRead, at: now });
        else if (now - before.at >= silenceMs) socket.destroy();
      }
    };
  }

  return {
    async closeServer() {
      if (!server) return;
      const open = server;
      const sweep = createSweep();
      // A connection whose last answer ends from now on is not kept for another request.
      open.keepAliveTimeout = 1;
      const cut = setTimeout(() => open.closeAllConnections(), remainingMs() * (1 - chunksPart));
      const look = setInterval(() => {
        open.closeIdleConnections();
        sweep();
      }, lookMs);
      await new Promise<void>((resolve) => {
        open.close(() => resolve());
        open.closeIdleConnections();
      });
      clearInterval(look);
      clearTimeout(cut);
    },

    async finish(work) {
      let late: NodeJS.Timeout | undefined;
      const overdue = new Promise<false>((resolve) => {
        late = setTimeout(() => resolve(false), remainingMs());
      });
      try {
        return await Promise.race([work().then(() => true), overdue]);
      } finally {
        clearTimeout(late);
      }
    },
  };
}
