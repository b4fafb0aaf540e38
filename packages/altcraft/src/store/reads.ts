import { type Database, statement } from "@reinstate/batch-core";
import { sql } from "kysely";
import { type Status, statuses } from "../schemas/requests.ts";
import { pickKey } from "./keys.ts";
import { type Tables, toSubscription, withKey } from "./rows.ts";
import type { SubscriptionKey, SubscriptionStore } from "./store.ts";

type Reads = Pick<
  SubscriptionStore,
  "find" | "listProfile" | "readPage" | "listDeleted" | "findProfiles" | "hasDatabase" | "hasProfile" | "findResource"
>;

/** Creates the part of the store that reads. */
export function createReads(database: Database): Reads {
  const db = database.tables<Tables>();
  const findByKey = statement((key: SubscriptionKey) => withKey(db, key));
  return {
    async find(key) {
      const [row] = (await findByKey(db, pickKey(key))).rows;
      return row && toSubscription(row);
    },

    async listProfile({ db_id, profile_id }, { deleted }) {
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

    async readPage({ resource_id, db_id, channel, status, after, limit, deleted }) {
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

    async listDeleted({ db_id, profile_id, resource_id, channel, hash_id, deletedSince, after, limit }) {
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

    async findProfiles(dbId, addresses, { resource_id, limit }) {
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

    async findResource(resourceId) {
      const row = await db
        .selectFrom("altcraft_resources")
        .selectAll()
        .where("resource_id", "=", resourceId)
        .executeTakeFirst();
      return (
        row && { resource_id: row.resource_id, cats: row.cats === null ? null : (JSON.parse(row.cats) as string[]) }
      );
    },
  };
}
