import { type Database, type LedgerTransaction, statement } from "@reinstate/batch-core";
import { type Kysely, type RawBuilder, sql } from "kysely";
import type { Changed, PromoterStore } from "../store.ts";
import { inAccount, isLive } from "./by-id.ts";
import type { Tables } from "./tables.ts";

/** What is written to promoters: when they were archived and by which batch, or null for both. */
interface Change {
  account: string;
  at: number | null;
  batch: number | null;
  now: number;
}

/**
 * Archives and restores sets of promoters, with one statement for each set. PostgreSQL locks the rows in the order of an index
 * or of the table; if two sets lock each other out, one is rolled back and its chunk runs again.
 */
export function createArchival(database: Database): Pick<PromoterStore, "archive" | "restore" | "undoArchive"> {
  const db = database.tables<Tables>();

  /** The statements that write to those promoters who are not yet as wanted. */
  const changing = <Wanted extends object>(applies: (given: Wanted) => RawBuilder<boolean>) => {
    const change = (given: Change & Wanted) =>
      db
        .updateTable("firstpromoter_promoters")
        .set({ archived_at: given.at, archived_batch: given.batch, updated_at: given.now })
        .where(inAccount(database, given.account))
        .where(applies(given));
    return {
      set: statement(
        (given: Change & Wanted & { ids: readonly number[] }) =>
          change(given).where(database.anyOf("id", given.ids)).returning("id"),
        { byKey: true },
      ),
      // Most sets are of one promoter.
      one: statement((given: Change & Wanted & { id: number }) => change(given).where("id", "=", given.id)),
    };
  };
  const live = isLive(database);
  const archiving = changing(() => live);
  const restoring = changing(() => sql`not (${live})`);
  const undoing = changing(({ undone }: { undone: number }) => sql`archived_batch = ${undone}`);

  const known = statement(({ account, ids }: { account: string; ids: readonly number[] }) =>
    db
      .selectFrom("firstpromoter_promoters")
      .select("id")
      .where(inAccount(database, account))
      .where(database.anyOf("id", ids)),
  );

  async function apply<Wanted extends object>(
    statements: ReturnType<typeof changing<Wanted>>,
    change: Change & Wanted,
    ids: readonly number[],
    transaction: LedgerTransaction,
  ): Promise<Changed> {
    const on = transaction as unknown as Kysely<Tables>;
    const [id] = ids;
    let changed: number[];
    if (id !== undefined && ids.length === 1) {
      const { numAffectedRows } = await statements.one(on, { ...change, id });
      changed = numAffectedRows === 1n ? [id] : [];
    } else {
      changed = (await statements.set(on, { ...change, ids })).rows.map((row) => row.id);
    }
    if (changed.length === ids.length) return { changed, unchanged: [] };
    const done = new Set(changed);
    const rest = ids.filter((id) => !done.has(id));
    return { changed, unchanged: (await known(on, { account: change.account, ids: rest })).rows.map(({ id }) => id) };
  }

  return {
    archive: (account, ids, now, transaction, batchId) =>
      apply(archiving, { account, at: now, batch: batchId ?? null, now }, ids, transaction),
    restore: (account, ids, now, transaction) =>
      apply(restoring, { account, at: null, batch: null, now }, ids, transaction),
    undoArchive: (account, ids, batchId, now, transaction) =>
      apply(undoing, { account, at: null, batch: null, now, undone: batchId }, ids, transaction),
  };
}
