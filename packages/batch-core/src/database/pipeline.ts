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

/** When the server counts a transaction as abandoned: its client is gone without a word, and its locks hold up others. */
const abandonedAfter = "60s";
/** Both in one message. The setting ends with the transaction, so a pooler can give the session to another client. */
const begin = `begin; set local idle_in_transaction_session_timeout = '${abandonedAfter}'`;

type Answer = Promise<pg.QueryResult>;

/**
 * One transaction on a connection that pipelines. The query builder's own transaction waits for the answer of each statement before it
 * sends the next, so small transactions would spend most of their time on round trips.
 *
 * Protocol:
 * - A statement is sent when it is asked for, whatever is still unanswered. PostgreSQL answers in the order of sending.
 * - BEGIN, and a statement whose answer says nothing (`awaited: false`), are sent ahead: the caller goes on at once.
 * - Any other statement waits for its own answer and for those of all that were sent ahead of it.
 * - When one fails, PostgreSQL rejects all after it. The caller gets the first failure, which is the cause.
 * - COMMIT waits in the same way, so no failure is missed. PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK and does
 *   not call that an error; here it is one.
 * - ROLLBACK waits for its own answer alone, because a failure is what led to it.
 */
class Pipeline {
  readonly #client: pg.ClientBase;
  /** The answers to what was sent ahead, in the order of sending. */
  #ahead: Answer[] = [];
  #isOver = false;

  constructor(client: pg.ClientBase) {
    this.#client = client;
  }

  begin(): void {
    this.#sendAhead(this.#client.query(begin));
  }

  async run(statement: PreparedStatement, parameters: readonly unknown[]): Promise<QueryResult<unknown>> {
    if (this.#isOver) throw new Error("The transaction is over");
    const answer = sendOn(this.#client, statement, parameters);
    if (statement.awaited) return toResult(await this.#inOrder(answer));
    this.#sendAhead(answer);
    return { rows: [] };
  }

  async commit(): Promise<void> {
    this.#isOver = true;
    const { command } = await this.#inOrder(this.#client.query("commit"));
    if (command === "COMMIT") return;
    const error = new Error("The transaction was rolled back, for one of its statements had failed");
    throw Object.assign(error, { severity: "ERROR" });
  }

  async rollback(): Promise<void> {
    this.#isOver = true;
    await this.#client.query("rollback");
  }

  #sendAhead(answer: Answer): void {
    // A failure is reported by the statement that waits for it.
    answer.catch(() => {});
    this.#ahead.push(answer);
  }

  async #inOrder(answer: Answer): Answer {
    const ahead = this.#ahead;
    if (ahead.length === 0) return answer;
    this.#ahead = [];
    await Promise.all([...ahead, answer]);
    return answer;
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
    // If it cannot be rolled back by a statement, it is by the end of its connection.
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
): Answer {
  const values = parameters as unknown[];
  return name === undefined ? client.query(sql, values) : client.query({ name, text: sql, values });
}

/** Returns the driver's answer as the query builder's. */
export function toResult({ command, rowCount, rows }: pg.QueryResult): QueryResult<unknown> {
  return { rows, ...(command !== "SELECT" && rowCount !== null && { numAffectedRows: BigInt(rowCount) }) };
}

// As a query builder has one of each for all of its transactions.
const adapter = new PostgresAdapter();
const compiler = new PostgresQueryCompiler();

/** The dialect of a query builder that has one connection, in a transaction already. */
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
  throw new Error(`A transaction that is open already cannot ${what}`);
}
