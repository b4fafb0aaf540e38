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
  };
}

/** An entry as it comes: its images by lead id. */
export interface NewEntry extends Omit<Entry, "source" | "target"> {
  source: ReadonlyMap<number, Image>;
  target: ReadonlyMap<number, Image>;
}

/** Images of rows, in the host's database: durable before the first write to the VICIdial tables. */
export interface Journal {
  open(database: string, entry: NewEntry): Promise<number>;
  done(ids: readonly number[]): Promise<void>;
  /** Entries whose move has not come to its end, oldest first. */
  unfinished(database: string): Promise<{ id: number; entry: Entry }[]>;
  /** Doubts the moves of this time that came to their end: they are unfinished again, each once. */
  reopen(database: string, from: number, to: number): Promise<void>;
  settled(id: number): Promise<void>;
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
    async open(name, { source, target, ...rest }) {
      await purge(name);
      const entry: Entry = { ...rest, source: Object.fromEntries(source), target: Object.fromEntries(target) };
      const packed = deflateRawSync(JSON.stringify(entry), { level: 1 });
      const { id } = await db
        .insertInto("vicidial_journal")
        .values({ database_name: name, state: "open", entry: packed, created_at: clock.now() })
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
        .select(["id", "entry"])
        .where("database_name", "=", name)
        .where("state", "=", "open")
        .orderBy("id")
        .execute();
      return rows.map(({ id, entry }) => ({ id, entry: JSON.parse(inflateRawSync(entry).toString()) as Entry }));
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

    async settled(id) {
      await db.updateTable("vicidial_journal").set({ state: "settled" }).where("id", "=", id).execute();
    },
  };
}
