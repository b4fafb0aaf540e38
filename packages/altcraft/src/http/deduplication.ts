import { createHash } from "node:crypto";
import { createReplies, type Host } from "@reinstate/batch-core";
import type { AltcraftSettings } from "../options.ts";
import { apiError } from "./errors.ts";

/** A reply as it goes out, and as it is kept for a repeat. */
export interface SentReply {
  status: number;
  body: string;
  headers: Record<string, string>;
}

/** A request that may be a repeat: who sent it, under which `Request-ID`, and what it asks. */
export interface Repeatable {
  tokenId: string;
  /** The header's name, and so the names of the headers that tell of a repeat. */
  header: "request-id" | "x-request-id";
  requestId: string;
  /** Tells two requests under one id apart. */
  content: string;
}

/** Carries out a request once, and answers its repeats with the first reply. Page: miscellaneous/41484312. */
export function createDeduplication(host: Host, settings: AltcraftSettings) {
  const replies = createReplies(host, { windowMs: settings.deduplicationSeconds * 1000 });

  return {
    /** The id of a request that changes something; undefined where it carries none. */
    identify(headers: Headers, query: URLSearchParams): Pick<Repeatable, "header" | "requestId"> | undefined {
      if (settings.deduplication === "off") return undefined;
      for (const header of ["request-id", "x-request-id"] as const) {
        const requestId = headers.get(header);
        if (requestId === null) continue;
        if (!/^[!-~]{1,255}$/.test(requestId)) {
          throw apiError("bad_request", "the header Request-ID must be 1 to 255 printable characters");
        }
        // The vendor's way to tell two requests of one id apart.
        const apart = query.get("request_id");
        return { header, requestId: apart === null ? requestId : `${requestId} ${digestText(apart)}` };
      }
      return undefined;
    },

    /** Throws `idempotency_running` or `idempotency_mismatch`. A rejected request leaves no trace. */
    async once(request: Repeatable, carryOut: () => Promise<SentReply>): Promise<SentReply> {
      const key = {
        scope: `altcraft ${request.tokenId}`,
        key: request.requestId,
        digest: digestText(request.content),
      };
      const { reply, replayed } = await replies.once(key, carryOut);
      return replayed ? asRepeat(reply, request) : reply;
    },
  };
}

const digestText = (text: string) => createHash("sha256").update(text).digest("hex");

function asRepeat(reply: SentReply, { header, tokenId, requestId }: Repeatable): SentReply {
  const key = createHash("sha1").update(`${requestId}\n${tokenId}`).digest("base64");
  const prefix = header === "x-request-id" ? "x-" : "";
  return {
    ...reply,
    headers: { ...reply.headers, [`${prefix}duplicate-key`]: key, [`${prefix}duplicate-request`]: "true" },
  };
}
