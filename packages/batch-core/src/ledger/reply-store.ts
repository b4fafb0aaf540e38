import { sql } from "kysely";
import type { Database } from "../database/database.ts";
import { statement } from "../database/prepared-statement.ts";
import type { LedgerTables } from "./tables.ts";

/** A key, and a random token that distinguishes its owner from a request that takes the key over. */
export interface ReplyClaim {
  scope: string;
  key: string;
  claim: string;
}

/**
 * The replies of keyed requests. One request at a time claims a key. A request that has lost its claim changes nothing. Times are
 * milliseconds since 1970 UTC.
 */
export interface ReplyStore {
  /**
   * Claims a key that is free, expired, or abandoned by the same request, and returns undefined. Otherwise returns the digest of the
   * earlier request, and its reply once there is one. `limits`: keys claimed before `forgotten` are expired; claims without a
   * heartbeat since `abandoned` are abandoned.
   */
  claim(
    claim: ReplyClaim,
    digest: string,
    now: number,
    limits: { forgotten: number; abandoned: number },
  ): Promise<{ digest: string; reply: string | null } | undefined>;
  /** Records that the claim is not abandoned. */
  renew(claim: ReplyClaim, now: number): Promise<void>;
  /** Stores the reply of a claimed key. */
  keep(claim: ReplyClaim, reply: string): Promise<void>;
  /** Deletes a claim that has no reply. */
  release(claim: ReplyClaim): Promise<void>;
  /** Deletes the keys that were claimed before a time. */
  forget(before: number): Promise<void>;
}

/** Creates the store of replies in the ledger's database, whose tables must exist. */
export function createReplyStore(database: Database): ReplyStore {
  const db = database.tables<LedgerTables>();
  /*
   * Performance: PostgreSQL need not flush these writes at once. A claim reaches the disk no later than the writes made under it,
   * because they follow it in the log. A reply that is lost in a crash leaves a claim, as if the process had died before the reply.
   */
  const lazily =
    database.dialect === "postgres" ? sql`set_config('synchronous_commit', 'off', true) = 'off'` : sql`true`;
  const isOwn = ({ scope, key, claim }: ReplyClaim) =>
    sql`scope = ${scope} and idempotency_key = ${key} and claim = ${claim} and reply is null`;

  const claim = statement(
    (parameters: ReplyClaim & { digest: string; now: number; forgotten: number; abandoned: number }) => {
      const { scope, key, digest, now, claim, forgotten, abandoned } = parameters;
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
  const keep = statement((parameters: ReplyClaim & { reply: string }) => {
    const text = sql`update reinstate_replies set reply = ${parameters.reply} where ${isOwn(parameters)} and ${lazily}`;
    return { compile: () => text.compile(db) };
  });

  return {
    async claim(request, digest, now, limits) {
      const { scope, key } = request;
      const { rows } = await claim(db, { ...request, digest, now, ...limits });
      if (rows.length > 0) return undefined;
      const earlier = await db
        .selectFrom("reinstate_replies")
        .select(["digest", "reply"])
        .where("scope", "=", scope)
        .where("idempotency_key", "=", key)
        .executeTakeFirst();
      // If the key was released in between, the next request claims it.
      return { digest: earlier?.digest ?? digest, reply: earlier?.reply ?? null };
    },

    async renew(claim, now) {
      await sql`update reinstate_replies set claimed_at = ${now} where ${isOwn(claim)} and ${lazily}`.execute(db);
    },

    async keep(claim, reply) {
      await keep(db, { ...claim, reply });
    },

    async release(claim) {
      await sql`delete from reinstate_replies where ${isOwn(claim)} and ${lazily}`.execute(db);
    },

    async forget(before) {
      await db.deleteFrom("reinstate_replies").where("claimed_at", "<", before).execute();
    },
  };
}
