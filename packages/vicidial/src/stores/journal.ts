import { deflateRawSync, inflateRawSync } from "node:zlib";
import type { Clock, Database } from "@reinstate/batch-core";
import type { Generated } from "kysely";
import type { Verb } from "../store.ts";

/** The columns of a row as texts, NULL as null; of columns that hold bytes the hexadecimal digits. */
export type Image = (string | null)[];

/** What a move is about to take out of the VICIdial tables. */
export interface Entry {
  verb: Verb;
  /** Was a delete asked for? Then twins that are equal are finished by deleting the one in the source. */
  deletes: boolean;
  /** Names of the columns, quoted for SQL. */
  columns: string[];
  /** By lead id. */
  source: Record<string, Image>;
  /** Rows of the target that an update may overwrite. */
  target: Record<string, Image>;
  /** Leads that the target had no copy of, and was to get one. */
  copied: number[];
}

/** `settled`: looked at after a crash, of ours or of the server, and put right; never to be looked at again. */
type State = "open" | "done" | "settled";

interface JournalTables {
  vicidial_journal: {
    id: Generated<number>;
    database_name: string;
    state: State;
    entry: Uint8Array;
    created_at: number;
    /** Whose move it was, as its caller names it. */
    chunk: string | null;
    /** JSON: ids. */
    copied: string;
  };
}

/** An entry as it comes. */
export interface NewEntry extends Pick<Entry, "copied"> {
  packed: Uint8Array;
  chunk: string | undefined;
}

/** Images of rows, in the host's database: durable before the first write to the VICIdial tables. */
export interface Journal {
  open(database: string, entry: NewEntry): Promise<number>;
  done(ids: readonly number[]): Promise<void>;
  /** The ids of the entries whose move has not come to its end, newest first. */
  unfinished(database: string): Promise<number[]>;
  entry(id: number): Promise<Entry>;
  /** What was kept for the moves of one chunk, oldest first. */
  ofChunk(database: string, chunk: string): Promise<Entry[]>;
  /** The names of other databases that have unfinished entries here. */
  others(database: string): Promise<string[]>;
  /** Doubts the moves of this time that came to their end: they are unfinished again, each once. */
  reopen(database: string, from: number, to: number): Promise<void>;
  settled(ids: readonly number[]): Promise<void>;
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
        .execute();
      await db.schema
        .createIndex("vicidial_journal_state")
        .on("vicidial_journal")
        .columns(["database_name", "state", "created_at"])
        .execute();
    },
    "0002_chunks": async (db) => {
      await db.schema.alterTable("vicidial_journal").addColumn("chunk", "text").execute();
      await db.schema
        .createIndex("vicidial_journal_chunk")
        .on("vicidial_journal")
        .columns(["database_name", "chunk"])
        .execute();
    },
    "0003_copied": async (db) => {
      await db.schema
        .alterTable("vicidial_journal")
        .addColumn("copied", "text", (column) => column.notNull().defaultTo("[]"))
        .execute();
    },
  });
  const db = database.tables<JournalTables>();
  const day = 24 * 60 * 60 * 1000;
  let purgedAt = Number.NEGATIVE_INFINITY;

  async function purge(name: string): Promise<void> {
    if (clock.now() < purgedAt + 60 * 60 * 1000) return;
    purgedAt = clock.now();
    await db
      .deleteFrom("vicidial_journal")
      .where("database_name", "=", name)
      .where("state", "!=", "open")
      .where("created_at", "<", clock.now() - days * day)
      .execute();
  }

  return {
    async open(name, { packed, copied, chunk = null }) {
      await purge(name);
      const { id } = await db
        .insertInto("vicidial_journal")
        .values({
          ...{ database_name: name, state: "open", entry: packed, created_at: clock.now(), chunk },
          copied: JSON.stringify(copied),
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      return id;
    },

    async done(ids) {
      if (ids.length === 0) return;
      await db.updateTable("vicidial_journal").set({ state: "done" }).where(database.anyOf("id", ids)).execute();
    },

    async unfinished(name) {
      const rows = await db
        .selectFrom("vicidial_journal")
        .select("id")
        .where("database_name", "=", name)
        .where("state", "=", "open")
        .orderBy("id", "desc")
        .execute();
      return rows.map(({ id }) => id);
    },

    async entry(id) {
      const row = await db
        .selectFrom("vicidial_journal")
        .select(["entry", "copied"])
        .where("id", "=", id)
        .executeTakeFirstOrThrow();
      return unpacked(row);
    },

    async ofChunk(name, chunk) {
      const rows = await db
        .selectFrom("vicidial_journal")
        .select(["entry", "copied"])
        .where("database_name", "=", name)
        .where("chunk", "=", chunk)
        .orderBy("id")
        .execute();
      return rows.map(unpacked);
    },

    async others(name) {
      const rows = await db
        .selectFrom("vicidial_journal")
        .select("database_name")
        .distinct()
        .where("database_name", "!=", name)
        .where("state", "=", "open")
        .execute();
      return rows.map(({ database_name }) => database_name);
    },

    async reopen(name, from, to) {
      await db
        .updateTable("vicidial_journal")
        .set({ state: "open" })
        .where("database_name", "=", name)
        .where("state", "=", "done")
        .where("created_at", ">=", from)
        .where("created_at", "<=", to)
        .execute();
    },

    async settled(ids) {
      await db.updateTable("vicidial_journal").set({ state: "settled" }).where(database.anyOf("id", ids)).execute();
    },
  };
}

type Images = Omit<Entry, "copied">;

/** The images of an entry, ready to be kept. */
export function packEntry({
  source,
  target,
  ...rest
}: Omit<Images, "source" | "target"> & Record<"source" | "target", ReadonlyMap<number, Image>>): Uint8Array {
  const images: Images = { ...rest, source: Object.fromEntries(source), target: Object.fromEntries(target) };
  return deflateRawSync(JSON.stringify(images), { level: 1 });
}

const unpacked = ({ entry, copied }: { entry: Uint8Array; copied: string }): Entry => ({
  ...(JSON.parse(inflateRawSync(entry).toString()) as Images),
  copied: JSON.parse(copied) as number[],
});
