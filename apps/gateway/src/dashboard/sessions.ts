import { hash, randomBytes } from "node:crypto";
import type { Host, Key } from "@reinstate/batch-core";
import { sql } from "kysely";

/** A signed-in browser. */
export interface Session {
  /** The digest of its token. */
  id: string;
  key: Key;
  /** The session may change something. */
  canWrite: boolean;
}

/** Sessions of all processes on one database. Only digests of their tokens are stored. */
export interface Sessions {
  /** Starts a session for a key and returns its token. */
  start(key: Key): Promise<string>;
  /** Returns a session while its key is valid. */
  find(token: string): Promise<Session | undefined>;
  end(token: string): Promise<void>;
}

interface Tables {
  reinstate_sessions: { digest: string; key_id: string; expires_at: number };
}

export const sessionMs = 12 * 3_600_000;

const digestToken = (token: string): string => hash("sha256", token, "hex");

/** Creates the table of sessions where it is missing. */
export async function createSessions({ database, clock, keys }: Host): Promise<Sessions> {
  await database.migrate("reinstate_dashboard", {
    async "0001_sessions"(db) {
      await sql`create table reinstate_sessions (
        digest text primary key,
        key_id text not null,
        expires_at bigint not null
      )`.execute(db);
      await sql`create index reinstate_sessions_end on reinstate_sessions (expires_at)`.execute(db);
    },
  });
  const db = database.tables<Tables>();
  return {
    async start({ id }) {
      const token = randomBytes(32).toString("base64url");
      const now = clock.now();
      await db.deleteFrom("reinstate_sessions").where("expires_at", "<=", now).execute();
      await db
        .insertInto("reinstate_sessions")
        .values({ digest: digestToken(token), key_id: id, expires_at: now + sessionMs })
        .execute();
      return token;
    },

    async find(token) {
      const id = digestToken(token);
      const row = await db
        .selectFrom("reinstate_sessions")
        .select("key_id")
        .where("digest", "=", id)
        .where("expires_at", ">", clock.now())
        .executeTakeFirst();
      const key = row && (await keys.findById(row.key_id));
      return key?.revokedAt === null ? { id, key, canWrite: key.options.access !== "read" } : undefined;
    },

    async end(token) {
      await db.deleteFrom("reinstate_sessions").where("digest", "=", digestToken(token)).execute();
    },
  };
}
