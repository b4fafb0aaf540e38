import { DatabaseSync } from "node:sqlite";
import pg from "pg";

/** A database without anything of ours in between: its driver, one connection. */
export interface Bare extends AsyncDisposable {
  dialect: "sqlite" | "postgres";
  rows<Row>(statement: string, ...values: unknown[]): Promise<Row[]>;
  transaction(work: () => Promise<void>): Promise<void>;
  /** Bytes that the tables of a beginning of names take, with their indexes. */
  sizeOf(prefix: string): Promise<number>;
}

export async function openBare(url: string): Promise<Bare> {
  return url.startsWith("sqlite:") ? openSqlite(url.slice("sqlite:".length)) : openPostgres(url);
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
  return {
    dialect: "sqlite",
    rows: async <Row>(text: string, ...values: unknown[]) => {
      const statement = prepared(text);
      if (statement.columns().length > 0) return statement.all(...(values as Bindable[])) as Row[];
      statement.run(...(values as Bindable[]));
      return [];
    },
    async transaction(work) {
      prepared("begin immediate").run();
      await work();
      prepared("commit").run();
    },
    async sizeOf(prefix) {
      const tables = "select name from sqlite_schema where tbl_name like ? || '%'";
      const row = db.prepare(`select sum(pgsize) as size from dbstat where name in (${tables})`).get(prefix);
      return Number(row?.size);
    },
    [Symbol.asyncDispose]: async () => db.close(),
  };
}

async function openPostgres(url: string): Promise<Bare> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const rows = async <Row>(text: string, ...values: unknown[]) => (await client.query(text, values)).rows as Row[];
  return {
    dialect: "postgres",
    rows,
    async transaction(work) {
      await client.query("begin");
      await work();
      await client.query("commit");
    },
    async sizeOf(prefix) {
      const [row] = await rows<{ size: string }>(
        "select sum(pg_total_relation_size(oid)) as size from pg_class where relkind = 'r' and starts_with(relname, $1)",
        prefix,
      );
      return Number(row?.size);
    },
    [Symbol.asyncDispose]: () => client.end(),
  };
}
