import {
  createFlagStore,
  type Database,
  inAccount,
  type LedgerTransaction,
  type Log,
  silentLog,
  statement,
} from "@reinstate/batch-core";
import { createMemberships } from "./memberships.ts";
import { createParents } from "./parents.ts";
import { createReads } from "./reads.ts";
import type { PromoterSearch } from "./search.ts";
import { createPostgresSearch, createTrigramIndexes } from "./search-postgres.ts";
import { createSqliteSearch } from "./search-sqlite.ts";
import type { PromoterStore } from "./store.ts";
import { migrations, type Tables } from "./tables.ts";
import { createWrites } from "./writes.ts";

/** Creates the store of promoters in the ledger's own SQLite or PostgreSQL database. Migrates its tables first. */
export async function createSqlStore(database: Database, log: Log = silentLog): Promise<PromoterStore> {
  await database.migrate("firstpromoter", migrations);
  const search = await openSearch(database, log);
  const db = database.tables<Tables>();
  const selectAndLock = statement(({ account, ids }: { account: string; ids: readonly number[] }) =>
    db
      .selectFrom("firstpromoter_promoters")
      .select(["id", "archived_at", "parent_promoter_id"])
      .where(inAccount(database, account))
      .where(database.anyOf("id", ids))
      .orderBy("id")
      .$if(database.dialect === "postgres", (query) => query.forNoKeyUpdate()),
  );

  /** Reads the existing promoters of a set. PostgreSQL locks them in id order, so two sets never deadlock. */
  const lockPromoters = async (account: string, ids: readonly number[], transaction: LedgerTransaction) =>
    (await selectAndLock(transaction, { account, ids })).rows;

  const archival = createFlagStore<number>(database, {
    table: "firstpromoter_promoters",
    flag: "archived_at",
    batch: "archived_batch",
    touched: "updated_at",
  });

  return {
    archive: archival.set,
    restore: archival.clear,
    undoArchive: archival.undo,
    ...createMemberships(database, lockPromoters),
    ...createParents(database),
    ...createReads(database, search),
    ...createWrites(database),
  };
}

async function openSearch(database: Database, log: Log): Promise<PromoterSearch> {
  if (database.dialect === "sqlite") return createSqliteSearch(database);
  if (!(await createTrigramIndexes(database))) {
    log.warn({}, "firstpromoter: extension pg_trgm missing, q scans all promoters of the account");
  }
  return createPostgresSearch(database);
}
