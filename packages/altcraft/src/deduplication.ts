import { createHash } from "node:crypto";
import type { Clock } from "@reinstate/batch-core";
import { Refusal } from "./errors.ts";
import type { AltcraftSettings } from "./options.ts";
import type { RequestStore } from "./store.ts";

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

/** A claim without a reply is somebody's at work for so long; after that its process is taken for dead. */
const abandonedMs = 60_000;
const cleanupMs = 1_800_000;

/** Carries out a request once, and answers its repeats with the first reply. Page: miscellaneous/41484312. */
export function createDeduplication(store: RequestStore, clock: Clock, settings: AltcraftSettings) {
  let cleanedAt = Number.NEGATIVE_INFINITY;
  const windowMs = settings.deduplicationSeconds * 1000;

  return {
    /** The id of a request that changes something; undefined where it carries none. */
    identify(headers: Headers): Pick<Repeatable, "header" | "requestId"> | undefined {
      if (settings.deduplication === "off") return undefined;
      for (const header of ["request-id", "x-request-id"] as const) {
        const requestId = headers.get(header);
        if (requestId === null) continue;
        if (!/^[!-~]{1,255}$/.test(requestId)) {
          throw new Refusal("bad_request", "the header Request-ID must be 1 to 255 printable characters");
        }
        return { header, requestId };
      }
      return undefined;
    },

    /** Throws a `Refusal` where the first one is still at work, or asked for something else. A refused request leaves no trace. */
    async once(request: Repeatable, carryOut: () => Promise<SentReply>): Promise<SentReply> {
      const key = { token_id: request.tokenId, request_id: request.requestId };
      const digest = createHash("sha256").update(request.content).digest("hex");
      const now = clock.now();
      if (now - cleanedAt >= cleanupMs) {
        cleanedAt = now;
        await store.forget(now - windowMs);
      }
      const earlier = await store.claim(key, digest, now, { forgotten: now - windowMs, abandoned: now - abandonedMs });
      if (earlier) {
        if (earlier.digest !== digest) {
          throw new Refusal("bad_request", "this Request-ID was used for another request");
        }
        if (earlier.reply === null) throw new Refusal("in_progress");
        return asRepeat(JSON.parse(earlier.reply) as SentReply, request);
      }
      const reply = await carryOut().catch(async (error: unknown) => {
        await store.release(key);
        throw error;
      });
      // It is done: where its reply cannot be kept, the claim stays, lest the next one do it again at once.
      await store.keep(key, JSON.stringify(reply)).catch(() => {});
      return reply;
    },
  };
}

function asRepeat(reply: SentReply, { header, tokenId, requestId }: Repeatable): SentReply {
  const key = createHash("sha1").update(`${requestId}\n${tokenId}`).digest("base64");
  const prefix = header === "x-request-id" ? "x-" : "";
  return {
    ...reply,
    headers: { ...reply.headers, [`${prefix}duplicate-key`]: key, [`${prefix}duplicate-request`]: "true" },
  };
}
