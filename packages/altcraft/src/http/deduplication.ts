import { createHash } from "node:crypto";
import { createReplies, type Host } from "@reinstate/batch-core";
import type { AltcraftSettings } from "../options.ts";
import { apiError } from "./errors.ts";

/** A reply as it is sent, and as it is stored for repeats. */
export interface SentReply {
  status: number;
  body: string;
  headers: Record<string, string>;
}

/** A request that may be a repeat: its token, its `Request-ID` and its content. */
export interface Repeatable {
  tokenId: string;
  /** Name of the request header. It decides the names of the reply headers that mark a repeat. */
  header: "request-id" | "x-request-id";
  requestId: string;
  /** Content that must be equal in a repeat. */
  content: string;
}

/** Creates the deduplication by `Request-ID`: a request is executed once, and a repeat gets the first reply. Page: miscellaneous/41484312. */
export function createDeduplication(host: Host, settings: AltcraftSettings) {
  const replies = createReplies(host, { windowMs: settings.deduplicationSeconds * 1000 });

  return {
    /** Returns the id of a request; undefined if it has none or deduplication is off. */
    identify(headers: Headers, query: URLSearchParams): Pick<Repeatable, "header" | "requestId"> | undefined {
      if (settings.deduplication === "off") return undefined;
      for (const header of ["request-id", "x-request-id"] as const) {
        const requestId = headers.get(header);
        if (requestId === null) continue;
        if (!/^[!-~]{1,255}$/.test(requestId)) {
          throw apiError("bad_request", "the header Request-ID must be 1 to 255 printable characters");
        }
        // Vendor quirk: the query parameter `request_id` distinguishes requests with equal headers.
        const suffix = query.get("request_id");
        return { header, requestId: suffix === null ? requestId : `${requestId} ${digestText(suffix)}` };
      }
      return undefined;
    },

    /**
     * Executes a request, or returns the first reply to a repeat. A rejected request is not stored.
     *
     * @throws `idempotency_running` or `idempotency_mismatch`
     */
    async once(request: Repeatable, execute: () => Promise<SentReply>): Promise<SentReply> {
      const key = {
        scope: `altcraft ${request.tokenId}`,
        key: request.requestId,
        digest: digestText(request.content),
      };
      const { reply, replayed } = await replies.once(key, execute);
      return replayed ? markAsRepeat(reply, request) : reply;
    },
  };
}

const digestText = (text: string) => createHash("sha256").update(text).digest("hex");

function markAsRepeat(reply: SentReply, { header, tokenId, requestId }: Repeatable): SentReply {
  const key = createHash("sha1").update(`${requestId}\n${tokenId}`).digest("base64");
  const prefix = header === "x-request-id" ? "x-" : "";
  return {
    ...reply,
    headers: { ...reply.headers, [`${prefix}duplicate-key`]: key, [`${prefix}duplicate-request`]: "true" },
  };
}
