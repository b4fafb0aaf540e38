import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import { type Generated, type Kysely, type RawBuilder, sql } from "kysely";
import { statuses } from "../schemas.ts";
import type { ConsentEntry, StoredSubscription, SubscriptionKey } from "./store.ts";

export interface SubscriptionRow extends SubscriptionKey {
  fields: string;
  hash_id: string;
  status: number;
  priority: number | null;
  custom_fields: string;
  cats: string;
  date: string | null;
  ip: string | null;
  url: string | null;
  is_delete: number;
  deleted_at: number | null;
  created_at: number;
  updated_at: number;
}

export interface Tables {
  altcraft_profiles: { db_id: number; profile_id: string };
  altcraft_resources: { resource_id: number; cats: string | null };
  altcraft_subscriptions: SubscriptionRow;
  altcraft_suppressions: { channel: string; address: string; created_at: number };
  altcraft_erased: { digest: string; erased_at: number; actor: string | null; reason: string };
  altcraft_installation: { id: string };
  altcraft_consent_log: ConsentEntry & { id: Generated<number> };
}

export type Db = Kysely<Tables>;
export type Columns = Record<string, "bigint" | "text">;

export const profileColumns = { db_id: "bigint", profile_id: "text" } satisfies Columns;
export const resourceColumns = { resource_id: "bigint", cats: "text" } satisfies Columns;
export const keyColumns = {
  db_id: "bigint",
  profile_id: "text",
  resource_id: "bigint",
  channel: "text",
  address: "text",
} satisfies Columns;
export const subscriptionColumns = {
  ...keyColumns,
  fields: "text",
  hash_id: "text",
  status: "bigint",
  priority: "bigint",
  custom_fields: "text",
  cats: "text",
  date: "text",
  ip: "text",
  url: "text",
  is_delete: "bigint",
  deleted_at: "bigint",
  created_at: "bigint",
  updated_at: "bigint",
} satisfies Columns;

export const keyNames = Object.keys(keyColumns) as (keyof SubscriptionKey)[];

/** Rows inserted by one statement. */
const rowsPerInsert = 1000;

export const sameKey = sql.join(
  keyNames.map((name) => sql`altcraft_subscriptions.${sql.ref(name)} = given.${sql.ref(name)}`),
  sql` and `,
);
export const storedKey = sql.join(keyNames.map((name) => sql`altcraft_subscriptions.${sql.ref(name)}`));

/** Returns the condition that selects the row of this key. */
export const hasKey = (key: SubscriptionKey) =>
  sql<boolean>`${sql.join(
    keyNames.map((name) => sql`${sql.ref(name)} = ${key[name]}`),
    sql` and `,
  )}`;

/** Returns rows as JSON, for the single parameter that `jsonTable` reads. */
export function toJsonRows(rows: readonly object[], columns: Columns): string {
  const names = Object.keys(columns);
  // Performance: lists take a quarter of the time that objects take.
  return JSON.stringify((rows as readonly Record<string, unknown>[]).map((row) => names.map((name) => row[name])));
}

/** Returns the table expression `given` over the output of `toJsonRows`. It has one parameter for any number of rows. */
export function jsonTable(dialect: Database["dialect"], list: string, columns: Columns): RawBuilder<unknown> {
  const value = (name: string, type: string, place: number) =>
    dialect === "postgres"
      ? sql`(value ->> ${sql.lit(place)})::${sql.raw(type)} as ${sql.ref(name)}`
      : sql`value ->> ${sql.lit(place)} as ${sql.ref(name)}`;
  const values = sql.join(Object.entries(columns).map(([name, type], place) => value(name, type, place)));
  return dialect === "postgres"
    ? sql`(select ${values} from jsonb_array_elements(${list}::jsonb)) as given`
    : sql`(select ${values} from json_each(${list})) as given`;
}

/** Returns rows as the table `given`. A single row becomes constants, so that the planner uses an index without table statistics. */
export function valuesTable(
  dialect: Database["dialect"],
  rows: readonly object[],
  columns: Columns,
): RawBuilder<unknown> {
  const [only] = rows as readonly Record<string, unknown>[];
  if (rows.length !== 1 || !only) return jsonTable(dialect, toJsonRows(rows, columns), columns);
  const values = Object.entries(columns).map(
    ([name, type]) => sql`cast(${only[name]} as ${sql.raw(type)}) as ${sql.ref(name)}`,
  );
  return sql`(select ${sql.join(values)}) as given`;
}

/**
 * Returns a table expression that locks the rows of these keys in key order, so that two statements over the same rows cannot
 * deadlock. SQLite has one writer, so it needs no locks.
 */
export function lockInKeyOrder(dialect: Database["dialect"], given: RawBuilder<unknown>): RawBuilder<unknown> {
  if (dialect === "sqlite") return given;
  return sql`(
    select ${storedKey} from altcraft_subscriptions, ${given} where ${sameKey}
    order by ${storedKey} for update of altcraft_subscriptions
  ) as given`;
}

/** Inserts rows whose key is free, in `transaction` or a new one. Returns the number of rows inserted. */
export function insertNew(
  database: Database,
  table: keyof Tables,
  columns: Columns,
  rows: readonly object[],
  transaction?: LedgerTransaction,
): Promise<number> {
  const names = sql.join(Object.keys(columns).map((name) => sql.ref(name)));
  const insert = async (on: LedgerTransaction) => {
    let added = 0;
    for (let start = 0; start < rows.length; start += rowsPerInsert) {
      // `where true` keeps SQLite from reading `on conflict` as a join.
      const { numAffectedRows } = await sql`
        insert into ${sql.table(table)} (${names})
        select ${names} from ${valuesTable(database.dialect, rows.slice(start, start + rowsPerInsert), columns)} where true
        on conflict do nothing`.execute(on);
      added += Number(numAffectedRows ?? 0);
    }
    return added;
  };
  return transaction ? insert(transaction) : database.transaction(insert);
}

/** Returns a unique text for a key, to match returned rows to keys. */
export const keyString = ({ db_id, resource_id, profile_id, channel, address }: SubscriptionKey) =>
  // No part of a key contains NUL.
  `${db_id}\0${resource_id}\0${profile_id}\0${channel}\0${address}`;

export function toRow(subscription: StoredSubscription): SubscriptionRow {
  return {
    ...subscription,
    fields: JSON.stringify(subscription.fields),
    status: statuses.indexOf(subscription.status),
    custom_fields: JSON.stringify(subscription.custom_fields),
    cats: JSON.stringify(subscription.cats),
    is_delete: Number(subscription.is_delete),
  };
}

export function toSubscription(row: SubscriptionRow): StoredSubscription {
  return {
    ...row,
    fields: JSON.parse(row.fields),
    status: statuses[row.status] as StoredSubscription["status"],
    custom_fields: JSON.parse(row.custom_fields),
    cats: JSON.parse(row.cats),
    is_delete: row.is_delete === 1,
  };
}

/** Returns the key fields of an object that may hold more. */
export const pickKey = ({ db_id, profile_id, resource_id, channel, address }: SubscriptionKey): SubscriptionKey => ({
  db_id,
  profile_id,
  resource_id,
  channel,
  address,
});

/** Selects the row with this key. */
export const withKey = (db: Db, key: SubscriptionKey) =>
  db.selectFrom("altcraft_subscriptions").selectAll().where(hasKey(key));
