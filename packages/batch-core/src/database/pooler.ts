import pg from "pg";
import { ReinstateError, toMessage } from "../errors/errors.ts";

/** The same in every process, because a pooler may keep the statements of a process that has ended. */
const statementName = "reinstate_pooler_check";
const askServer = "select pg_backend_pid() as server";
const timeoutMs = 10_000;

/**
 * Checks that a connection pooler in front of PostgreSQL, such as PgBouncer, supports transactions and named prepared statements, which
 * the ledger needs. Without a pooler it always resolves.
 *
 * @param url `postgres://…`
 * @throws ReinstateError `bad_setting` if the pooler is unsuitable; the driver's error if the database is unavailable.
 */
export async function checkPooler(url: string): Promise<void> {
  const clients = [createClient(url), createClient(url)] as const;
  try {
    for (const client of clients) await client.connect();
    await tryPreparedStatement(...clients);
  } catch (error) {
    throw describeFault(error) ?? error;
  } finally {
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
  }
}

/**
 * Reports whether the server accepts these startup `options` (`-c name=value`). A pooler does not, because it shares its connections.
 */
export async function acceptsOptions(url: string, options: string): Promise<boolean> {
  const client = createClient(url, options);
  try {
    await client.connect();
    return true;
  } catch (error) {
    if (unsupportedParameter(error) !== undefined) return false;
    throw error;
  } finally {
    await client.end().catch(() => {});
  }
}

function createClient(url: string, options?: string): pg.Client {
  const client = new pg.Client({
    connectionString: url,
    application_name: "reinstate",
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    ...(options !== undefined && { options }),
  });
  // The running statement reports the error too.
  client.on("error", () => {});
  return client;
}

/**
 * Prepares a statement on the first connection. A pooler may then assign its server to the second connection, or another server to the
 * first. In both cases the name must still work: neither unknown nor already taken.
 */
async function tryPreparedStatement(first: pg.Client, second: pg.Client): Promise<void> {
  const findServer = async (client: pg.Client, name?: string) => {
    const { rows } = await client.query({ text: askServer, ...(name !== undefined && { name }) });
    return (rows as { server: number }[])[0]?.server;
  };
  await first.query("begin");
  const server = await findServer(first, statementName);
  await first.query("commit");
  // The open transaction keeps its server until the end.
  await second.query("begin");
  if ((await findServer(second)) === server) {
    await findServer(second, statementName);
    return;
  }
  await first.query("begin");
  if ((await findServer(first)) !== server) await findServer(first, statementName);
}

/** Converts an error caused by a limitation of the pooler to `bad_setting`. Returns undefined for any other error. */
function describeFault(error: unknown): ReinstateError | undefined {
  const { code } = error as { code?: unknown };
  const parameter = unsupportedParameter(error);
  if (parameter !== undefined) {
    return unfit(
      `rejects ${parameter}: remove it from the URL, or add it to the pooler's ignore_startup_parameters`,
      error,
    );
  }
  if (/statement pooling mode/i.test(toMessage(error))) {
    return unfit("allows no transactions: set pool_mode to transaction or session", error);
  }
  // The name of the statement is taken, or unknown.
  if (code === "42P05" || code === "26000") {
    const ways = "set max_prepared_statements (PgBouncer 1.21 or newer) or pool_mode to session";
    return unfit(`loses prepared statements: ${ways}`, error);
  }
  return undefined;
}

function unfit(fault: string, cause: unknown): ReinstateError {
  return new ReinstateError(
    "bad_setting",
    `The connection pooler in front of PostgreSQL ${fault}, or connect to PostgreSQL directly`,
    { cause },
  );
}

/** Returns the startup parameter that a pooler rejects. */
function unsupportedParameter(error: unknown): string | undefined {
  if ((error as { code?: unknown }).code !== "08P01") return undefined;
  return /unsupported startup parameter(?: in options)?: *(\S+)/i.exec(toMessage(error))?.[1];
}
