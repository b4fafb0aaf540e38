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

/** A probe that takes longer waits for another transaction. */
const busyMs = 500;

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
 * SQLite behind any driver; `direct` where its statements may be carried out at once while a transaction has it for itself,
 * `soon` where moments are something else than turns of the event loop.
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
        // Whoever still holds it has the database for himself no longer.
        rawExecutors.delete(transaction);
      }
    });
  // The row is larger than a page, so the file has to grow or to have free pages; the delete frees them again.
  let probing: Promise<void> | undefined;
  const storage = createStorageWatch(async () => {
    probing ??= begin(async (transaction) => {
      await sql`insert into reinstate_probe values (zeroblob(10000))`.execute(transaction);
      await sql`delete from reinstate_probe`.execute(transaction);
    }).finally(() => {
      probing = undefined;
    });
    // A file is never silent: a probe that has to wait waits for another writer, and so there is room.
    await Promise.race([probing, delay(busyMs, undefined, { ref: false })]);
  });
  const transaction: Database["transaction"] = (work) => storage.observe(() => begin(work));
  return {
    dialect: "sqlite",
    tables: <Tables>() => kysely as Kysely<Tables>,
    transaction,
    groupCommit: createGroupCommit({ transaction, schedule: soon, maxConcurrent: 1, runAll: oneByOne }),
    anyOf: (column, values) =>
      sql<boolean>`${sql.ref(column)} in (select value from json_each(${mapPlaceholder(values, JSON.stringify)}))`,
    migrate: migrator(kysely),
    storage,
    types: { identity: sql`integer primary key autoincrement`, bytes: sql`blob`, word: sql`text` },
    close: () => kysely.destroy(),
  };
}

/** There is nothing to wait for: SQLite carries out each statement at once. */
const oneByOne: GroupCommitParts["runAll"] = async (works, transaction) => {
  const results: unknown[] = [];
  for (const work of works) results.push(await work(transaction));
  return results;
};

function openSqliteFile(file: string): SqliteDatabase {
  if (file !== ":memory:") keepPrivate(file);
  const db = new DatabaseSync(file, { timeout: 5000 });
  db.exec("pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma temp_store = memory");
  // Pages are copied home at 16 MB instead of at 4: those that every batch writes, four times less often.
  db.exec("pragma wal_autocheckpoint = 4000; pragma busy_timeout = 0");
  // 8 MB of pages at hand instead of 2: what a search on a large table looks up each time stays there.
  db.exec("pragma cache_size = -8000");
  const statements = new Map<string, ReturnType<typeof adapt>>();
  return {
    prepare(text) {
      const known = statements.get(text);
      if (known) return known;
      const statement = adapt(db.prepare(text));
      if (statements.size >= 500) statements.clear();
      statements.set(text, statement);
      return statement;
    },
    close: () => db.close(),
  };
}

type Bindable = null | number | bigint | string | NodeJS.ArrayBufferView;

/** Gives a row the methods of an object: node:sqlite makes rows without them, unlike the driver of PostgreSQL. */
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

  /** The database, opened at its first use. */
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

/** How long a statement waits for another process's transaction, in milliseconds. */
const patienceMs = 30_000;

const begin = CompiledQuery.raw("begin immediate");
const commit = CompiledQuery.raw("commit");
const rollback = CompiledQuery.raw("rollback");

class ImmediateSqliteDriver extends SqliteDriver {
  #patient: DatabaseConnection | undefined;

  // SQLite's own waiting would hold the event loop, and with it a transaction of this very process that is to end first.
  override async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection();
    this.#patient ??= {
      streamQuery: (query, chunkSize) => connection.streamQuery(query, chunkSize),
      async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
        // SQLite answers without a turn of the event loop: a long series of statements would hold it to its end.
        await yieldIfDue();
        for (const deadline = Date.now() + patienceMs; ; ) {
          try {
            return await connection.executeQuery<Row>(query);
          } catch (error) {
            // What met a busy database has done nothing, so it may be said again.
            if (!isBusy(error) || Date.now() > deadline) throw error;
            await new Promise((resolve) => setTimeout(resolve, 2 + Math.random() * 20));
          }
        }
      },
    };
    return this.#patient;
  }

  // A deferred transaction that turns into a writer fails at once when another process has written since; an immediate one waits.
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(begin);
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await connection.executeQuery(commit);
  }

  // SQLite itself rolls back after a full disk or an I/O error, and then refuses to do it again. That refusal must not replace
  // the first error.
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

// SQLite can undo a CREATE TABLE: a migration that dies half-way leaves nothing.
class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}
