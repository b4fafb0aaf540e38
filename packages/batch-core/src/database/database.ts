import type { Kysely, RawBuilder } from "kysely";
import type { StorageWatch } from "./storage.ts";

/** A connection to SQLite or PostgreSQL, with the few things that differ between them. */
export interface Database {
  readonly dialect: "sqlite" | "postgres";
  /** The whole database, each package seeing its own tables. */
  tables<Tables>(): Kysely<Tables>;
  /** One transaction; on SQLite it holds the write lock from its first moment, so it never has to be repeated. */
  transaction<Result>(work: (transaction: LedgerTransaction) => Promise<Result>): Promise<Result>;
  /**
   * The same for short work that may be done again when its transaction was undone: what is asked for at the same moment
   * shares one transaction and its commit. Each still fails alone.
   */
  groupCommit<Result>(work: (transaction: LedgerTransaction) => Promise<Result>): Promise<Result>;
  /**
   * `column in (values)` with one parameter whatever their number, so that one prepared statement serves every length.
   * Example: `.where(database.anyOf("id", [1, 2, 3]))`
   */
  anyOf(column: string, values: readonly number[] | readonly string[]): RawBuilder<boolean>;
  /** Brings the tables of one package up to date. `scope` names the package; migrations run in the order of their names. */
  migrate(
    scope: string,
    migrations: Record<string, (db: LedgerTransaction, database: Database) => Promise<void>>,
  ): Promise<void>;
  /** Whether it can store at present. */
  readonly storage: StorageWatch;
  /**
   * Column types that differ: an identity key, bytes, and a text that is compared byte by byte, which is faster and gives the same
   * order on both databases.
   */
  readonly types: { identity: RawBuilder<unknown>; bytes: RawBuilder<unknown>; word: RawBuilder<unknown> };
  close(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: each package sees its own tables in the one database.
export type LedgerTransaction = Kysely<any>;
