import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import type { Database } from "../../database/database.ts";
import { overSqlite } from "../../database/sqlite.ts";
import { createSqlLedger } from "../../ledger/sql-ledger.ts";
import type { Owner } from "./scheduler.ts";

/** The hooks around each statement of one process. */
export interface Around {
  owner: Owner;
  /** Waits before and after each statement, where the process may die. */
  gate(): Promise<void>;
  /** Throws if the commit, or its result, is to be lost. */
  commit(when: "before" | "after"): void;
}

const plain: Around = { owner: { name: "set-up", dead: false }, gate: async () => {}, commit: () => {} };

/**
 * One in-memory SQLite database that simulated processes share, with one transaction at a time. Uncommitted changes of a dead process are
 * rolled back.
 */
export class Disk {
  readonly #raw = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, { statement: StatementSync; reader: boolean }>();
  #holder: Owner | undefined;
  #waiting: { owner: Owner; go(): void }[] = [];

  /** Creates a disk with the ledger's tables and a table of effects. */
  static async make(): Promise<Disk> {
    const disk = new Disk();
    await createSqlLedger(disk.open(plain));
    disk.#raw.exec("create table effects (batch_id integer not null, item integer not null)");
    return disk;
  }

  /** Returns the database for one process. Its tables exist already. */
  open(around: Around): Database {
    const kysely = new Kysely<unknown>({
      dialect: {
        createAdapter: () => new SharedAdapter(),
        createDriver: () => this.#driver(around),
        createIntrospector: (db) => new SqliteIntrospector(db),
        createQueryCompiler: () => new SqliteQueryCompiler(),
      },
    });
    const database = overSqlite(kysely, { soon: queueMicrotask });
    return around === plain ? database : { ...database, migrate: async () => {} };
  }

  /** Reads outside of every process. */
  read<Row>(statement: string): Row[] {
    return this.#raw.prepare(statement).all() as Row[];
  }

  /** Empties the disk. */
  clear(): void {
    this.#holder = undefined;
    this.#waiting = [];
    if (this.#raw.isTransaction) this.#raw.exec("rollback");
    for (const table of ["batches", "chunks", "items", "outcomes", "intents", "idempotency", "pace"]) {
      this.#raw.exec(`delete from reinstate_${table}`);
    }
    this.#raw.exec("delete from effects");
  }

  /** Rolls back the open transaction of a process that dies. */
  crash(owner: Owner): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.owner !== owner);
    if (this.#holder !== owner) return;
    if (this.#raw.isTransaction) this.#raw.exec("rollback");
    this.#release();
  }

  #acquire(owner: Owner): Promise<void> {
    if (!this.#holder) {
      this.#holder = owner;
      return Promise.resolve();
    }
    return new Promise((go) => this.#waiting.push({ owner, go }));
  }

  #release(): void {
    const next = this.#waiting.shift();
    this.#holder = next?.owner;
    next?.go();
  }

  #run<Row>({ sql, parameters }: CompiledQuery): QueryResult<Row> {
    let known = this.#statements.get(sql);
    if (!known) {
      const statement = this.#raw.prepare(sql);
      known = { statement, reader: statement.columns().length > 0 };
      this.#statements.set(sql, known);
    }
    const values = parameters as SQLInputValue[];
    if (known.reader) return { rows: known.statement.all(...values) as Row[] };
    return { rows: [], numAffectedRows: BigInt(known.statement.run(...values).changes) };
  }

  #driver({ owner, gate, commit }: Around): Driver {
    const connection: DatabaseConnection = {
      executeQuery: async <Row>(query: CompiledQuery) => {
        await gate();
        const result = this.#run<Row>(query);
        await gate();
        return result;
      },
      // biome-ignore lint/correctness/useYield: the core streams no statement.
      async *streamQuery() {
        throw new Error("streams are not simulated");
      },
    };
    return {
      init: async () => {},
      acquireConnection: async () => {
        await this.#acquire(owner);
        return connection;
      },
      beginTransaction: async () => void (await connection.executeQuery(CompiledQuery.raw("begin immediate"))),
      commitTransaction: async () => {
        commit("before");
        await connection.executeQuery(CompiledQuery.raw("commit"));
        commit("after");
      },
      rollbackTransaction: async () => {
        if (this.#raw.isTransaction) await connection.executeQuery(CompiledQuery.raw("rollback"));
      },
      releaseConnection: async () => this.#release(),
      destroy: async () => {},
    };
  }
}

// The disk decides which process may continue: there is one transaction for all.
class SharedAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}
