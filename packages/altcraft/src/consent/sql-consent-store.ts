import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import { sql } from "kysely";
import { type ConsentAction, type Status, statuses } from "../schemas.ts";
import {
  type Db,
  hasKey,
  insertNew,
  keyColumns,
  keyString,
  sameKey,
  storedKey,
  type Tables,
  valuesTable,
} from "../store/rows.ts";
import type {
  Address,
  ConsentAuditFields,
  ConsentEntry,
  ConsentStatus,
  ConsentStore,
  SubscriptionKey,
} from "../store/store.ts";

const addressColumns = { channel: "text", address: "text" } as const;
const suppressionColumns = { ...addressColumns, created_at: "bigint" } as const;

// A channel name holds no white space, so the text is unambiguous.
const toAddressText = ({ channel, address }: Address) => `${channel} ${address}`;

async function log(on: Db, { action, channel, subject, at, actor, reason, requested_by }: Omit<ConsentEntry, "id">) {
  await on
    .insertInto("altcraft_consent_log")
    .values({ action, channel, subject, at, actor, reason, requested_by })
    .execute();
}

async function logAddress(
  on: LedgerTransaction,
  action: ConsentAction,
  [first]: readonly Address[],
  audit: ConsentAuditFields,
): Promise<void> {
  if (first) await log(on as Db, { action, channel: first.channel, subject: first.address, ...audit });
}

/**
 * Stores the suppression list, the digests of erased subscriptions, and the consent log. `createSqlStore` migrates the tables, so call
 * it first.
 */
export function createSqlConsentStore(database: Database): ConsentStore {
  const db = database.tables<Tables>();
  return {
    async readStatus(keys, transaction) {
      const locked =
        database.dialect === "sqlite" ? sql`` : sql`order by ${storedKey} for update of altcraft_subscriptions`;
      const { rows } = await sql<SubscriptionKey & { status: number; suppressed: number }>`
        select ${storedKey}, status,
          case when exists (
            select 1 from altcraft_suppressions
            where altcraft_suppressions.channel = altcraft_subscriptions.channel
              and altcraft_suppressions.address = altcraft_subscriptions.address
          ) then 1 else 0 end as suppressed
        from altcraft_subscriptions, ${valuesTable(database.dialect, keys, keyColumns)} where ${sameKey} ${locked}`.execute(
        (transaction as Db | undefined) ?? db,
      );
      const found = new Map<string, ConsentStatus>();
      for (const row of rows) {
        found.set(keyString(row), { status: statuses[row.status] as Status, suppressed: row.suppressed === 1 });
      }
      return keys.map((key) => found.get(keyString(key)));
    },

    async suppressed(addresses) {
      if (addresses.length === 0) return [];
      const { rows } = await sql<Address>`
        select listed.channel, listed.address
        from altcraft_suppressions as listed, ${valuesTable(database.dialect, addresses, addressColumns)}
        where listed.channel = given.channel and listed.address = given.address`.execute(db);
      const listed = new Set(rows.map(toAddressText));
      return addresses.map((address) => listed.has(toAddressText(address)));
    },

    suppress: (addresses, audit) =>
      database.transaction(async (transaction) => {
        const rows = addresses.map(({ channel, address }) => ({ channel, address, created_at: audit.at }));
        await insertNew(database, "altcraft_suppressions", suppressionColumns, rows, transaction);
        await logAddress(transaction, "suppress", addresses, audit);
      }),

    unsuppress: (addresses, audit) =>
      database.transaction(async (transaction) => {
        for (const { channel, address } of addresses) {
          await (transaction as Db)
            .deleteFrom("altcraft_suppressions")
            .where("channel", "=", channel)
            .where("address", "=", address)
            .execute();
        }
        await logAddress(transaction, "unsuppress", addresses, audit);
      }),

    erase: (key, digest, audit) =>
      database.transaction(async (transaction) => {
        const on = transaction as Db;
        const { numDeletedRows } = await on.deleteFrom("altcraft_subscriptions").where(hasKey(key)).executeTakeFirst();
        if (numDeletedRows === 0n) return false;
        const auditColumns = { erased_at: audit.at, actor: audit.actor, reason: audit.reason };
        await on
          .insertInto("altcraft_erased")
          .values({ digest, ...auditColumns })
          .onConflict((conflict) => conflict.column("digest").doUpdateSet(auditColumns))
          .execute();
        await log(on, { action: "erase", channel: null, subject: digest, ...audit });
        return true;
      }),

    async log({ action, address, before, limit }) {
      return db
        .selectFrom("altcraft_consent_log")
        .selectAll()
        .$if(action !== undefined, (query) => query.where("action", "=", action as ConsentAction))
        .$if(address !== undefined, (query) =>
          query.where("subject", "=", address?.address ?? "").where("channel", "=", address?.channel ?? ""),
        )
        .$if(before !== undefined, (query) => query.where("id", "<", before as number))
        .orderBy("id", "desc")
        .limit(limit)
        .execute();
    },

    async erased(digests, transaction) {
      if (digests.length === 0) return new Set();
      const rows = await ((transaction as Db | undefined) ?? db)
        .selectFrom("altcraft_erased")
        .select("digest")
        .where(database.anyOf("digest", digests))
        .execute();
      return new Set(rows.map(({ digest }) => digest));
    },

    async installationId() {
      return (await db.selectFrom("altcraft_installation").select("id").executeTakeFirstOrThrow()).id;
    },
  };
}
