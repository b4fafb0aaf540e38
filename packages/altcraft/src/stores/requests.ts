import { type Database, statement } from "@reinstate/batch-core";
import { sql } from "kysely";
import type { RequestKey, RequestStore } from "../store.ts";

interface Tables {
  altcraft_requests: {
    token_id: string;
    request_id: string;
    digest: string;
    reply: string | null;
    claimed_at: number;
  };
}

/** The replies kept for repeated requests. The tables are those of the subscriptions' store, which brings them up to date. */
export function createSqlRequestStore(database: Database): RequestStore {
  const db = database.tables<Tables>();
  /*
   * PostgreSQL need not write these down at once. A claim is on disk no later than what is done under it, which is written after
   * it; a reply that a broken machine forgets leaves a claim as a process leaves it that dies before its reply.
   */
  const lazily =
    database.dialect === "postgres" ? sql`set_config('synchronous_commit', 'off', true) = 'off'` : sql`true`;
  const theKey = ({ token_id, request_id }: RequestKey) => sql`token_id = ${token_id} and request_id = ${request_id}`;

  const claim = statement(
    (given: RequestKey & { digest: string; now: number; forgotten: number; abandoned: number }) => {
      const { token_id, request_id, digest, now, forgotten, abandoned } = given;
      const text = sql<RequestKey>`
      insert into altcraft_requests (token_id, request_id, digest, reply, claimed_at)
      select cast(${token_id} as text), cast(${request_id} as text), cast(${digest} as text), null, cast(${now} as bigint)
      where ${lazily}
      on conflict (token_id, request_id) do update set digest = excluded.digest, reply = null, claimed_at = excluded.claimed_at
      where altcraft_requests.claimed_at < ${forgotten}
        or altcraft_requests.reply is null and altcraft_requests.digest = excluded.digest and altcraft_requests.claimed_at < ${abandoned}
      returning token_id`;
      return { compile: () => text.compile(db) };
    },
  );
  const keep = statement((given: RequestKey & { reply: string }) => {
    const text = sql`update altcraft_requests set reply = ${given.reply} where ${theKey(given)} and ${lazily}`;
    return { compile: () => text.compile(db) };
  });

  return {
    async claim({ token_id, request_id }, digest, now, limits) {
      const { rows } = await claim(db, { token_id, request_id, digest, now, ...limits });
      if (rows.length > 0) return undefined;
      const earlier = await db
        .selectFrom("altcraft_requests")
        .select(["digest", "reply"])
        .where("token_id", "=", token_id)
        .where("request_id", "=", request_id)
        .executeTakeFirst();
      // Released in between: whoever asks next will have it.
      return earlier ?? { digest, reply: null };
    },

    async keep({ token_id, request_id }, reply) {
      await keep(db, { token_id, request_id, reply });
    },

    async release(key) {
      await sql`delete from altcraft_requests where ${theKey(key)} and reply is null and ${lazily}`.execute(db);
    },

    async forget(before) {
      await db.deleteFrom("altcraft_requests").where("claimed_at", "<", before).execute();
    },
  };
}
