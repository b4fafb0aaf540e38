import type { Kysely, RawBuilder } from "kysely";
import type { StorageWatch } from "./storage.ts";

/** A connection to SQLite or PostgreSQL, with the features that differ between them. */
export interface Database {
  readonly dialect: "sqlite" | "postgres";
  /** Returns the query builder, typed for the tables of one package. */
  tables<Tables>(): Kysely<Tables>;
  /** Runs `work` in a transaction. On SQLite it holds the write lock from its start, so it never has to be repeated. */
  transaction<Result>(work: (transaction: LedgerTransaction) => Promise<Result>): Promise<Result>;
  /**
   * Runs short work in a transaction that concurrent calls share, with one commit (group commit). If the transaction rolls back, each
   * unit of work runs again in its own transaction, so one failure does not affect the rest.
   */
  groupCommit<Result>(work: (transaction: LedgerTransaction) => Promise<Result>): Promise<Result>;
  /**
   * Builds `column in (values)` with a single parameter, so one prepared statement serves any number of values.
   *
   * @example query.where(database.anyOf("id", [1, 2, 3]))
   */
  anyOf(column: string, values: readonly number[] | readonly string[]): RawBuilder<boolean>;
  /** Migrates the tables of one package. `scope` names the package; migrations run in the order of their names. */
  migrate(
    scope: string,
    migrations: Record<string, (db: LedgerTransaction, database: Database) => Promise<void>>,
  ): Promise<void>;
  /** Reports if the database can store at present. */
  readonly storage: StorageWatch;
  /**
   * Column types that differ: an identity key, bytes, and a text that is compared by bytes. The last is faster and has the same order on
   * both databases.
   */
  readonly types: { identity: RawBuilder<unknown>; bytes: RawBuilder<unknown>; word: RawBuilder<unknown> };
  /** Counts the connections of the pool. Absent on SQLite, which has one connection. */
  countConnections?(): { inUse: number; waiting: number };
  close(): Promise<void>;
}

/** The query builder of an open transaction on the ledger's database. */
// biome-ignore lint/suspicious/noExplicitAny: each package sees its own tables in the one database.
export type LedgerTransaction = Kysely<any>;
