import type { Compilable, CompiledQuery, Kysely, QueryResult } from "kysely";

/** A statement that is compiled once and run many times. */
export interface PreparedStatement {
  sql: string;
  /** The name under which PostgreSQL may keep it parsed; without it, it is planned each time. */
  name?: string;
  /** Whether anything waits for its answer. */
  awaited: boolean;
}

/** Carries out a statement at once, without the layers that a query builder has in between. */
export type RawExecutor = (
  statement: PreparedStatement,
  parameters: readonly unknown[],
) => QueryResult<unknown> | Promise<QueryResult<unknown>>;

/** The databases and transactions that have a direct way. */
export const rawExecutors = new WeakMap<object, RawExecutor>();

/** The names of statements by their texts. */
const names = new Map<string, string>();

/** Stands in a statement for a value that is given when it is run. */
class Placeholder {
  readonly name: string;
  readonly change: (value: unknown) => unknown;

  constructor(name: string, change: (value: unknown) => unknown = (value) => value) {
    this.name = name;
    this.change = change;
  }
}

/**
 * A statement that is built and compiled once, at its first run: for those that run per chunk or per tiny batch, whose building
 * would cost more than an embedded database takes to carry them out. `build` may use the values as parameters only, and never
 * look at them; every run gives the same ones.
 *
 * `awaited: false`, for an insert in a transaction whose answer says nothing: PostgreSQL gets it together with the statement
 * after it, or the COMMIT, and whoever awaits that one is told where it failed.
 *
 * `byKey: true`, for a statement that finds one row, or a few, by the whole of their keys: PostgreSQL keeps its plan. At worst it
 * walks a table that has outgrown its first pages until the next ANALYZE.
 *
 * Example: `const find = statement((given: { id: number }) => db.selectFrom("t").selectAll().where("id", "=", given.id))`, then
 * `const { rows } = await find(transaction, { id: 5 })`.
 */
export function statement<Values extends object, Row>(
  build: (given: Values) => Compilable<Row>,
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
    const direct = rawExecutors.get(on);
    if (direct) return direct(prepared, parameters) as QueryResult<Row> | Promise<QueryResult<Row>>;
    return on.executeQuery({ ...compiled, parameters });
  };
}

/** A plan that is kept grows old with the tables it was made for; a plain insert has none, and a row's key leads to one place. */
function prepare(
  { sql, query }: CompiledQuery,
  { awaited, byKey }: { awaited: boolean; byKey: boolean },
): PreparedStatement {
  if (!byKey && awaited && query.kind !== "InsertQueryNode") return { sql, awaited };
  const name = names.get(sql) ?? `reinstate_${names.size + 1}`;
  names.set(sql, name);
  return { sql, name, awaited };
}

/** The value as `change` makes it; where it is yet to be given, then. */
export function mapPlaceholder<Value>(value: Value, change: (value: Value) => unknown): unknown {
  return value instanceof Placeholder ? new Placeholder(value.name, (given) => change(given as Value)) : change(value);
}
