import { type Database, statement } from "@reinstate/batch-core";
import { sql } from "kysely";
import type { RequestClaim, RequestStore } from "../store.ts";

interface Tables {
  altcraft_requests: {
    token_id: string;
    request_id: string;
    digest: string;
    reply: string | null;
    /** The last sign of life. */
    claimed_at: number;
    claim: string | null;
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
  const ours = ({ token_id, request_id, claim }: RequestClaim) =>
    sql`token_id = ${token_id} and request_id = ${request_id} and claim = ${claim} and reply is null`;

  const claim = statement(
    (given: RequestClaim & { digest: string; now: number; forgotten: number; abandoned: number }) => {
      const { token_id, request_id, digest, now, claim, forgotten, abandoned } = given;
      const text = sql<{ token_id: string }>`
      insert into altcraft_requests (token_id, request_id, digest, reply, claimed_at, claim)
      select cast(${token_id} as text), cast(${request_id} as text), cast(${digest} as text), null, cast(${now} as bigint),
        cast(${claim} as text)
      where ${lazily}
      on conflict (token_id, request_id) do update
      set digest = excluded.digest, reply = null, claimed_at = excluded.claimed_at, claim = excluded.claim
      where altcraft_requests.claimed_at < ${forgotten}
        or altcraft_requests.reply is null and altcraft_requests.digest = excluded.digest and altcraft_requests.claimed_at < ${abandoned}
      returning token_id`;
      return { compile: () => text.compile(db) };
    },
  );
  const keep = statement((given: RequestClaim & { reply: string }) => {
    const text = sql`update altcraft_requests set reply = ${given.reply} where ${ours(given)} and ${lazily}`;
    return { compile: () => text.compile(db) };
  });

  return {
    async claim(given, digest, now, limits) {
      const { token_id, request_id } = given;
      const { rows } = await claim(db, { ...given, digest, now, ...limits });
      if (rows.length > 0) return undefined;
      const earlier = await db
        .selectFrom("altcraft_requests")
        .select(["digest", "reply"])
        .where("token_id", "=", token_id)
        .where("request_id", "=", request_id)
        .executeTakeFirst();
      // Released in between: whoever asks next will have it.
      return { digest: earlier?.digest ?? digest, reply: earlier?.reply ?? null };
    },

    async renew(claim, now) {
      await sql`update altcraft_requests set claimed_at = ${now} where ${ours(claim)} and ${lazily}`.execute(db);
    },

    async keep(claim, reply) {
      await keep(db, { ...claim, reply });
    },

    async release(claim) {
      await sql`delete from altcraft_requests where ${ours(claim)} and ${lazily}`.execute(db);
    },

    async forget(before) {
      await db.deleteFrom("altcraft_requests").where("claimed_at", "<", before).execute();
    },
  };
}
