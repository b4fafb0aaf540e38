import { sql } from "kysely";
import type { Database } from "../database/database.ts";
import type { Bucket } from "../operation/limits.ts";
import type { Target } from "../operation/operation.ts";
import { unfinished } from "./chunk-queries.ts";
import type { LedgerTables } from "./tables.ts";

/** The use of the limits of operations, by all processes. */
export interface Usage {
  /** The token buckets by name. A bucket that is absent is full. */
  buckets: ReadonlyMap<string, Bucket>;
  /** The chunks that are claimed now. */
  claims: readonly { operation: string; target: Target; account: string; chunks: number }[];
}

/** Reads what all processes use of the limits, by two statements. `now`: milliseconds since 1970 UTC. */
export async function readUsage(database: Database, now: number): Promise<Usage> {
  const db = database.tables<LedgerTables>();
  const [buckets, claims] = await Promise.all([
    db.selectFrom("reinstate_pace").selectAll().where("filled_at", ">=", 0).execute(),
    db
      .selectFrom("reinstate_chunks as c")
      .innerJoin("reinstate_batches as b", "b.id", "c.batch_id")
      .select(["b.operation", "b.target", "b.account"])
      .select(({ fn }) => fn.countAll<number>().as("chunks"))
      .where(unfinished("c"))
      .where(sql<boolean>`c.state = 'claimed'`)
      .where("c.lease_until", ">=", now)
      .groupBy(["b.operation", "b.target", "b.account"])
      .execute(),
  ]);
  return {
    buckets: new Map(buckets.map(({ name, tokens, filled_at }) => [name, { tokens, filledAt: filled_at }])),
    claims: claims.map((claim) => ({ ...claim, chunks: Number(claim.chunks) })),
  };
}
