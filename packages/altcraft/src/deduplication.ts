import { createHash, randomUUID } from "node:crypto";
import type { Clock } from "@reinstate/batch-core";
import { apiError } from "./errors.ts";
import type { AltcraftSettings } from "./options.ts";
import type { RequestClaim, RequestStore } from "./store.ts";

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

/** A claim without a reply is somebody's at work who has given a sign of life within so long; otherwise he is taken for dead. */
const abandonedMs = 60_000;
const signOfLifeMs = abandonedMs / 3;
const cleanupMs = 1_800_000;

/** Carries out a request once, and answers its repeats with the first reply. Page: miscellaneous/41484312. */
export function createDeduplication(store: RequestStore, clock: Clock, settings: AltcraftSettings) {
  let cleanedAt = Number.NEGATIVE_INFINITY;
  const windowMs = settings.deduplicationSeconds * 1000;

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
        return { header, requestId: apart === null ? requestId : `${requestId} ${digestOf(apart)}` };
      }
      return undefined;
    },

    /** Throws an `ApiError` where the first one is still at work, or asked for something else. A refused request leaves no trace. */
    async once(request: Repeatable, carryOut: () => Promise<SentReply>): Promise<SentReply> {
      const claim = { token_id: request.tokenId, request_id: request.requestId, claim: randomUUID() };
      const digest = digestOf(request.content);
      const now = clock.now();
      if (now - cleanedAt >= cleanupMs) {
        cleanedAt = now;
        await store.forget(now - windowMs);
      }
      const earlier = await store.claim(claim, digest, now, {
        forgotten: now - windowMs,
        abandoned: now - abandonedMs,
      });
      if (earlier) {
        if (earlier.digest !== digest) {
          throw apiError("bad_request", "this Request-ID was used for another request");
        }
        if (earlier.reply === null) throw apiError("in_progress");
        return asRepeat(JSON.parse(earlier.reply) as SentReply, request);
      }
      const reply = await alive(claim, carryOut).catch(async (error: unknown) => {
        await store.release(claim);
        throw error;
      });
      // It is done: where its reply cannot be kept, the claim stays, lest the next one do it again at once.
      await store.keep(claim, JSON.stringify(reply)).catch(() => {});
      return reply;
    },
  };

  /** Keeps a claim from being taken for abandoned for as long as the work takes. */
  async function alive<Result>(claim: RequestClaim, work: () => Promise<Result>): Promise<Result> {
    const ended = new AbortController();
    async function beat(): Promise<void> {
      for (;;) {
        await clock.sleep(signOfLifeMs, ended.signal);
        if (ended.signal.aborted) return;
        // One that is lost on the way is followed by others before it is missed.
        await store.renew(claim, clock.now()).catch(() => {});
      }
    }
    void beat();
    try {
      return await work();
    } finally {
      ended.abort();
    }
  }
}

const digestOf = (text: string) => createHash("sha256").update(text).digest("hex");

function asRepeat(reply: SentReply, { header, tokenId, requestId }: Repeatable): SentReply {
  const key = createHash("sha1").update(`${requestId}\n${tokenId}`).digest("base64");
  const prefix = header === "x-request-id" ? "x-" : "";
  return {
    ...reply,
    headers: { ...reply.headers, [`${prefix}duplicate-key`]: key, [`${prefix}duplicate-request`]: "true" },
  };
}
