import { resolve } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import {
  CompiledQuery,
  type DatabaseConnection,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  type SqliteDatabase,
  SqliteDialect,
  SqliteDriver,
  sql,
} from "kysely";
import { toMessage } from "../errors/errors.ts";
import { yieldIfDue } from "../text/time-slice.ts";
import type { Database, LedgerTransaction } from "./database.ts";
import { createGroupCommit, type GroupCommitParts } from "./group-commit.ts";
import { migrator } from "./migrate.ts";
import { mapPlaceholder, type RawExecutor, rawExecutors } from "./prepared-statement.ts";
import { keepPrivate, makeFolder } from "./private-files.ts";
import { createStorageWatch } from "./storage.ts";
import { listSqliteTables } from "./table-names.ts";

/** The time after which a probe is taken to wait for another transaction, in milliseconds. */
const busyMs = 500;

/** Opens a SQLite file, or `:memory:`. */
export function openSqlite(path: string): Database {
  const file = path === ":memory:" ? path : resolve(path);
  if (file !== ":memory:") makeFolder(file);
  const dialect = new NodeSqliteDialect(() => openSqliteFile(file));
  const direct: RawExecutor = ({ sql }, parameters) => {
    const statement = dialect.opened.prepare(sql);
    if (statement.reader) return { rows: statement.all(parameters) };
    return { rows: [], numAffectedRows: BigInt(statement.run(parameters).changes) };
  };
  return overSqlite(new Kysely<unknown>({ dialect }), { direct });
}

/**
 * Creates a database on SQLite behind any driver. `direct` executes statements without the query builder while a transaction has the
 * connection to itself. `soon` schedules group commits; the simulation replaces it.
 */
export function overSqlite(
  kysely: Kysely<unknown>,
  { direct, soon = setImmediate }: { direct?: RawExecutor; soon?: GroupCommitParts["schedule"] } = {},
): Database {
  const begin: Database["transaction"] = (work) =>
    kysely.transaction().execute(async (transaction) => {
      if (direct) rawExecutors.set(transaction, direct);
      try {
        return await work(transaction as LedgerTransaction);
      } finally {
        // The transaction has ended and no longer owns the connection.
        rawExecutors.delete(transaction);
      }
    });
  // The row is larger than a page, so the file needs free pages or has to grow. The delete frees them again.
  let probing: Promise<void> | undefined;
  const storage = createStorageWatch(async () => {
    probing ??= begin(async (transaction) => {
      await sql`insert into reinstate_probe values (zeroblob(10000))`.execute(transaction);
      await sql`delete from reinstate_probe`.execute(transaction);
    }).finally(() => {
      probing = undefined;
    });
    // A file never hangs: a probe that waits, waits for another writer, which shows that there is room.
    await Promise.race([probing, delay(busyMs, undefined, { ref: false })]);
  });
  const transaction: Database["transaction"] = (work) => storage.observe(() => begin(work));
  return {
    dialect: "sqlite",
    tables: <Tables>() => kysely as Kysely<Tables>,
    transaction,
    groupCommit: createGroupCommit({ transaction, schedule: soon, maxConcurrent: 1, runAll: runSequentially }),
    anyOf: (column, values) =>
      sql<boolean>`${sql.ref(column)} in (select value from json_each(${mapPlaceholder(values, JSON.stringify)}))`,
    migrate: migrator(kysely),
    storage,
    types: { identity: sql`integer primary key autoincrement`, bytes: sql`blob`, word: sql`text` },
    close: () => kysely.destroy(),
  };
}

/** Runs works one after the other, because SQLite is synchronous. */
const runSequentially: GroupCommitParts["runAll"] = async (works, transaction) => {
  const results: unknown[] = [];
  for (const work of works) results.push(await work(transaction));
  return results;
};

