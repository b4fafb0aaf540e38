import type { Socket } from "node:net";

/** How long a connection is not read at most. A proxy may carry another client's call on it next. */
const pauseMs = 500;
/** How often the paused connections are examined. */
const checkMs = 50;

/**
 * Returns a function that stops reading from a connection for half a second, or until there is a place for its next call. A client
 * that ignores `Retry-After` and calls in a loop costs nothing in between: its next call waits in the kernel.
 *
 * @param isFull whether there is no place for a call, if `resumed` calls come before it.
 */
export function createReadPause(isFull: (resumed: number) => boolean): (socket: Socket) => void {
  /** In the order of their ends. */
  let paused: { socket: Socket; until: number }[] = [];
  let timer: NodeJS.Timeout | undefined;

  function check(): void {
    const now = performance.now();
    const isDue = ({ until }: { until: number }, index: number) => until <= now || !isFull(index);
    const firstLeft = paused.findIndex((entry, index) => !isDue(entry, index));
    const due = firstLeft < 0 ? paused : paused.slice(0, firstLeft);
    paused = firstLeft < 0 ? [] : paused.slice(firstLeft);
    for (const { socket } of due) socket.resume();
    if (paused.length > 0) return;
    clearInterval(timer);
    timer = undefined;
  }

  return (socket) => {
    socket.pause();
    paused.push({ socket, until: performance.now() + pauseMs });
    timer ??= setInterval(check, checkMs).unref();
  };
}
