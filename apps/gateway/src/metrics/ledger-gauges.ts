import { Gauge, type Registry } from "@prometheus-io/client";
import { type Host, toMessage } from "@reinstate/batch-core";

/** The longest wait of a scrape for the database. */
const limitMs = 1000;
/** Scrapes within this time share one measurement. */
const ttlMs = 5000;

/**
 * Creates the metrics that are read from the ledger. The returned function measures anew; if the database does not answer within a
 * second, the metrics of the ledger are left out.
 */
export function createLedgerGauges(host: Host, registers: Registry[]): () => Promise<void> {
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name, help, labelNames, registers });
  const up = gauge("reinstate_ledger_up", "1 if the ledger's database answered within a second, else 0");
  const openBatches = gauge("reinstate_open_batches", "Batches that are pending or in progress, over all processes");
  const depth = gauge("reinstate_queue_depth", "Chunks that are not finished, over all processes");
  const waiting = gauge("reinstate_waiting_batches", "Open batches that wait, by reason", ["reason"]);
  const rateWait = gauge("reinstate_rate_wait_seconds", "Longest time that a batch still waits for a rate limit");
  const unknown = gauge("reinstate_unknown_items", "Items of ended batches whose effect is unknown");
  const lease = gauge("reinstate_lease_age_seconds", "Seconds for which the oldest expired lease was not taken over");
  const inUse = gauge("reinstate_db_pool_in_use", "Connections to the ledger's database in use by this process");
  const queued = gauge("reinstate_db_pool_waiting", "Statements of this process that wait for a connection");
  const fromLedger = [openBatches, depth, rateWait, unknown, lease];

  async function measure(): Promise<void> {
    const timer = new AbortController();
    try {
      const silence = host.clock.sleep(limitMs, timer.signal).then(() => {
        throw new Error(`No answer within ${limitMs} ms`);
      });
      const found = await Promise.race([host.measure(), silence]);
      waiting.reset();
      up.set(1);
      openBatches.set(found.openBatches);
      depth.set(found.openChunks);
      for (const [reason, count] of Object.entries(found.waiting)) waiting.set({ reason }, count);
      rateWait.set(found.rateWaitMs / 1000);
      unknown.set(found.unknownItems);
      lease.set(Math.max(0, found.overdueMs ?? 0) / 1000);
    } catch (error) {
      host.log.warn({ error: toMessage(error) }, "failed to measure ledger");
      up.set(0);
      waiting.reset();
      for (const one of fromLedger) one.remove();
    } finally {
      timer.abort();
    }
  }

  let measuring: Promise<void> | undefined;
  let measuredAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const pool = host.database.countConnections?.();
    inUse.set(pool?.inUse ?? 0);
    queued.set(pool?.waiting ?? 0);
    if (!measuring && performance.now() - measuredAt > ttlMs) {
      measuring = measure().finally(() => {
        measuring = undefined;
        measuredAt = performance.now();
      });
    }
    await measuring;
  };
}
