import { sql } from "kysely";
import type { Database } from "../database/database.ts";
import type { WaitReason } from "../errors/wait-reason.ts";
import type { LedgerTables } from "./tables.ts";

/** The state of the ledger, over all processes. */
export interface LedgerMeasure {
  /** Batches that are pending or in progress. */
  openBatches: number;
  /** Chunks that are not finished, stopped batches included. */
  openChunks: number;
  /** Open batches that wait, by reason. */
  waiting: Partial<Record<WaitReason, number>>;
  /** The longest time in milliseconds for which an open batch still waits for a rate limit. */
  rateWaitMs: number;
  /** Items of ended batches whose effect is unknown. */
  unknownItems: number;
  /** Milliseconds since the least recently renewed lease expired; negative while no lease has. Undefined without leases. */
  overdueMs: number | undefined;
}

/** Measures the ledger by a few statements that each read an index of open rows. `now`: milliseconds since 1970 UTC. */
export async function measureLedger(database: Database, now: number): Promise<LedgerMeasure> {
  const db = database.tables<LedgerTables>();
  const [open, chunks, lease, unknown] = await Promise.all([
    db
      .selectFrom("reinstate_batches")
      .select(["waiting_for", "next_allowed_at"])
      // As in the partial index.
      .where(sql<boolean>`status in ('pending', 'in_progress')`)
      .execute(),
    db
      .selectFrom("reinstate_chunks")
      .select(({ fn }) => fn.countAll<number>().as("count"))
      .where(sql<boolean>`state <> 'finished'`)
      .executeTakeFirstOrThrow(),
    db
      .selectFrom("reinstate_chunks")
      .select(({ fn }) => fn.min("lease_until").as("until"))
      .where(sql<boolean>`state <> 'finished' and state = 'claimed'`)
      .executeTakeFirstOrThrow(),
    db
      .selectFrom("reinstate_batches")
      .select(({ fn }) => fn.sum<number | null>("unknown").as("items"))
      .where("unknown", ">", 0)
      .executeTakeFirstOrThrow(),
  ]);
  const measure: LedgerMeasure = {
    openBatches: open.length,
    openChunks: Number(chunks.count),
    waiting: {},
    rateWaitMs: 0,
    unknownItems: Number(unknown.items ?? 0),
    overdueMs: lease.until === null ? undefined : now - Number(lease.until),
  };
  for (const { waiting_for: reason, next_allowed_at: at } of open) {
    if (reason === null || at === null || Number(at) <= now) continue;
    measure.waiting[reason] = (measure.waiting[reason] ?? 0) + 1;
    if (reason === "rate_limit") measure.rateWaitMs = Math.max(measure.rateWaitMs, Number(at) - now);
  }
  return measure;
}
