import type { Compilable, CompiledQuery, Kysely, QueryResult } from "kysely";

/** Carries out a statement at once, without the layers that a query builder has in between. */
export type Direct = (
  sql: string,
  parameters: readonly unknown[],
) => QueryResult<unknown> | Promise<QueryResult<unknown>>;

/** The transactions that have a direct way to their database. */
export const directWays = new WeakMap<object, Direct>();

/** How PostgreSQL gets a statement: under which name it may keep it parsed, and whether its answer is awaited. */
interface Prepared {
  name: string;
  awaited: boolean;
}

const known = new Map<string, Prepared>();

/** What is known of a statement that is run time and again. */
export const prepared = (text: string): Prepared | undefined => known.get(text);

/** Stands in a statement for a value that is given when it is run. */
class Slot {
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
  return async (on, values) => {
    compiled ??= prepare(
      build(Object.fromEntries(Object.keys(values).map((name) => [name, new Slot(name)])) as Values).compile(),
      { awaited, byKey },
    );
    const parameters = compiled.parameters.map((parameter) =>
      parameter instanceof Slot ? parameter.change(values[parameter.name as keyof Values]) : parameter,
    );
    const direct = directWays.get(on);
    if (direct) return direct(compiled.sql, parameters) as QueryResult<Row> | Promise<QueryResult<Row>>;
    return on.executeQuery({ ...compiled, parameters });
  };
}

/** A plan that is kept grows old with the tables it was made for; a plain insert has none, and a row's key leads to one place. */
function prepare<Row>(
  compiled: CompiledQuery<Row>,
  { awaited, byKey }: { awaited: boolean; byKey: boolean },
): CompiledQuery<Row> {
  if ((byKey || !awaited || compiled.query.kind === "InsertQueryNode") && !known.has(compiled.sql)) {
    known.set(compiled.sql, { name: `reinstate_${known.size + 1}`, awaited });
  }
  return compiled;
}

/** The value as `change` makes it; where it is yet to be given, then. */
export function changed<Value>(value: Value, change: (value: Value) => unknown): unknown {
  return value instanceof Slot ? new Slot(value.name, (given) => change(given as Value)) : change(value);
}
