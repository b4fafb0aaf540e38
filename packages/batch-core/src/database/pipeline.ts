import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely";
import type pg from "pg";
import type { LedgerTransaction } from "./database.ts";
import { type PreparedStatement, rawExecutors } from "./prepared-statement.ts";

/** The time after which the server ends an idle transaction, because its client may be gone while its locks block other sessions. */
const abandonedAfter = "60s";
/** Both statements in one message. The setting ends with the transaction, so a pooler can reuse the session for another client. */
const begin = `begin; set local idle_in_transaction_session_timeout = '${abandonedAfter}'`;

type PendingResult = Promise<pg.QueryResult>;

/**
 * One transaction on a pipelined connection. The query builder's own transaction waits for the result of each statement before it sends
 * the next, so small transactions would spend most of their time on round trips.
 *
 * Protocol:
 * - A statement is sent at once, even while earlier results are pending. PostgreSQL returns results in the order of sending.
 * - BEGIN, and statements whose result is not needed (`awaited: false`), are sent ahead: the caller continues at once.
 * - Any other statement waits for its own result and for the results of all statements sent ahead of it.
 * - If one fails, PostgreSQL rejects all later ones. The caller gets the first failure, which is the cause.
 * - COMMIT waits in the same way, so no failure is missed. PostgreSQL returns ROLLBACK for the COMMIT of a failed transaction without an
 *   error; here it is an error.
 * - ROLLBACK waits only for its own result, because a failure caused it.
 */
class Pipeline {
  readonly #client: pg.ClientBase;
  /** The pending results of statements sent ahead, in the order of sending. */
  #ahead: PendingResult[] = [];
  #isOver = false;

  constructor(client: pg.ClientBase) {
    this.#client = client;
  }

  begin(): void {
    this.#sendAhead(this.#client.query(begin));
  }

  async run(statement: PreparedStatement, parameters: readonly unknown[]): Promise<QueryResult<unknown>> {
    if (this.#isOver) throw new Error("The transaction has ended");
    const result = sendOn(this.#client, statement, parameters);
    if (statement.awaited) return toResult(await this.#inOrder(result));
    this.#sendAhead(result);
    return { rows: [] };
  }

  async commit(): Promise<void> {
    this.#isOver = true;
    const { command } = await this.#inOrder(this.#client.query("commit"));
    if (command === "COMMIT") return;
    const error = new Error("The transaction was rolled back because one of its statements failed");
    throw Object.assign(error, { severity: "ERROR" });
  }

  async rollback(): Promise<void> {
    this.#isOver = true;
    await this.#client.query("rollback");
  }

  #sendAhead(result: PendingResult): void {
    // A failure is reported by the next statement that waits.
    result.catch(() => {});
    this.#ahead.push(result);
  }

  async #inOrder(result: PendingResult): PendingResult {
    const ahead = this.#ahead;
    if (ahead.length === 0) return result;
    this.#ahead = [];
    await Promise.all([...ahead, result]);
    return result;
  }
}

/** Runs `work` in a transaction whose statements are pipelined. */
export async function inPipelinedTransaction<Result>(
  pool: pg.Pool,
  work: (transaction: LedgerTransaction) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect();
  const pipeline = new Pipeline(client);
  const transaction = new Kysely<unknown>({ dialect: new PipelineDialect(pipeline) });
  rawExecutors.set(transaction, (statement, parameters) => pipeline.run(statement, parameters));
  let broken = false;
  try {
    pipeline.begin();
    const result = await work(transaction);
    await pipeline.commit();
    return result;
  } catch (error) {
    // If ROLLBACK fails, the connection is closed, which rolls the transaction back.
    await pipeline.rollback().catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/** Sends a statement, by its name if it has one. */
export function sendOn(
  client: pg.ClientBase | pg.Pool,
  { sql, name }: PreparedStatement,
  parameters: readonly unknown[],
): PendingResult {
  const values = parameters as unknown[];
  return name === undefined ? client.query(sql, values) : client.query({ name, text: sql, values });
}

/** Converts the driver's result to the query builder's. */
export function toResult({ command, rowCount, rows }: pg.QueryResult): QueryResult<unknown> {
  return { rows, ...(command !== "SELECT" && rowCount !== null && { numAffectedRows: BigInt(rowCount) }) };
}

// Shared by all transactions, as in the query builder.
const adapter = new PostgresAdapter();
const compiler = new PostgresQueryCompiler();

/** The dialect of a query builder with one connection that is already in a transaction. */
class PipelineDialect implements Dialect {
  readonly #connection: DatabaseConnection;

  constructor(pipeline: Pipeline) {
    this.#connection = {
      executeQuery: async <Row>({ sql, parameters }: CompiledQuery) =>
        (await pipeline.run({ sql, awaited: true }, parameters)) as QueryResult<Row>,
      streamQuery: () => unsupported("stream"),
    };
  }

  createDriver(): Driver {
    return {
      init: async () => {},
      acquireConnection: async () => this.#connection,
      beginTransaction: () => unsupported("begin"),
      commitTransaction: () => unsupported("commit"),
      rollbackTransaction: () => unsupported("roll back"),
      releaseConnection: async () => {},
      destroy: async () => {},
    };
  }

  createAdapter = () => adapter;
  createIntrospector = (db: Kysely<unknown>) => new PostgresIntrospector(db);
  createQueryCompiler = () => compiler;
}

function unsupported(what: string): never {
  throw new Error(`An open transaction cannot ${what}`);
}
