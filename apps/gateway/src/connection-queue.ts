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
  /** Stops reading from a connection and adds it at the end. `holder`: the caller of its last call, empty if not known. */
  add(socket: Socket, holder?: string): void;
  /** Reads every connection again, now and in future, because the server closes. */
  end(): void;
}

/** Counts of the connections that have been read again just now: of all callers, and of one. */
export interface Resumed {
  all: number;
  ofHolder: number;
}

/**
 * Queues connections while the process is full, or while one caller has too many calls in progress. The next call on such a connection
 * waits in the kernel, where it costs nothing. A client that calls in a loop is neither admitted before the others nor rejected again and
 * again. Callers get places in turn, and the connections of each caller in the order in which they came.
 *
 * A connection waits for a second, because a proxy may carry another client's call on it next. If more than 200 waits a second end
 * without a place, it waits for five seconds at most.
 *
 * @param isFull whether there is no place for a call of this caller after the calls of `resumed`.
 */
export function createConnectionQueue(isFull: (holder: string, resumed: Resumed) => boolean): ConnectionQueue {
  /** Since when the connections of each caller have been waiting, the longest wait first. */
  const lanes = new Map<string, Map<Socket, number>>();
  const waiting = new Set<Socket>();
  let added: { socket: Socket; holder: string }[] = [];
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
    for (const { socket, holder } of added) {
      if (socket.destroyed || waiting.has(socket)) continue;
      socket.pause();
      waiting.add(socket);
      const lane = lanes.get(holder);
      if (lane) lane.set(socket, now);
      else lanes.set(holder, new Map([[socket, now]]));
    }
    added = [];
  }

  /** Reads connections as far as there are places. Returns how many. */
  function resume(now: number): number {
    const ofHolders = new Map<string, number>();
    let all = 0;
    for (const [holder, lane] of lanes) {
      const ofHolder = ofHolders.get(holder) ?? 0;
      const [first] = lane;
      if (!first || (isFull(holder, { all, ofHolder }) && !isOver(first[1], now))) continue;
      const [socket] = first;
      waiting.delete(socket);
      lane.delete(socket);
      socket.resume();
      all++;
      ofHolders.set(holder, ofHolder + 1);
      // At the end, where this loop comes to it once more after the other callers.
      lanes.delete(holder);
      if (lane.size > 0) lanes.set(holder, lane);
    }
    return all;
  }

  function advance(): void {
    isScheduled = false;
    const now = performance.now();
    hold(now);
    const resumed = resume(now);
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
    add(socket, holder = "") {
      if (isEnded) return;
      // Later: Node reads on to the end of the request once more when its response is sent.
      added.push({ socket, holder });
      schedule();
    },
    end() {
      isEnded = true;
      advance();
    },
  };
}
