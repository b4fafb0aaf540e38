import type { Socket } from "node:net";

/** How long a connection waits at most: as long as the `Retry-After` header of a rejection says. */
const maxWaitMs = 1000;
/** The least time between two connections whose wait ends without a place, so that rejections cost little. */
const betweenRejectionsMs = 5;
/** How long a connection waits even if many others wait longer than `maxWaitMs`. */
const maxLongWaitMs = 5000;
/** How often the queue is examined, because a place may become free without a response. */
const checkMs = 50;

/** Connections that are not read until there is a place for their next call. */
export interface ConnectionQueue {
  readonly length: number;
  /** Stops reading from a connection and adds it at the end. */
  add(socket: Socket): void;
  /** Reads every connection again, now and in future, because the server closes. */
  end(): void;
}

/**
 * Queues connections while the process is full. The next call on such a connection waits in the kernel, where it costs nothing. A client
 * that calls in a loop is neither admitted before the others nor rejected again and again.
 *
 * A connection waits for a second, because a proxy may carry another client's call on it next. If more than 200 waits a second end
 * without a place, it waits for five seconds at most.
 *
 * @param isFull whether there is no place for a call, if `resumed` calls come before it.
 */
export function createConnectionQueue(isFull: (resumed: number) => boolean): ConnectionQueue {
  /** Since when each connection has been waiting; the longest wait first. */
  const waiting = new Map<Socket, number>();
  let added: Socket[] = [];
  let nextRejection = 0;
  let isScheduled = false;
  let isEnded = false;
  let timer: NodeJS.Timeout | undefined;

  function isOver(since: number, now: number): boolean {
    if (isEnded) return true;
    if (now - since < maxWaitMs || (now < nextRejection && now - since < maxLongWaitMs)) return false;
    nextRejection = Math.max(nextRejection, now - checkMs) + betweenRejectionsMs;
    return true;
  }

  function hold(now: number): void {
    for (const socket of added) {
      if (socket.destroyed || waiting.has(socket)) continue;
      socket.pause();
      waiting.set(socket, now);
    }
    added = [];
  }

  function advance(): void {
    isScheduled = false;
    const now = performance.now();
    hold(now);
    let resumed = 0;
    for (const [socket, since] of waiting) {
      if (isFull(resumed) && !isOver(since, now)) break;
      waiting.delete(socket);
      socket.resume();
      resumed++;
    }
    if (waiting.size === 0) {
      clearInterval(timer);
      timer = undefined;
      return;
    }
    timer ??= setInterval(schedule, checkMs).unref();
    // Not every connection has a call, so there may still be a place after the resumed ones have been read.
    if (resumed > 0) schedule();
  }

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(advance);
  }

  return {
    get length() {
      return waiting.size;
    },
    add(socket) {
      if (isEnded) return;
      // Later: Node reads on to the end of the request once more when its response is sent.
      added.push(socket);
      schedule();
    },
    end() {
      isEnded = true;
      advance();
    },
  };
}
