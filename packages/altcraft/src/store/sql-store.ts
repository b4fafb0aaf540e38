import { type Database, statement } from "@reinstate/batch-core";
import { sql } from "kysely";
import { type Status, statuses } from "../schemas.ts";
import { migrations } from "./migrations.ts";
import {
  type Columns,
  type Db,
  hasKey,
  insertNew,
  jsonTable,
  keyColumns,
  keyString,
  lockInKeyOrder,
  profileColumns,
  resourceColumns,
  sameKey,
  storedKey,
  subscriptionColumns,
  type Tables,
  toJsonRows,
  toRow,
  toSubscription,
  valuesTable,
} from "./rows.ts";
import type { Flagged, StoredSubscription, SubscriptionKey, SubscriptionStore } from "./store.ts";

/** Creates the store of subscriptions on SQLite or PostgreSQL, and migrates its tables. */
export async function createSqlStore(database: Database): Promise<SubscriptionStore> {
  await database.migrate("altcraft", migrations);
  const db = database.tables<Tables>();

  interface Change {
    at: number;
    deleted_at: number | null;
    since: number;
  }

  /** Prepares the statements that set the flag of one key and of many keys. */
  function prepareFlagStatements(is_delete: boolean, limited: boolean) {
    const was = sql`altcraft_subscriptions.is_delete = ${sql.lit(Number(!is_delete))}`;
    const change = ({ at, deleted_at }: Change) =>
      sql`update altcraft_subscriptions
        set is_delete = ${sql.lit(Number(is_delete))}, deleted_at = ${deleted_at}, updated_at = ${at}`;
    const inTime = ({ since }: Change) => (limited ? sql`and altcraft_subscriptions.deleted_at >= ${since}` : sql``);
    return {
      one: statement(
        (given: Change & SubscriptionKey) => {
          // Only the number of returned rows matters.
          const text = sql<{
            db_id: number;
          }>`${change(given)} where ${hasKey(given)} and ${was} ${inTime(given)} returning db_id`;
          return { compile: () => text.compile(db) };
        },
        { byKey: true },
      ),
      many: statement((given: Change & { list: string }) => {
        const rows = lockInKeyOrder(database.dialect, jsonTable(database.dialect, given.list, keyColumns));
        const text = sql<SubscriptionKey>`${change(given)} from ${rows} where ${sameKey} and ${was} ${inTime(given)}
          returning ${storedKey}`;
        return { compile: () => text.compile(db) };
      }),
    };
  }

  const findByKey = statement((key: SubscriptionKey) => withKey(db, key));
  const changeFlag = {
    delete: prepareFlagStatements(true, false),
    undelete: prepareFlagStatements(false, false),
    undeleteSince: prepareFlagStatements(false, true),
  };

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
      // The insert has waited for the transaction that held the key. SQLite has one writer, so it needs no lock.
      const row = await withKey(on, fresh)
        .$if(database.dialect === "postgres", (query) => query.forUpdate())
        .executeTakeFirst();
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
    async flag(keys, { is_delete, at, deletedSince }, transaction) {
      const on = (transaction as Db | undefined) ?? db;
      const [first] = keys;
      if (!first) return [];
      const limited = deletedSince !== undefined && !is_delete;
      const values = { at, deleted_at: is_delete ? at : null, since: limited ? deletedSince : 0 };
      const { one, many } = changeFlag[is_delete ? "delete" : limited ? "undeleteSince" : "undelete"];
      if (keys.length === 1 && (await one(on, { ...pickKey(first), ...values })).rows.length === 1) return ["changed"];
      const found = new Map<string, Flagged>();
      let remaining = keys;
      for (let attempt = 1; remaining.length > 0; attempt++) {
        // A single key has been tried above.
        if (attempt > 1 || keys.length > 1) {
          const { rows } = await many(on, { ...values, list: toJsonRows(remaining, keyColumns) });
          if (rows.length === keys.length) return keys.map(() => "changed");
          for (const row of rows) found.set(keyString(row), "changed");
          remaining = remaining.filter((key) => !found.has(keyString(key)));
        }
        const current = await sql<SubscriptionKey & { is_delete: number; deleted_at: number | null }>`
          select ${storedKey}, is_delete, deleted_at
          from altcraft_subscriptions, ${valuesTable(database.dialect, remaining, keyColumns)} where ${sameKey}`.execute(
          on,
        );
        const toRetry: SubscriptionKey[] = [];
        for (const row of current.rows) {
          if (row.is_delete === Number(is_delete)) found.set(keyString(row), "unchanged");
          // A concurrent call set the flag the other way between UPDATE and SELECT: retry.
          else if (!limited || (row.deleted_at ?? 0) >= values.since) toRetry.push(pickKey(row));
        }
        remaining = toRetry;
      }
      return keys.map((key) => found.get(keyString(key)) ?? "missing");
    },

    async find(key) {
      const [row] = (await findByKey(db, pickKey(key))).rows;
      return row && toSubscription(row);
    },

    async ofProfile({ db_id, profile_id }, { deleted }) {
      const rows = await db
        .selectFrom("altcraft_subscriptions")
        .selectAll()
        .where("db_id", "=", db_id)
        .where("profile_id", "=", profile_id)
        .$if(!deleted, (query) => query.where("is_delete", "=", 0))
        .orderBy("resource_id")
        .orderBy("channel")
        .orderBy("address")
        .execute();
      return rows.map(toSubscription);
    },

    async page({ resource_id, db_id, channel, status, after, limit, deleted }) {
      const matching = db
        .selectFrom("altcraft_subscriptions")
        .selectAll()
        .where("resource_id", "=", resource_id)
        .$if(!deleted, (query) => query.where("is_delete", "=", 0))
        .$if(db_id !== undefined, (query) => query.where("db_id", "=", db_id as number))
        .$if(channel !== undefined, (query) => query.where("channel", "=", channel as string))
        .$if(status !== undefined, (query) => query.where("status", "=", statuses.indexOf(status as Status)))
        .orderBy("profile_id")
        .orderBy("db_id")
        .orderBy("channel")
        .orderBy("address");
      const rows = await matching
        .$if(after !== undefined, (query) => query.where("profile_id", ">", after as string))
        .limit(limit)
        .execute();
      const last = rows.at(-1)?.profile_id;
      if (rows.length < limit || last === undefined) return rows.map(toSubscription);
      const lastProfile = await matching.where("profile_id", "=", last).execute();
      return [...rows.filter(({ profile_id }) => profile_id !== last), ...lastProfile].map(toSubscription);
    },

    async deleted({ db_id, profile_id, resource_id, channel, hash_id, deletedSince, after, limit }) {
      const rows = await db
        .selectFrom("altcraft_subscriptions")
        .selectAll()
        .where("db_id", "=", db_id)
        // Performance: a literal, because the partial index on deleted rows cannot be used with a parameter.
        .where("is_delete", "=", sql.lit(1))
        .$if(profile_id !== undefined, (query) => query.where("profile_id", "=", profile_id as string))
        .$if(resource_id !== undefined, (query) => query.where("resource_id", "=", resource_id as number))
        .$if(channel !== undefined, (query) => query.where("channel", "=", channel as string))
        .$if(hash_id !== undefined, (query) => query.where("hash_id", "=", hash_id as string))
        .$if(deletedSince !== undefined, (query) => query.where("deleted_at", ">=", deletedSince as number))
        .$if(after !== undefined, (query) =>
          query.where(
            sql<boolean>`(profile_id, resource_id, channel, address) >
              (${after?.profile_id}, ${after?.resource_id}, ${after?.channel}, ${after?.address})`,
          ),
        )
        .orderBy("profile_id")
        .orderBy("resource_id")
        .orderBy("channel")
        .orderBy("address")
        .limit(limit)
        .execute();
      return rows.map(toSubscription);
    },

    async profilesWith(dbId, addresses, { resource_id, limit }) {
      const rows = await db
        .selectFrom("altcraft_subscriptions")
        .select("profile_id")
        .distinct()
        .where("db_id", "=", dbId)
        .where((is) => is.or(addresses.map(({ channel, address }) => is.and({ channel, address }))))
        .$if(resource_id !== undefined, (query) => query.where("resource_id", "=", resource_id as number))
        .orderBy("profile_id")
        .limit(limit)
        .execute();
      return rows.map(({ profile_id }) => profile_id);
    },

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
      // Rows are locked in key order, as in every statement over many rows, to prevent deadlocks.
      const { numAffectedRows } = await (database.dialect === "sqlite"
        ? sql`${change} where ${within}`
        : sql`${change} from (
            select ${storedKey} from altcraft_subscriptions where ${within} order by ${storedKey} for update
          ) as given where ${sameKey}`
      ).execute(db);
      return Number(numAffectedRows ?? 0);
    },

    put: (fresh, edit, { withProfile = false } = {}) =>
      database.transaction(async (transaction) => {
        const on = transaction as Db;
        const written = await putOne(on, fresh, edit);
        if (withProfile) await insertNew(database, "altcraft_profiles", profileColumns, [fresh], transaction);
        return written;
      }),

    async hasDatabase(dbId) {
      const row = await db
        .selectFrom("altcraft_profiles")
        .select("db_id")
        .where("db_id", "=", dbId)
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },

    async hasProfile({ db_id, profile_id }) {
      const row = await db
        .selectFrom("altcraft_profiles")
        .select("db_id")
        .where("db_id", "=", db_id)
        .where("profile_id", "=", profile_id)
        .executeTakeFirst();
      return row !== undefined;
    },

    async resource(resourceId) {
      const row = await db
        .selectFrom("altcraft_resources")
        .selectAll()
        .where("resource_id", "=", resourceId)
        .executeTakeFirst();
      return (
        row && { resource_id: row.resource_id, cats: row.cats === null ? null : (JSON.parse(row.cats) as string[]) }
      );
    },

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

/** Returns the key fields of an object that may hold more. */
const pickKey = ({ db_id, profile_id, resource_id, channel, address }: SubscriptionKey): SubscriptionKey => ({
  db_id,
  profile_id,
  resource_id,
  channel,
  address,
});

const withKey = (db: Db, key: SubscriptionKey) =>
  db.selectFrom("altcraft_subscriptions").selectAll().where(hasKey(key));