function openSqliteFile(file: string): SqliteDatabase {
  if (file !== ":memory:") keepPrivate(file);
  const db = new DatabaseSync(file, { timeout: 5000 });
  db.exec("pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma temp_store = memory");
  // Performance: checkpoints at 16 MB instead of 4, so pages that every batch writes are copied four times less often.
  db.exec("pragma wal_autocheckpoint = 4000; pragma busy_timeout = 0");
  // Performance: caches 8 MB of pages instead of 2, which holds the index pages that searches on large tables read.
  db.exec("pragma cache_size = -8000");
  const statements = new Map<string, ReturnType<typeof adapt>>();
  return {
    prepare(text) {
      const cached = statements.get(text);
      if (cached) return cached;
      const statement = adapt(db.prepare(text));
      if (statements.size >= 500) statements.clear();
      statements.set(text, statement);
      return statement;
    },
    close: () => db.close(),
  };
}

type Bindable = null | number | bigint | string | NodeJS.ArrayBufferView;

/** Gives a row the object prototype, as PostgreSQL's driver does. node:sqlite returns rows without one. */
const withPrototype = <Row extends object>(row: Row): Row => Object.setPrototypeOf(row, Object.prototype) as Row;

function adapt(statement: StatementSync) {
  const bind = (values: readonly unknown[]) =>
    values.map((value) => (typeof value === "boolean" ? Number(value) : (value ?? null))) as Bindable[];
  return {
    reader: statement.columns().length > 0,
    all: (values: readonly unknown[]) => statement.all(...bind(values)).map(withPrototype),
    run: (values: readonly unknown[]) => statement.run(...bind(values)),
    *iterate(values: readonly unknown[]) {
      for (const row of statement.iterate(...bind(values))) yield withPrototype(row);
    },
  };
}

class NodeSqliteDialect extends SqliteDialect {
  readonly #open: () => SqliteDatabase;
  #opened: SqliteDatabase | undefined;

  constructor(open: () => SqliteDatabase) {
    super({ database: async () => open() });
    this.#open = open;
  }

  /** The database; opened on first use. */
  get opened(): SqliteDatabase {
    this.#opened ??= this.#open();
    return this.#opened;
  }

  override createDriver() {
    return new ImmediateSqliteDriver({ database: async () => this.opened });
  }

  override createAdapter() {
    return new TransactionalDdlAdapter();
  }

  override createIntrospector = listSqliteTables;
}

/** Maximum wait of a statement for a transaction of another process, in milliseconds. */
const busyTimeoutMs = 30_000;

const begin = CompiledQuery.raw("begin immediate");
const commit = CompiledQuery.raw("commit");
const rollback = CompiledQuery.raw("rollback");

class ImmediateSqliteDriver extends SqliteDriver {
  #retrying: DatabaseConnection | undefined;

  // SQLite's own busy wait would block the event loop, and with it the transaction of this process that has to end first.
  override async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection();
    this.#retrying ??= {
      streamQuery: (query, chunkSize) => connection.streamQuery(query, chunkSize),
      async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
        // SQLite returns without yielding to the event loop, so a long series of statements would block it.
        await yieldIfDue();
        for (const deadline = Date.now() + busyTimeoutMs; ; ) {
          try {
            return await connection.executeQuery<Row>(query);
          } catch (error) {
            // A statement that failed as busy has had no effect, so it can be repeated.
            if (!isBusy(error) || Date.now() > deadline) throw error;
            await new Promise((resolve) => setTimeout(resolve, 2 + Math.random() * 20));
          }
        }
      },
    };
    return this.#retrying;
  }

  // A deferred transaction fails on its first write if another process has written since. An immediate one waits instead.
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(begin);
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(commit);
  }

  // SQLite rolls back by itself after a full disk or an I/O error, and then rejects ROLLBACK. That error must not replace the first one.
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(rollback).catch((error: unknown) => {
      if (!/no transaction is active/.test(toMessage(error))) throw error;
    });
  }
}

function isBusy(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  return code === "ERR_SQLITE_ERROR" && typeof errcode === "number" && (errcode & 0xff) === 5;
}

// SQLite rolls back a CREATE TABLE, so a migration that dies half-way leaves nothing.
class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}
