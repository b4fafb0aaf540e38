import type { Compilable, CompiledQuery, Kysely, QueryResult } from "kysely";

/** A statement that is compiled once and run many times. */
export interface PreparedStatement {
  sql: string;
  /** The name under which PostgreSQL stores the plan. Without it, the statement is planned on every execution. */
  name?: string;
  /** The caller waits for the result. */
  awaited: boolean;
}

/** Executes a statement directly, without the layers of the query builder. */
export type RawExecutor = (
  statement: PreparedStatement,
  parameters: readonly unknown[],
) => QueryResult<unknown> | Promise<QueryResult<unknown>>;

/** The raw executors of databases and transactions. */
export const rawExecutors = new WeakMap<object, RawExecutor>();

/** The names of prepared statements by their SQL. */
const names = new Map<string, string>();

/** Represents a value that is bound when the statement runs. */
class Placeholder {
  readonly name: string;
  readonly change: (value: unknown) => unknown;

  constructor(name: string, change: (value: unknown) => unknown = (value) => value) {
    this.name = name;
    this.change = change;
  }
}

/**
 * Creates a statement that is built and compiled once, on its first execution. Use it for statements that run for every chunk or small
 * batch: building them costs more than an embedded database needs to execute them. `build` may only pass the values on as parameters and
 * must not read them. Every execution passes the same names.
 *
 * `awaited: false` is for an insert in a transaction whose result is not needed. PostgreSQL pipelines it with the next statement or the
 * COMMIT, which then reports its failure.
 *
 * `byKey: true` is for a statement that finds few rows by their full keys. PostgreSQL keeps its plan. At worst, the plan scans a table
 * that has grown beyond its first pages until the next ANALYZE.
 *
 * @example
 * const find = statement(({ id }: { id: number }) => db.selectFrom("t").selectAll().where("id", "=", id));
 * const { rows } = await find(transaction, { id: 5 });
 */
export function statement<Values extends object, Row>(
  build: (values: Values) => Compilable<Row>,
  { awaited = true, byKey = false }: { awaited?: boolean; byKey?: boolean } = {},
  // biome-ignore lint/suspicious/noExplicitAny: each package sees its own tables in the one database.
): (on: Kysely<any>, values: Values) => Promise<QueryResult<Row>> {
  let compiled: CompiledQuery<Row> | undefined;
  let prepared: PreparedStatement;
  return async (on, values) => {
    if (!compiled) {
      compiled = build(
        Object.fromEntries(Object.keys(values).map((name) => [name, new Placeholder(name)])) as Values,
      ).compile();
      prepared = prepare(compiled, { awaited, byKey });
    }
    const parameters = compiled.parameters.map((parameter) =>
      parameter instanceof Placeholder ? parameter.change(values[parameter.name as keyof Values]) : parameter,
    );
    const execute = rawExecutors.get(on);
    if (execute) return execute(prepared, parameters) as QueryResult<Row> | Promise<QueryResult<Row>>;
    return on.executeQuery({ ...compiled, parameters });
  };
}

/** Names a statement only if a stored plan cannot become outdated: for plain inserts and lookups by key. */
function prepare(
  { sql, query }: CompiledQuery,
  { awaited, byKey }: { awaited: boolean; byKey: boolean },
): PreparedStatement {
  if (!byKey && awaited && query.kind !== "InsertQueryNode") return { sql, awaited };
  const name = names.get(sql) ?? `reinstate_${names.size + 1}`;
  names.set(sql, name);
  return { sql, name, awaited };
}

/** Returns `change(value)`. For a placeholder, `change` is applied when the value is bound. */
export function mapPlaceholder<Value>(value: Value, change: (value: Value) => unknown): unknown {
  return value instanceof Placeholder ? new Placeholder(value.name, (bound) => change(bound as Value)) : change(value);
}
