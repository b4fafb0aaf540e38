import { sql } from "kysely";
import type { Database } from "../database/database.ts";
import { statement } from "../database/prepared-statement.ts";
import type { LedgerTables } from "./tables.ts";

/** A key, and the word that tells its holder from the one that takes the key over. */
export interface ReplyClaim {
  scope: string;
  key: string;
  claim: string;
}

/**
 * The replies of keyed requests. One request at a time claims a key; one that has lost its claim changes nothing any more. Times
 * are milliseconds since 1970 UTC.
 */
export interface ReplyStore {
  /**
   * Claims a key that is free, forgotten, or abandoned by the same request; returns undefined then. Otherwise returns what the earlier
   * request left: its digest, and its reply once there is one.
   */
  claim(
    claim: ReplyClaim,
    digest: string,
    now: number,
    limits: { forgotten: number; abandoned: number },
  ): Promise<{ digest: string; reply: string | null } | undefined>;
  /** Records that the claim is not abandoned. */
  renew(claim: ReplyClaim, now: number): Promise<void>;
  keep(claim: ReplyClaim, reply: string): Promise<void>;
  /** Gives up a claim without a reply. */
  release(claim: ReplyClaim): Promise<void>;
  /** Deletes what was claimed before a time. */
  forget(before: number): Promise<void>;
}

/** The replies in the ledger's database, whose tables must be there. */
export function createReplyStore(database: Database): ReplyStore {
  const db = database.tables<LedgerTables>();
  /*
   * Performance: PostgreSQL need not write these to disk at once. A claim is on disk no later than what is done under it, which is
   * written after it; a reply that is lost with the machine leaves a claim, like a process that dies before its reply.
   */
  const lazily =
    database.dialect === "postgres" ? sql`set_config('synchronous_commit', 'off', true) = 'off'` : sql`true`;
  const ours = ({ scope, key, claim }: ReplyClaim) =>
    sql`scope = ${scope} and idempotency_key = ${key} and claim = ${claim} and reply is null`;

  const claim = statement(
    (given: ReplyClaim & { digest: string; now: number; forgotten: number; abandoned: number }) => {
      const { scope, key, digest, now, claim, forgotten, abandoned } = given;
      const text = sql<{ scope: string }>`
      insert into reinstate_replies (scope, idempotency_key, digest, reply, claimed_at, claim)
      select cast(${scope} as text), cast(${key} as text), cast(${digest} as text), null, cast(${now} as bigint),
        cast(${claim} as text)
      where ${lazily}
      on conflict (scope, idempotency_key) do update
      set digest = excluded.digest, reply = null, claimed_at = excluded.claimed_at, claim = excluded.claim
      where reinstate_replies.claimed_at < ${forgotten}
        or reinstate_replies.reply is null and reinstate_replies.digest = excluded.digest and reinstate_replies.claimed_at < ${abandoned}
      returning scope`;
      return { compile: () => text.compile(db) };
    },
  );
  const keep = statement((given: ReplyClaim & { reply: string }) => {
    const text = sql`update reinstate_replies set reply = ${given.reply} where ${ours(given)} and ${lazily}`;
    return { compile: () => text.compile(db) };
  });

  return {
    async claim(given, digest, now, limits) {
      const { scope, key } = given;
      const { rows } = await claim(db, { ...given, digest, now, ...limits });
      if (rows.length > 0) return undefined;
      const earlier = await db
        .selectFrom("reinstate_replies")
        .select(["digest", "reply"])
        .where("scope", "=", scope)
        .where("idempotency_key", "=", key)
        .executeTakeFirst();
      // Released in between: the next request claims it.
      return { digest: earlier?.digest ?? digest, reply: earlier?.reply ?? null };
    },

    async renew(claim, now) {
      await sql`update reinstate_replies set claimed_at = ${now} where ${ours(claim)} and ${lazily}`.execute(db);
    },

    async keep(claim, reply) {
      await keep(db, { ...claim, reply });
    },

    async release(claim) {
      await sql`delete from reinstate_replies where ${ours(claim)} and ${lazily}`.execute(db);
    },

    async forget(before) {
      await db.deleteFrom("reinstate_replies").where("claimed_at", "<", before).execute();
    },
  };
}
