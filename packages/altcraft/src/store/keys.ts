import { sql } from "kysely";
import type { SubscriptionKey } from "./store.ts";

/** Names and types of columns. */
export type Columns = Record<string, "bigint" | "text">;

export const keyColumns = {
  db_id: "bigint",
  profile_id: "text",
  resource_id: "bigint",
  channel: "text",
  address: "text",
} satisfies Columns;

const keyNames = Object.keys(keyColumns) as (keyof SubscriptionKey)[];

/** Condition that joins stored subscriptions to the table `given`. */
export const sameKey = sql.join(
  keyNames.map((name) => sql`altcraft_subscriptions.${sql.ref(name)} = given.${sql.ref(name)}`),
  sql` and `,
);

/** The key columns of stored subscriptions. */
export const storedKey = sql.join(keyNames.map((name) => sql`altcraft_subscriptions.${sql.ref(name)}`));

/** Returns the condition that selects the row of this key. */
export const hasKey = (key: SubscriptionKey) =>
  sql<boolean>`${sql.join(
    keyNames.map((name) => sql`${sql.ref(name)} = ${key[name]}`),
    sql` and `,
  )}`;

/** Returns a unique text for a key, to match returned rows to keys. */
export const keyString = ({ db_id, resource_id, profile_id, channel, address }: SubscriptionKey) =>
  // No part of a key contains NUL.
  `${db_id}\0${resource_id}\0${profile_id}\0${channel}\0${address}`;

/** Returns the key fields of an object that may hold more. */
export const pickKey = ({ db_id, profile_id, resource_id, channel, address }: SubscriptionKey): SubscriptionKey => ({
  db_id,
  profile_id,
  resource_id,
  channel,
  address,
});
