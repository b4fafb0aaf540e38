import type { Socket } from "node:net";

/** A statement without a byte of an answer for this long raises the question whether the server still lives. */
const quietMs = 3_000;
const pollMs = 500;

/** The parts of a driver's connection that are read: its socket, and the command that waits for an answer. */
export interface Watched {
  stream: Socket;
  _command?: unknown;
}

/** The server, or the network to it, answers nothing. What was sent may have been carried out. */
function silence(): Error {
  return Object.assign(new Error("The server does not answer"), { code: "ETIMEDOUT", syscall: "read" });
}

/**
 * Cuts a connection whose server is paused, or out of reach, while a statement waits for its answer: TCP alone would wait for hours.
 * A statement may take its time, so `isAlive` is asked first, over another connection.
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
