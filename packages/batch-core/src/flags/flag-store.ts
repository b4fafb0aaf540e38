import { type Kysely, type RawBuilder, sql } from "kysely";
import type { Database, LedgerTransaction } from "../database/database.ts";
import { statement } from "../database/prepared-statement.ts";
import type { ItemKey } from "../operation/operation.ts";

/** A table whose records have a flag: a time column that is null unless the record is deleted, archived or the like. */
export interface FlagTable {
  /** Its key is `id`, or begins with it. It has a column `account` too, which is empty for a vendor without accounts. */
  table: string;
  /** The column of the flag: milliseconds since 1970 UTC, or null. */
  flag: string;
  /** The column for the batch that set the flag, so that a batch can be undone. */
  batch: string;
  /** The column for the time of the last change. */
  touched: string;
}

/** The result of a change to a set of records. An id that is in neither list is not there, or in another account. */
export interface Flagged<Id extends ItemKey> {
  changed: Id[];
  /** Were in the wanted state already. */
  unchanged: Id[];
}

/**
 * Changes the flags of sets of records. Guarantees: an account reaches only its own records; the statement that changes a
 * record is the one that checks its state; the number of statements does not grow with the set.
 */
export interface FlagStore<Id extends ItemKey> {
  /** Sets the flag of the records that have none to `now`. */
  set(
    account: string,
    ids: readonly Id[],
    now: number,
    transaction: LedgerTransaction,
    batchId?: number,
  ): Promise<Flagged<Id>>;
  /** Clears the flag of the records that have it. */
  clear(account: string, ids: readonly Id[], now: number, transaction: LedgerTransaction): Promise<Flagged<Id>>;
  /** Clears the flag of the records whose flag was set by this batch last. */
  undo(
    account: string,
    ids: readonly Id[],
    batchId: number,
    now: number,
    transaction: LedgerTransaction,
  ): Promise<Flagged<Id>>;
}

/** The values written to a record. */
interface Change {
  account: string;
  at: number | null;
  batch: number | null;
  now: number;
}

/** Ids above which SQLite counts before it changes. */
const manyIds = 50;

/*
 * Conditions of statements that find their records by id, written so that no index serves them. Without statistics SQLite would
 * rather walk over a whole account than look the ids up. PostgreSQL would with outdated statistics: after a million records were
 * restored, they say for a while that hardly any record is live, and it would walk over all live ones for every set of 500.
 */

/** The record is in the account. @example db.selectFrom("zendesk_tickets").where(inAccount(database, account)) */
export const inAccount = ({ dialect }: Database, account: string): RawBuilder<boolean> =>
  dialect === "sqlite" ? sql`+account = ${account}` : sql`account || '' = ${account}`;

/** The record does not have the flag. @example db.selectFrom("zendesk_tickets").where(isUnflagged(database, "deleted_at")) */
export const isUnflagged = ({ dialect }: Database, flag: string): RawBuilder<boolean> =>
  dialect === "sqlite" ? sql`${sql.ref(flag)} is null` : sql`coalesce(${sql.ref(flag)}, -1) = -1`;

/**
 * Creates a store for a table of flagged records, with one statement for each set. PostgreSQL locks the rows in the order of an
 * index or of the table; if two sets lock each other out, one is rolled back and its chunk runs again.
 *
 * Performance: SQLite takes half as long again for a statement that returns the ids. So it counts first how many of a large set
 * will change, which costs a tenth. If all will, as in most batches, none need be returned. A transaction of SQLite has the
 * database for itself, so the count holds.
 *
 * @example
 * const flags = createFlagStore<number>(host.database, {
 *   table: "zendesk_tickets",
 *   flag: "deleted_at",
 *   batch: "deleted_batch",
 *   touched: "updated_at",
 * });
 * const { changed, unchanged } = await flags.clear(account, [35436, 35437], now, transaction);
 */
