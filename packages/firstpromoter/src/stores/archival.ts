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

/** Ids above which SQLite counts before it changes. */
const manyIds = 50;

/**
 * Archives and restores sets of promoters, with one statement for each set. PostgreSQL locks the rows in the order of an index
 * or of the table; if two sets lock each other out, one is rolled back and its chunk runs again.
 *
 * Performance: SQLite takes half as long again for a statement that returns the ids. So it counts first how many of a large set
 * will change, which costs a tenth. If all will, as in most batches, none need be returned. A transaction of SQLite has the
 * database for itself, so the count holds.
 */
export function createArchival(database: Database): Pick<PromoterStore, "archive" | "restore" | "undoArchive"> {
  const db = database.tables<Tables>();
  const archiving = createStatements(database, () => isLive(database));
  const restoring = createStatements(database, () => sql`not (${isLive(database)})`);
  const undoing = createStatements(database, ({ undone }: { undone: number }) => sql`archived_batch = ${undone}`);

  const known = statement(({ account, ids }: { account: string; ids: readonly number[] }) =>
    db
      .selectFrom("firstpromoter_promoters")
      .select("id")
      .where(inAccount(database, account))
      .where(database.anyOf("id", ids)),
  );

  /** Returns the ids that changed. */
  async function change<Wanted>(
    statements: Statements<Wanted>,
    given: Change & Wanted,
    ids: readonly number[],
    on: Kysely<Tables>,
  ): Promise<readonly number[]> {
    const [id] = ids;
    if (id !== undefined && ids.length === 1) {
      const { numAffectedRows } = await statements.one(on, { ...given, id });
      return numAffectedRows === 1n ? ids : [];
    }
    const set = { ...given, ids };
    if (database.dialect === "sqlite" && ids.length > manyIds) {
      const { rows } = await statements.count(on, set);
      if (rows[0]?.count === ids.length) {
        await statements.all(on, set);
        return ids;
      }
    }
    return (await statements.returning(on, set)).rows.map((row) => row.id);
  }

  async function apply<Wanted>(
    statements: Statements<Wanted>,
    given: Change & Wanted,
    ids: readonly number[],
    transaction: LedgerTransaction,
  ): Promise<Changed> {
    const on = transaction as unknown as Kysely<Tables>;
    const changed = [...(await change(statements, given, ids, on))];
    if (changed.length === ids.length) return { changed, unchanged: [] };
    const done = new Set(changed);
    const rest = ids.filter((id) => !done.has(id));
    return { changed, unchanged: (await known(on, { account: given.account, ids: rest })).rows.map(({ id }) => id) };
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

type Statements<Wanted> = ReturnType<typeof createStatements<Wanted>>;

/** The statements on those promoters who are not yet as wanted. */
function createStatements<Wanted>(database: Database, applies: (given: Wanted) => RawBuilder<boolean>) {
  type Given = Change & Wanted;
  type GivenSet = Given & { ids: readonly number[] };
  const db = database.tables<Tables>();
  const change = (given: Given) =>
    db
      .updateTable("firstpromoter_promoters")
      .set({ archived_at: given.at, archived_batch: given.batch, updated_at: given.now })
      .where(inAccount(database, given.account))
      .where(applies(given));
  const all = (given: GivenSet) => change(given).where(database.anyOf("id", given.ids));
  return {
    one: statement((given: Given & { id: number }) => change(given).where("id", "=", given.id)),
    all: statement(all),
    returning: statement((given: GivenSet) => all(given).returning("id"), { byKey: true }),
    count: statement((given: GivenSet) =>
      db
        .selectFrom("firstpromoter_promoters")
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .where(inAccount(database, given.account))
        .where(applies(given))
        .where(database.anyOf("id", given.ids)),
    ),
  };
}
