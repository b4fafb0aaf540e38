import type { IncomingMessage, ServerResponse } from "node:http";
import type { Admission } from "@reinstate/batch-core";
import { toRequestId } from "@reinstate/batch-core/http";
import { createReadPause } from "./read-pause.ts";

/** An answer that an API has given to a call for which there was no place. */
interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export interface TurnAway {
  /**
   * Answers a call if the process is full and the answer of its API is known; returns false otherwise. `waiting`: calls that have
   * not been started yet.
   */
  answer(incoming: IncomingMessage, outgoing: ServerResponse, waiting: number): boolean;
  /** Keeps the answer of an API to a call that was turned away. */
  learn(incoming: IncomingMessage, request: Request, response: Response): Promise<void>;
}

/** A body of this size need not be read before its connection is used again. */
const shortBody = 64 * 1024;
const maxReplies = 1000;

/**
 * Turns calls away at a fraction of the cost of a call, because at ten times the capacity nine of ten calls are turned away. The
 * answers are those that the APIs themselves gave to earlier calls of the same kind.
 */
export function createTurnAway(admission: Admission): TurnAway {
  const replies = new Map<string, Reply>();
  const pauseReading = createReadPause(admission.isFull);
  return {
    answer(incoming, outgoing, waiting) {
      if (!admission.isFull(waiting)) return false;
      const kind = classifyRequest(incoming);
      const reply = kind === undefined ? undefined : replies.get(kind);
      if (!reply) return false;
      admission.countShed();
      const { status, headers, body } = reply;
      outgoing.writeHead(status, { ...headers, "x-request-id": toRequestId(incoming.headers["x-request-id"]) });
      outgoing.end(body);
      // Later: Node reads on to the end of the request once more when its answer is sent.
      outgoing.once("close", () => setImmediate(pauseReading, incoming.socket));
      return true;
    },

    async learn(incoming, request, response) {
      if (!admission.wasTurnedAway(request)) return;
      const kind = classifyRequest(incoming);
      if (kind === undefined || replies.has(kind)) return;
      if (replies.size >= maxReplies) replies.clear();
      const { "x-request-id": _, connection: _connection, ...headers } = Object.fromEntries(response.headers);
      const body = await response.clone().text();
      headers["content-length"] = String(Buffer.byteLength(body));
      replies.set(kind, { status: response.status, headers, body });
    },
  };
}

/** Calls of one kind get the same answer when they are turned away. Undefined for a query, which may name the form of the answer. */
function classifyRequest({ method, url = "", headers }: IncomingMessage): string | undefined {
  if (url.includes("?") || headers["transfer-encoding"] || Number(headers["content-length"] ?? 0) > shortBody) {
    return undefined;
  }
  return `${method} ${url.replace(/\d+/g, "0")} ${headers["content-type"] ?? ""}`;
}
