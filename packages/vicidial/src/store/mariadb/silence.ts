import type { Socket } from "node:net";

/** Milliseconds without a byte of a reply after which the server is checked over another connection. */
const quietMs = 3_000;
const pollMs = 500;

/** The parts of a driver connection that are watched: its socket, and the command that waits for a reply. */
export interface Watched {
  stream: Socket;
  _command?: unknown;
}

/** Returns the error of a server that does not respond. A statement that was sent may have been executed. */
function silence(): Error {
  return Object.assign(new Error("The server does not answer"), { code: "ETIMEDOUT", syscall: "read" });
}

/**
 * Destroys a connection if a statement waits for a server that is paused or unreachable; TCP alone would wait for hours. A slow
 * statement is no failure, so `isAlive` first checks the server over another connection.
 */
export function cutSilence(connection: Watched, isAlive: () => Promise<boolean>): void {
  const { stream } = connection;
  let heardAt = performance.now();
  let bytes = stream.bytesRead;
  let asking = false;

  const hear = () => {
    heardAt = performance.now();
    bytes = stream.bytesRead;
  };

  async function ask(): Promise<void> {
    asking = true;
    const alive = await isAlive();
    asking = false;
    if (alive || stream.bytesRead !== bytes || !connection._command) hear();
    else stream.destroy(silence());
  }

  const poll = setInterval(() => {
    if (!connection._command || stream.bytesRead !== bytes) hear();
    else if (!asking && performance.now() - heardAt >= quietMs) void ask();
  }, pollMs);
  poll.unref();
  stream.once("close", () => clearInterval(poll));
}
