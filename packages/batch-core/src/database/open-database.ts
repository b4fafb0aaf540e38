import { toMessage } from "../errors/errors.ts";
import type { Database } from "./database.ts";
import { type DatabaseUrlRules, fault, oneOfWords, parseDatabaseUrl, readableFile } from "./database-url.ts";
import { openPostgres } from "./postgres.ts";
import { openSqlite } from "./sqlite.ts";

const anyText = () => undefined;

const milliseconds = (value: string) => (/^\d+$/.test(value) ? undefined : "must be a number of milliseconds");

/** The parameters that PostgreSQL's driver supports. It ignores all others. */
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
    ssl: oneOfWords("true", "1", "0", "no-verify"),
    sslcert: readableFile(),
    sslkey: readableFile(),
    sslmode: oneOfWords("disable", "prefer", "require", "verify-ca", "verify-full", "no-verify"),
    sslnegotiation: oneOfWords("postgres", "direct"),
    sslrootcert: readableFile(),
    statement_timeout: milliseconds,
    uselibpqcompat: oneOfWords("true", "false"),
    user: anyText,
  },
};

/**
 * Checks the URL of a database without opening it.
 *
 * @throws ReinstateError `bad_setting`. Its message continues the name of a setting and never contains a password.
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
 * Opens `sqlite:PATH` (a missing folder is created), `sqlite::memory:` or `postgres://…`. `answerMs`: time-out of a statement on
 * PostgreSQL in milliseconds; without it, statements have no time-out.
 *
 * @throws ReinstateError `bad_setting` if the URL is invalid
 * @example const database = openDatabase("sqlite:data/reinstate.db");
 */
export function openDatabase(url: string, options: { answerMs?: number | undefined } = {}): Database {
  try {
    checkDatabaseUrl(url);
  } catch (error) {
    throw fault(`The database URL ${toMessage(error)}`);
  }
  return url.startsWith("sqlite:") ? openSqlite(url.slice("sqlite:".length)) : openPostgres(url, options);
}
