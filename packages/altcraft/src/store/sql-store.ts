import type { Database } from "@reinstate/batch-core";
import { sql } from "kysely";
import { statuses } from "../schemas/requests.ts";
import { getDialect } from "./dialect.ts";
import { createFlag } from "./flag.ts";
import { type Columns, hasKey } from "./keys.ts";
import { migrations } from "./migrations.ts";
import { createReads } from "./reads.ts";
import {
  type Db,
  insertNew,
  profileColumns,
  resourceColumns,
  subscriptionColumns,
  type Tables,
  toRow,
  toSubscription,
  withKey,
} from "./rows.ts";
import type { StoredSubscription, SubscriptionStore } from "./store.ts";

/** Creates the store of subscriptions on SQLite or PostgreSQL, and migrates its tables. */
export async function createSqlStore(database: Database): Promise<SubscriptionStore> {
  await database.migrate("altcraft", migrations);
  const db = database.tables<Tables>();
  const dialect = getDialect(database);
  const insert = (table: keyof Tables, columns: Columns, rows: readonly object[]) =>
    insertNew(database, table, columns, rows);

  async function putOne(
    on: Db,
    fresh: StoredSubscription,
    edit: (stored: StoredSubscription) => StoredSubscription,
  ): Promise<StoredSubscription> {
    for (;;) {
      const inserted = await on
        .insertInto("altcraft_subscriptions")
        .values(toRow(fresh))
        .onConflict((conflict) => conflict.doNothing())
        .returning("address")
        .executeTakeFirst();
      if (inserted) return fresh;
      // The insert has waited for the transaction that held the key.
      const row = await withKey(on, fresh).modifyEnd(dialect.lock).executeTakeFirst();
      // Erased between the two statements, so the key is free: insert again.
      if (!row) continue;
      const next = edit(toSubscription(row));
      const {
        db_id: _db,
        profile_id: _profile,
        resource_id: _resource,
        channel: _channel,
        address: _,
        ...values
      } = toRow(next);
      await on.updateTable("altcraft_subscriptions").set(values).where(hasKey(next)).execute();
      return next;
    }
  }

  return {
    ...createReads(database),
    flag: createFlag(database),

    async changeStatus({ db_id, channel, resource_id }, { from, to, at, deleted }) {
      const within = sql.join(
        [
          sql`db_id = ${db_id} and status = ${statuses.indexOf(from)}`,
          ...(deleted ? [] : [sql`is_delete = 0`]),
          ...(channel === undefined ? [] : [sql`channel = ${channel}`]),
          ...(resource_id === undefined ? [] : [sql`resource_id = ${resource_id}`]),
        ],
        sql` and `,
      );
      const change = sql`update altcraft_subscriptions set status = ${statuses.indexOf(to)}, updated_at = ${at}`;
      const { numAffectedRows } = await dialect.updateWhere(change, within).execute(db);
      return Number(numAffectedRows ?? 0);
    },

    put: (fresh, edit, { withProfile = false } = {}) =>
      database.transaction(async (transaction) => {
        const on = transaction as Db;
        const written = await putOne(on, fresh, edit);
        if (withProfile) await insertNew(database, "altcraft_profiles", profileColumns, [fresh], transaction);
        return written;
      }),

    async addProfiles(profiles) {
      await insert("altcraft_profiles", profileColumns, profiles);
    },
    async addResources(resources) {
      const rows = resources.map(({ resource_id, cats }) => ({ resource_id, cats: cats && JSON.stringify(cats) }));
      await insert("altcraft_resources", resourceColumns, rows);
    },
    addSubscriptions: (subscriptions) =>
      insert("altcraft_subscriptions", subscriptionColumns, subscriptions.map(toRow)),
  };
}
