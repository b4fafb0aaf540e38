import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import { type Generated, type Kysely, sql } from "kysely";
import type { ConsentAction } from "../schemas/consent.ts";
import { type Status, statuses } from "../schemas/requests.ts";
import { getDialect } from "../store/dialect.ts";
import { hasKey, keyColumns, keyString, sameKey, storedKey } from "../store/keys.ts";
import { insertNew, type Tables, valuesTable } from "../store/rows.ts";
import type { Address, SubscriptionKey } from "../store/store.ts";
import type { ConsentAuditFields, ConsentEntry, ConsentState, ConsentStore } from "./consent-store.ts";

interface ConsentTables extends Tables {
  altcraft_suppressions: { channel: string; address: string; created_at: number };
  altcraft_erased: { digest: string; erased_at: number; actor: string | null; reason: string };
  altcraft_consent_log: ConsentEntry & { id: Generated<number> };
}

type Db = Kysely<ConsentTables>;

const addressColumns = { channel: "text", address: "text" } as const;
const suppressionColumns = { ...addressColumns, created_at: "bigint" } as const;

// A channel name holds no white space, so the text is unambiguous.
const toAddressText = ({ channel, address }: Address) => `${channel} ${address}`;

async function addEntry(on: Db, entry: Omit<ConsentEntry, "id">): Promise<void> {
  const { action, channel, subject, at, actor, reason, requested_by } = entry;
  await on
    .insertInto("altcraft_consent_log")
    .values({ action, channel, subject, at, actor, reason, requested_by })
    .execute();
}

async function addAddressEntry(
  on: LedgerTransaction,
  action: ConsentAction,
  [first]: readonly Address[],
  audit: ConsentAuditFields,
): Promise<void> {
  if (first) await addEntry(on as Db, { action, channel: first.channel, subject: first.address, ...audit });
}

/** Creates the consent store on SQLite or PostgreSQL. `createSqlStore` migrates the tables, so call it first. */
export function createSqlConsentStore(database: Database): ConsentStore {
  const db = database.tables<ConsentTables>();
  const dialect = getDialect(database);
  return {
    async readStates(keys, transaction) {
      const { rows } = await sql<SubscriptionKey & { status: number; suppressed: number }>`
        select ${storedKey}, status,
          case when exists (
            select 1 from altcraft_suppressions
            where altcraft_suppressions.channel = altcraft_subscriptions.channel
              and altcraft_suppressions.address = altcraft_subscriptions.address
          ) then 1 else 0 end as suppressed
        from altcraft_subscriptions, ${valuesTable(dialect, keys, keyColumns)} where ${sameKey}
        order by ${storedKey} ${dialect.lock}`.execute((transaction as Db | undefined) ?? db);
      const found = new Map<string, ConsentState>();
      for (const row of rows) {
        found.set(keyString(row), { status: statuses[row.status] as Status, suppressed: row.suppressed === 1 });
      }
      return keys.map((key) => found.get(keyString(key)));
    },

    async areSuppressed(addresses) {
      if (addresses.length === 0) return [];
      const { rows } = await sql<Address>`
        select listed.channel, listed.address
        from altcraft_suppressions as listed, ${valuesTable(dialect, addresses, addressColumns)}
        where listed.channel = given.channel and listed.address = given.address`.execute(db);
      const listed = new Set(rows.map(toAddressText));
      return addresses.map((address) => listed.has(toAddressText(address)));
    },

    suppress: (addresses, audit) =>
      database.transaction(async (transaction) => {
        const rows = addresses.map(({ channel, address }) => ({ channel, address, created_at: audit.at }));
        await insertNew(database, "altcraft_suppressions", suppressionColumns, rows, transaction);
        await addAddressEntry(transaction, "suppress", addresses, audit);
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
        await addAddressEntry(transaction, "unsuppress", addresses, audit);
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
        await addEntry(on, { action: "erase", channel: null, subject: digest, ...audit });
        return true;
      }),

    async listEntries({ action, address, before, limit }) {
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

    async findErased(digests, transaction) {
      if (digests.length === 0) return new Set();
      const rows = await ((transaction as Db | undefined) ?? db)
        .selectFrom("altcraft_erased")
        .select("digest")
        .where(database.anyOf("digest", digests))
        .execute();
      return new Set(rows.map(({ digest }) => digest));
    },
  };
}
