import type { Database } from "../database/database.ts";
import { createStatusChanges } from "./batch-status.ts";
import { createClaims } from "./claim-chunks.ts";
import { createEvents } from "./events.ts";
import { createWorkFinder } from "./find-work.ts";
import { createGenerations } from "./generations.ts";
import { createIdempotencyKeys } from "./idempotency-keys.ts";
import type { Ledger } from "./ledger.ts";
import { ledgerMigrations } from "./migrations.ts";
import { createAdmit } from "./operation-limits.ts";
import { createPrune } from "./prune.ts";
import { createReader } from "./read-batches.ts";
import { createChunkReader } from "./read-chunks.ts";
import { createStoreSums } from "./store-sums.ts";
import { createWriter } from "./write-batches.ts";

/** Creates the ledger on SQLite or PostgreSQL. Migrates its tables first. */
export async function createSqlLedger(database: Database): Promise<Ledger> {
  await database.migrate("reinstate", ledgerMigrations);
  const { accept, writeChunks, writeOverrides } = createWriter(database);
  const reader = createReader(database);
  const events = createEvents(database);
  const storeSums = createStoreSums(reader);
  return {
    ...reader,
    ...createWorkFinder(database),
    ...createChunkReader(database),
    ...createIdempotencyKeys(database),
    ...events,
    accept,
    ...createClaims(database, { writeOverrides }),
    ...createStatusChanges(database, { recordEvent: events.recordEvent, storeSums }),
    ...createGenerations(database, { writeChunks, recordEvent: events.recordEvent, storeSums }),
    prune: createPrune(database),
    admit: createAdmit(database),
  };
}
