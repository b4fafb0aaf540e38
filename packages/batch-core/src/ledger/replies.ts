import { randomUUID } from "node:crypto";
import type { Clock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import { ReinstateError } from "../errors/errors.ts";
import type { IdempotencyKey } from "./idempotency-keys.ts";
import { createReplyStore, type ReplyClaim, type ReplyStore } from "./reply-store.ts";

/** Replies to calls that carry an idempotency key and need not make a batch. */
export interface Replies {
  /**
   * Runs a call once and returns its first reply to every repeat. The reply is stored as JSON. A call that throws leaves no trace, so
   * its repeat runs.
   *
   * @throws ReinstateError `idempotency_mismatch` if the key was used with another digest, `idempotency_running` while the first call
   * is in progress, in any process on the ledger.
   */
  once<Reply>(key: IdempotencyKey, carryOut: () => Promise<Reply>): Promise<{ reply: Reply; replayed: boolean }>;
}

/** A claim without a reply counts as abandoned if it was not renewed for this time. */
const abandonedMs = 60_000;
const heartbeatMs = abandonedMs / 3;
const cleanupMs = 1_800_000;

/**
 * Creates the store of replies of one API. `windowMs` is the retention of a reply. Calls that only create a batch use the
 * `idempotency` of `batches.submit` instead, which commits with the batch.
 *
 * @example
 * const replies = createReplies(host, { windowMs: 86_400_000 });
 * const { reply } = await replies.once({ scope: `zendesk ${key.id}`, key: requestId, digest }, () => restore(ids));
 */
export function createReplies(
  { database, clock }: { database: Database; clock: Clock },
  { windowMs, store = createReplyStore(database) }: { windowMs: number; store?: ReplyStore },
): Replies {
  let cleanedAt = Number.NEGATIVE_INFINITY;

  /** Renews a claim until the work ends. */
  async function underClaim<Result>(claim: ReplyClaim, work: () => Promise<Result>): Promise<Result> {
    const ended = new AbortController();
    async function beat(): Promise<void> {
      for (;;) {
        await clock.sleep(heartbeatMs, ended.signal);
        if (ended.signal.aborted) return;
        // If one renewal fails, two more follow before the claim counts as abandoned.
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

  return {
    async once<Reply>({ scope, key, digest }: IdempotencyKey, carryOut: () => Promise<Reply>) {
      const claim = { scope, key, claim: randomUUID() };
      const now = clock.now();
      if (now - cleanedAt >= cleanupMs) {
        cleanedAt = now;
        await store.forget(now - windowMs);
      }
      const limits = { forgotten: now - windowMs, abandoned: now - abandonedMs };
      const earlier = await store.claim(claim, digest, now, limits);
      if (earlier) return { reply: readReply<Reply>(earlier, digest), replayed: true };
      const reply = await underClaim(claim, carryOut).catch(async (error: unknown) => {
        await store.release(claim);
        throw error;
      });
      // The call has run. If its reply cannot be stored, the claim stays, so a repeat does not run at once.
      await store.keep(claim, JSON.stringify(reply)).catch(() => {});
      return { reply, replayed: false };
    },
  };
}

function readReply<Reply>(earlier: { digest: string; reply: string | null }, digest: string): Reply {
  if (earlier.digest !== digest) {
    throw new ReinstateError("idempotency_mismatch", "This idempotency key was used with another request");
  }
  if (earlier.reply === null) {
    throw new ReinstateError("idempotency_running", "The first request with this idempotency key is in progress");
  }
  return JSON.parse(earlier.reply) as Reply;
}
