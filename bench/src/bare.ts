import { DatabaseSync } from "node:sqlite";
import pg from "pg";

type Rows = <Row>(statement: string, ...values: unknown[]) => Promise<Row[]>;

/** A database without anything of ours in between: its driver, one connection, or on PostgreSQL a pool of some. */
export interface Bare extends AsyncDisposable {
  dialect: "sqlite" | "postgres";
  rows: Rows;
  transaction(work: (rows: Rows) => Promise<void>): Promise<void>;
  /** Bytes that the tables of a beginning of names take, with their indexes. */
  sizeOf(prefix: string): Promise<number>;
}

export async function openBare(url: string, connections = 1): Promise<Bare> {
  return url.startsWith("sqlite:") ? openSqlite(url.slice("sqlite:".length)) : openPostgres(url, connections);
}

type Bindable = string | number | null;

function openSqlite(path: string): Bare {
  const db = new DatabaseSync(path, { timeout: 30_000 });
  db.exec("pragma journal_mode = wal; pragma synchronous = full; pragma temp_store = memory");
  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  // Prepared once, as anybody would.
  const prepared = (text: string) => {
    const known = statements.get(text) ?? db.prepare(text);
    statements.set(text, known);
    return known;
  };
  let last = Promise.resolve();
  const rows = async <Row>(text: string, ...values: unknown[]) => {
    const statement = prepared(text);
    if (statement.columns().length > 0) return statement.all(...(values as Bindable[])) as Row[];
    statement.run(...(values as Bindable[]));
    return [];
  };
  return {
    dialect: "sqlite",
    rows,
    transaction(work) {
      // The connection is the only one: who comes meanwhile waits.
      const turn = last.then(async () => {
        prepared("begin immediate").run();
        await work(rows);
        prepared("commit").run();
      });
      last = turn;
      return turn;
    },
    async sizeOf(prefix) {
      const tables = "select name from sqlite_schema where tbl_name like ? || '%'";
      const row = db.prepare(`select sum(pgsize) as size from dbstat where name in (${tables})`).get(prefix);
      return Number(row?.size);
    },
    [Symbol.asyncDispose]: async () => db.close(),
  };
}

async function openPostgres(url: string, connections: number): Promise<Bare> {
  const pool = new pg.Pool({ connectionString: url, max: connections });
  // The database is dropped while the last of them say good-bye.
  pool.on("error", () => {});
  // One connection is used as it is: a pool would take its time for each statement.
  const only = connections === 1 ? await pool.connect() : undefined;
  const over =
    (on: pg.Pool | pg.PoolClient): Rows =>
    async <Row>(text: string, ...values: unknown[]) =>
      (await on.query(text, values)).rows as Row[];
  const rows = over(only ?? pool);
  return {
    dialect: "postgres",
    rows,
    async transaction(work) {
      const client = only ?? (await pool.connect());
      await client.query("begin");
      await work(only ? rows : over(client));
      await client.query("commit");
      if (!only) client.release();
    },
    async sizeOf(prefix) {
      const [row] = await rows<{ size: string }>(
        "select sum(pg_total_relation_size(oid)) as size from pg_class where relkind = 'r' and starts_with(relname, $1)",
        prefix,
      );
      return Number(row?.size);
    },
    [Symbol.asyncDispose]: () => {
      only?.release();
      return pool.end();
    },
  };
}
