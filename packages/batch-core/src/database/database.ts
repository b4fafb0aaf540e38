import type { Kysely, RawBuilder } from "kysely";
import { messageOf } from "../errors/errors.ts";
import type { LedgerTransaction } from "../operation/operation.ts";
import { type DatabaseUrlRules, fault, oneOf, parseDatabaseUrl, readableFile } from "./database-url.ts";
import { openPostgres } from "./postgres.ts";
import { openSqlite } from "./sqlite.ts";
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
  together<Result>(work: (transaction: LedgerTransaction) => Promise<Result>): Promise<Result>;
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

const anyText = () => undefined;
const milliseconds = (value: string) => (/^\d+$/.test(value) ? undefined : "must be a number of milliseconds");

/** What PostgreSQL's driver understands; it would ignore every other parameter. */
const postgresRules: DatabaseUrlRules = {
  form: "postgres://user:password@host:5432/database",
  schemes: ["postgres", "postgresql"],
  parameters: {
    application_name: anyText,
    client_encoding: anyText,
    fallback_application_name: anyText,
    host: anyText,
    idle_in_transaction_session_timeout: milliseconds,
    lock_timeout: milliseconds,
    options: anyText,
    password: anyText,
    port: (port) => (/^\d{1,5}$/.test(port) ? undefined : "must be a port"),
    query_timeout: milliseconds,
    ssl: oneOf("true", "1", "0", "no-verify"),
    sslcert: readableFile(),
    sslkey: readableFile(),
    sslmode: oneOf("disable", "prefer", "require", "verify-ca", "verify-full", "no-verify"),
    sslnegotiation: oneOf("postgres", "direct"),
    sslrootcert: readableFile(),
    statement_timeout: milliseconds,
    uselibpqcompat: oneOf("true", "false"),
    user: anyText,
  },
};

/**
 * Checks the URL of a database without opening it.
 *
 * @throws ReinstateError `bad_setting`, whose message follows the name of a setting and never holds a password.
 */
export function checkDatabaseUrl(url: string): void {
  if (/^postgres(ql)?:/.test(url)) parseDatabaseUrl(url, postgresRules);
  else if (!url.startsWith("sqlite:")) throw fault("must be sqlite:PATH or postgres://…");
  else if (url === "sqlite:") throw fault("names no file after sqlite:");
  else if (/^sqlite:\/\/(?!\/)/.test(url)) throw fault("must be of the form sqlite:PATH, without // before the path");
  else if (url.includes("?")) {
    const [name] = new URLSearchParams(url.slice(url.indexOf("?"))).keys();
    throw fault(`has the parameter ${name ?? "?"}; sqlite:PATH takes none`);
  }
}

/**
 * Opens `sqlite:PATH` (the folder is made when missing), `sqlite::memory:` or `postgres://…`. `answerMs`: milliseconds after which a
 * statement that PostgreSQL does not answer fails; without it, a statement may take as long as it likes.
 */
export function openDatabase(url: string, options: { answerMs?: number | undefined } = {}): Database {
  try {
    checkDatabaseUrl(url);
  } catch (error) {
    throw fault(`The database URL ${messageOf(error)}`);
  }
  return url.startsWith("sqlite:") ? openSqlite(url.slice("sqlite:".length)) : openPostgres(url, options);
}
