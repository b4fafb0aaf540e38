import type { IncomingMessage, ServerResponse } from "node:http";
import type { Admission } from "@reinstate/batch-core";
import { toRequestId } from "@reinstate/batch-core/http";
import type { CallQueue } from "./call-queue.ts";
import { createConnectionQueue } from "./connection-queue.ts";

/** An answer that an API has given to a call for which there was no place. */
interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export interface TurnAway {
  /** Answers a call if the process is full and the answer of its API is known; returns false otherwise. */
  answer(incoming: IncomingMessage, outgoing: ServerResponse): boolean;
  /** Queues the connection of a call after its response, if others wait or its caller has too many calls in progress. */
  follow(request: Request, incoming: IncomingMessage, outgoing: ServerResponse): void;
  /** Keeps the answer of an API to a call that was turned away. */
  learn(incoming: IncomingMessage, request: Request, response: Response): Promise<void>;
  /** Lets no connection wait any longer, because the server closes. */
  end(): void;
}

/** A body of this size need not be read before its connection is used again. */
const shortBody = 64 * 1024;
const maxReplies = 1000;

/**
 * Turns calls away at a fraction of the cost of a call, because at ten times the capacity nine of ten calls are turned away. The
 * answers are those that the APIs themselves gave to earlier calls of the same kind.
 */
export function createTurnAway(admission: Admission, calls: CallQueue): TurnAway {
  const replies = new Map<string, Reply>();
  const isHolderFull = (holder: string, more: number) => holder !== "" && admission.isHolderFull(holder, more);
  const connections = createConnectionQueue(
    (holder, { all, ofHolder }) =>
      admission.isFull(calls.length + all) || isHolderFull(holder, calls.length + ofHolder),
  );
  return {
    answer(incoming, outgoing) {
      if (!admission.isFull(calls.length)) return false;
      const kind = classifyRequest(incoming);
      const reply = kind === undefined ? undefined : replies.get(kind);
      if (!reply) return false;
      admission.countShed();
      const { status, headers, body } = reply;
      outgoing.writeHead(status, { ...headers, "x-request-id": toRequestId(incoming.headers["x-request-id"]) });
      outgoing.end(body);
      outgoing.once("close", () => connections.add(incoming.socket));
      return true;
    },

    follow(request, incoming, outgoing) {
      const holder = admission.findHolder(request) ?? "";
      outgoing.once("close", () => {
        if (connections.length === 0 && !admission.isFull(calls.length) && !isHolderFull(holder, 0)) return;
        connections.add(incoming.socket, holder);
      });
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

    end: connections.end,
  };
}

/** Calls of one kind get the same answer when they are turned away. Undefined for a query, which may name the form of the answer. */
function classifyRequest({ method, url = "", headers }: IncomingMessage): string | undefined {
  if (url.includes("?") || headers["transfer-encoding"] || Number(headers["content-length"] ?? 0) > shortBody) {
    return undefined;
  }
  return `${method} ${url.replace(/\d+/g, "0")} ${headers["content-type"] ?? ""}`;
}