export function createFlagStore<Id extends ItemKey>(database: Database, table: FlagTable): FlagStore<Id> {
  const setting = createStatements<Id>(database, table, () => isUnflagged(database, table.flag));
  const clearing = createStatements<Id>(database, table, () => sql`not (${isUnflagged(database, table.flag)})`);
  const undoing = createStatements<Id, { undone: number }>(
    database,
    table,
    ({ undone }) => sql`${sql.ref(table.batch)} = ${undone}`,
  );

  const known = statement(({ account, ids }: { account: string; ids: readonly Id[] }) =>
    openTables<Id>(database)
      .selectFrom(table.table)
      .select("id")
      .where(inAccount(database, account))
      .where(database.anyOf("id", ids as readonly number[])),
  );

  /** Returns the ids that changed. */
  async function change<Wanted>(
    statements: Statements<Id, Wanted>,
    parameters: Change & Wanted,
    ids: readonly Id[],
    on: LedgerTransaction,
  ): Promise<readonly Id[]> {
    const [id] = ids;
    if (id !== undefined && ids.length === 1) {
      const { numAffectedRows } = await statements.one(on, { ...parameters, id });
      return numAffectedRows === 1n ? ids : [];
    }
    const set = { ...parameters, ids };
    if (database.dialect === "sqlite" && ids.length > manyIds) {
      const { rows } = await statements.count(on, set);
      if (rows[0]?.count === ids.length) {
        await statements.all(on, set);
        return ids;
      }
    }
    return (await statements.returning(on, set)).rows.map((row) => row.id as Id);
  }

  async function apply<Wanted>(
    statements: Statements<Id, Wanted>,
    parameters: Change & Wanted,
    ids: readonly Id[],
    transaction: LedgerTransaction,
  ): Promise<Flagged<Id>> {
    const changed = [...(await change(statements, parameters, ids, transaction))];
    if (changed.length === ids.length) return { changed, unchanged: [] };
    const done = new Set(changed);
    const rest = ids.filter((id) => !done.has(id));
    const { rows } = await known(transaction, { account: parameters.account, ids: rest });
    return { changed, unchanged: rows.map(({ id }) => id as Id) };
  }

  return {
    set: (account, ids, now, transaction, batchId) =>
      apply(setting, { account, at: now, batch: batchId ?? null, now }, ids, transaction),
    clear: (account, ids, now, transaction) =>
      apply(clearing, { account, at: null, batch: null, now }, ids, transaction),
    undo: (account, ids, batchId, now, transaction) =>
      apply(undoing, { account, at: null, batch: null, now, undone: batchId }, ids, transaction),
  };
}

/** The table, whatever its name, with the columns that the statements name. */
const openTables = <Id>(database: Database) => database.tables() as Kysely<Record<string, { id: Id; account: string }>>;

type Statements<Id extends ItemKey, Wanted> = ReturnType<typeof createStatements<Id, Wanted>>;

/** The statements on those records that are not in the wanted state yet. */
function createStatements<Id extends ItemKey, Wanted = unknown>(
  database: Database,
  { table, flag, batch, touched }: FlagTable,
  applies: (parameters: Wanted) => RawBuilder<boolean>,
) {
  type FlagParameters = Change & Wanted;
  type FlagSetParameters = FlagParameters & { ids: readonly Id[] };
  const db = openTables<Id>(database);
  const anyOfIds = ({ ids }: FlagSetParameters) => database.anyOf("id", ids as readonly number[]);
  const change = (parameters: FlagParameters) =>
    db
      .updateTable(table)
      .set({ [flag]: parameters.at, [batch]: parameters.batch, [touched]: parameters.now } as object)
      .where(inAccount(database, parameters.account))
      .where(applies(parameters));
  const all = (parameters: FlagSetParameters) => change(parameters).where(anyOfIds(parameters));
  return {
    one: statement((parameters: FlagParameters & { id: Id }) =>
      change(parameters).where(sql<boolean>`id = ${parameters.id}`),
    ),
    all: statement(all),
    returning: statement((parameters: FlagSetParameters) => all(parameters).returning("id"), { byKey: true }),
    count: statement((parameters: FlagSetParameters) =>
      db
        .selectFrom(table)
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .where(inAccount(database, parameters.account))
        .where(applies(parameters))
        .where(anyOfIds(parameters)),
    ),
  };
}
