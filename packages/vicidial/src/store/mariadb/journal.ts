import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Clock, Database } from "@reinstate/batch-core";
import type { Generated } from "kysely";
import type { Verb } from "../../leads/move-types.ts";

/** The column values of a row as text, NULL as null, binary columns as hexadecimal digits. */
export type RowImage = (string | null)[];

/** The before-images of one slice of a move. */
export interface Entry {
  verb: Verb;
  /** True if a delete was requested: recovery then deletes a lead from the source if the target holds an equal copy. */
  deletes: boolean;
  /** True if recovery must undo the copies when one of the leads does not fit into the target. */
  allOrNothing?: boolean;
  /** Names of the columns, quoted for SQL. */
  columns: string[];
  /** Source rows by lead id. */
  source: Record<string, RowImage>;
  /** Target rows that an update may overwrite, by lead id. */
  target: Record<string, RowImage>;
  /** Ids of the leads to insert into the target. */
  copied: number[];
}

/**
 * `open`: the move is running or was interrupted. `done`: it has finished. `doubted`: it had finished, but a server crash may have
 * lost writes. `settled`: recovered. The diagram is in `move.ts`.
 */
type State = "open" | "done" | "doubted" | "settled";

const unfinishedStates: State[] = ["open", "doubted"];

/** An entry that must be recovered. */
export interface Unfinished {
  id: number;
  doubted: boolean;
  createdAt: number;
}

interface JournalTables {
  vicidial_journal: {
    id: Generated<number>;
    database_name: string;
    state: State;
    entry: Uint8Array;
    created_at: number;
    /** The chunk of the move, as its caller names it. */
    chunk: string | null;
  };
}

/**
 * The write-ahead journal in the host's database. Entries are durable before the first write to the VICIdial tables. A namespace
 * is the name of one VICIdial database.
 */
export interface Journal {
  /** Opens an entry for a chunk. Returns its id. */
  open(namespace: string, record: string, chunk?: string): Promise<number>;
  /** Replaces the record of an entry. */
  update(id: number, record: string): Promise<void>;
  /** Marks entries as done. */
  markDone(ids: readonly number[]): Promise<void>;
  /** Returns the entries that must be recovered, newest first. */
  unfinished(namespace: string): Promise<Unfinished[]>;
  entry(id: number): Promise<Entry>;
  /** Returns the entries of one chunk, oldest first. */
  ofChunk(namespace: string, chunk: string): Promise<Entry[]>;
  /** Returns the other namespaces with unfinished entries. */
  others(namespace: string): Promise<string[]>;
  /** Reopens entries that were created in this interval and marked done, so that they are recovered once more. */
  reopen(namespace: string, from: number, to: number): Promise<void>;
  /** Marks entries as recovered. */
  markSettled(ids: readonly number[]): Promise<void>;
}

export async function createJournal(database: Database, clock: Clock, days: number): Promise<Journal> {
  await database.migrate("vicidial_journal", {
    "0001_journal": async (db, { types }) => {
      await db.schema
        .createTable("vicidial_journal")
        .addColumn("id", types.identity)
        .addColumn("database_name", "text", (column) => column.notNull())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("entry", types.bytes, (column) => column.notNull())
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("chunk", "text")
        .execute();
      const indexes: [string, (keyof JournalTables["vicidial_journal"])[]][] = [
        ["vicidial_journal_state", ["database_name", "state", "created_at"]],
        ["vicidial_journal_chunk", ["database_name", "chunk"]],
      ];
      for (const [name, columns] of indexes) {
        await db.schema.createIndex(name).on("vicidial_journal").columns(columns).execute();
      }
    },
  });
  const db = database.tables<JournalTables>();
  const day = 24 * 60 * 60 * 1000;
  let purgedAt = Number.NEGATIVE_INFINITY;

  async function purge(namespace: string): Promise<void> {
    if (clock.now() < purgedAt + 60 * 60 * 1000) return;
    purgedAt = clock.now();
    await db
      .deleteFrom("vicidial_journal")
      .where("database_name", "=", namespace)
      .where("state", "not in", unfinishedStates)
      .where("created_at", "<", clock.now() - days * day)
      .execute();
  }

  return {
    async open(namespace, record, chunk) {
      await purge(namespace);
      const { id } = await db
        .insertInto("vicidial_journal")
        .values({
          database_name: namespace,
          state: "open",
          entry: pack(record),
          created_at: clock.now(),
          chunk: chunk ?? null,
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      return id;
    },

    async update(id, record) {
      await db
        .updateTable("vicidial_journal")
        .set({ entry: pack(record) })
        .where("id", "=", id)
        .execute();
    },

    async markDone(ids) {
      if (ids.length === 0) return;
      await db.updateTable("vicidial_journal").set({ state: "done" }).where(database.anyOf("id", ids)).execute();
    },

    async unfinished(namespace) {
      const rows = await db
        .selectFrom("vicidial_journal")
        .select(["id", "state", "created_at"])
        .where("database_name", "=", namespace)
        .where("state", "in", unfinishedStates)
        .orderBy("id", "desc")
        .execute();
      return rows.map(({ id, state, created_at }) => ({
        id,
        doubted: state === "doubted",
        createdAt: Number(created_at),
      }));
    },

    async entry(id) {
      const row = await db
        .selectFrom("vicidial_journal")
        .select("entry")
        .where("id", "=", id)
        .executeTakeFirstOrThrow();
      return unpack(row);
    },

    async ofChunk(namespace, chunk) {
      const rows = await db
        .selectFrom("vicidial_journal")
        .select("entry")
        .where("database_name", "=", namespace)
        .where("chunk", "=", chunk)
        .orderBy("id")
        .execute();
      return rows.map(unpack);
    },

    async others(namespace) {
      const rows = await db
        .selectFrom("vicidial_journal")
        .select("database_name")
        .distinct()
        .where("database_name", "!=", namespace)
        .where("state", "in", unfinishedStates)
        .execute();
      return rows.map(({ database_name }) => database_name);
    },

    async reopen(namespace, from, to) {
      await db
        .updateTable("vicidial_journal")
        .set({ state: "doubted" })
        .where("database_name", "=", namespace)
        .where("state", "=", "done")
        .where("created_at", ">=", from)
        .where("created_at", "<=", to)
        .execute();
    },

    async markSettled(ids) {
      await db.updateTable("vicidial_journal").set({ state: "settled" }).where(database.anyOf("id", ids)).execute();
    },
  };
}

/** Serializes an entry for the journal. */
export function serializeEntry({
  source,
  target,
  ...rest
}: Omit<Entry, "source" | "target"> & Record<"source" | "target", ReadonlyMap<number, RowImage>>): string {
  const entry: Entry = { ...rest, source: Object.fromEntries(source), target: Object.fromEntries(target) };
  return JSON.stringify(entry);
}

const pack = (record: string): Uint8Array => deflateRawSync(record, { level: 1 });
const unpack = ({ entry }: { entry: Uint8Array }) => JSON.parse(inflateRawSync(entry).toString()) as Entry;
