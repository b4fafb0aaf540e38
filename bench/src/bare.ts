import { DatabaseSync } from "node:sqlite";
import pg from "pg";

type Rows = <Row>(statement: string, ...values: unknown[]) => Promise<Row[]>;

/** A database through its driver alone: one connection, or a pool on PostgreSQL. */
export interface Bare extends AsyncDisposable {
  dialect: "sqlite" | "postgres";
  rows: Rows;
  transaction(work: (rows: Rows) => Promise<void>): Promise<void>;
  /** Returns the bytes of the tables whose names start with a prefix, indexes included. */
  sizeOf(prefix: string): Promise<number>;
}

/** Opens a database through its driver. `connections`: the size of the pool on PostgreSQL. */
export async function openBare(url: string, connections = 1): Promise<Bare> {
  return url.startsWith("sqlite:") ? openSqlite(url.slice("sqlite:".length)) : openPostgres(url, connections);
}

type Bindable = string | number | null;

function openSqlite(path: string): Bare {
  const db = new DatabaseSync(path, { timeout: 30_000 });
  db.exec("pragma journal_mode = wal; pragma synchronous = full; pragma temp_store = memory");
  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  // Each statement is prepared once, as any application does.
  const prepare = (text: string) => {
    const known = statements.get(text) ?? db.prepare(text);
    statements.set(text, known);
    return known;
  };
  let last = Promise.resolve();
  const rows = async <Row>(text: string, ...values: unknown[]) => {
    const statement = prepare(text);
    if (statement.columns().length > 0) return statement.all(...(values as Bindable[])) as Row[];
    statement.run(...(values as Bindable[]));
    return [];
  };
  return {
    dialect: "sqlite",
    rows,
    transaction(work) {
      // There is only one connection, so concurrent transactions wait.
      const running = last.then(async () => {
        prepare("begin immediate").run();
        await work(rows);
        prepare("commit").run();
      });
      last = running;
      return running;
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
  // The database is dropped while the last connections close.
  pool.on("error", () => {});
  // A single connection bypasses the pool, which costs time for each statement.
  const only = connections === 1 ? await pool.connect() : undefined;
  const queryOn =
    (on: pg.Pool | pg.PoolClient): Rows =>
    async <Row>(text: string, ...values: unknown[]) =>
      (await on.query(text, values)).rows as Row[];
  const rows = queryOn(only ?? pool);
  return {
    dialect: "postgres",
    rows,
    async transaction(work) {
      const client = only ?? (await pool.connect());
      await client.query("begin");
      await work(only ? rows : queryOn(client));
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
