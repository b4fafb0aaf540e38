import type { Clock } from "../clock.ts";
import { toMessage } from "../errors/errors.ts";
import type { Ledger } from "../ledger/ledger.ts";
import type { Log } from "../log.ts";

/** A claim in the ledger: its name there, and until when it is ours at least. */
export interface Lease {
  name: string;
  until: number;
}

/**
 * Keeps a claim alive for as long as `work` takes. The signal is aborted when the claim was lost, or may have run out
 * because the ledger could not be reached: from then on somebody else may hold the chunk, so nothing more may be sent.
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
    const asked = clock.now() + leaseMs;
    try {
      if (await ledger.renew(lease.name, asked)) until = Math.max(until, asked);
      else lost.abort();
    } catch (error) {
      log.warn({ error: toMessage(error) }, "a lease could not be renewed");
    }
  }

  async function beat(): Promise<void> {
    for (;;) {
      const left = until - clock.now();
      if (left <= 0) return lost.abort();
      await clock.sleep(Math.min(leaseMs / 3, left), ended.signal);
      if (ended.signal.aborted) return;
      // Not waited for: a ledger that does not answer must not hide that the lease runs out.
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
