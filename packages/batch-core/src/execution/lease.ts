/*
 * The lease protocol. It applies to chunks with effects elsewhere. Chunks with effects in the ledger's database need no lease: their
 * row is locked by the transaction that applies and finishes them (`runInTransaction`).
 *
 *                 claim                       finishChunk
 *     waiting ------------------> claimed --------------------> finished
 *        ^                        |  |  ^
 *        |   release, no effect   |  |  |  claim: delivered as interrupted
 *        +------------------------+  |  |
 *                                    |  |
 *              release, effect       v  |
 *              unknown             interrupted
 *
 *     claimed, lease expired: the next claim takes the chunk over and delivers it as interrupted
 *
 * Claim. `ledger.claim` selects the next chunk in one transaction and stores the lease: its name and the time at which it expires.
 * The same transaction checks the limits of the operation. A claim has a name that is never used again, so an old owner cannot be
 * mistaken for the new one, not even within one process. Chunks of a small batch are claimed in the transaction that accepts it.
 *
 * Renew. `underLease` extends the lease every third of `leaseMs` while the work runs. One renewal may fail; after two in a row the
 * lease expires.
 *
 * Lose. A lease is lost in two cases: the ledger reports that the name owns no chunk, or the worker's own clock passes the time up to
 * which the lease was last extended. Then the `lost` signal aborts. From then on another worker may own the chunk, so nothing more is
 * sent. A result that arrives later is not stored: `finishChunk` and `release` write only if the chunk is still claimed under the name.
 * A claim that took longer to return than its lease lasts is released without sending anything (`runUnderLease`).
 *
 * Finish. `ledger.finishChunk` stores the outcomes. If the ledger is unavailable, the write is retried while the lease is held, so a
 * known outcome is not lost (`retryWhileLeased`).
 *
 * Release. If the operation throws, `decideRetry` decides. A chunk that is retried is released with the time of its next attempt:
 * - as `waiting` if the attempt certainly had no effect,
 * - as `interrupted` if it may have had its effect.
 * A wait that is not the chunk's fault (rate limit, office hours, full storage) does not count as an attempt.
 *
 * Interrupt. A chunk is interrupted if its last owner may have sent something and has stored no result: it was released as
 * `interrupted`, or its lease expired, because the process died, hung or lost the ledger. The next claim delivers the chunk with
 * `interrupted: true`.
 *
 * Reconcile. `applyChunk` never sends an interrupted chunk again blindly:
 * - If the operation is repeatable, `apply` runs again.
 * - Otherwise `reconcile` reads the outcomes back, usually with the journal of `ledger/intents.ts`.
 * - Without `reconcile`, its items end as `unknown` with the code `interrupted`.
 *
 * State after a crash, by the last step before it, of an operation that is not repeatable:
 *
 * | after | left in the ledger | recovered by |
 * | --- | --- | --- |
 * | the claim | claimed chunk | the claim after the lease has expired, which reconciles |
 * | the journal entry, before the call | the same, with the items in the journal | the same; the read-back finds no effect |
 * | the call, before `finishChunk` | the same | the same; the read-back finds the effect |
 * | `finishChunk` | finished chunk | nothing to recover |
 * | the last `finishChunk`, before `closeBatch` | open batch without unfinished chunks | the next worker, which closes it |
 */
import type { Clock } from "../clock.ts";
import { toMessage } from "../errors/errors.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Log } from "../log.ts";

/** A lease in the ledger: its name, and the time until which it is held at least. */
export interface Lease {
  name: string;
  until: number;
}

/**
 * Renews a lease until `work` ends. The signal aborts if the lease is lost, or may have expired because the ledger is unreachable.
 * From then on another worker may own the chunk, so nothing more may be sent.
 */
export async function underLease<Result>(
  { ledger, clock, log, leaseMs }: { ledger: Pick<Ledger, "renew">; clock: Clock; log: Log; leaseMs: number },
  lease: Lease,
  work: (lost: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const ended = new AbortController();
  const lost = new AbortController();
  let { until } = lease;

  async function renew(): Promise<void> {
    const renewedUntil = clock.now() + leaseMs;
    try {
      if (await ledger.renew(lease.name, renewedUntil)) until = Math.max(until, renewedUntil);
      else lost.abort();
    } catch (error) {
      log.warn({ error: toMessage(error) }, "failed to renew lease");
    }
  }

  async function beat(): Promise<void> {
    for (;;) {
      const left = until - clock.now();
      if (left <= 0) return lost.abort();
      await clock.sleep(Math.min(leaseMs / 3, left), ended.signal);
      if (ended.signal.aborted) return;
      // Not awaited: if the ledger hangs, the loop must still notice that the lease expires.
      void renew();
    }
  }

  void beat();
  try {
    return await work(lost.signal);
  } finally {
    ended.abort();
  }
}
