import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import { type Kysely, type RawBuilder, sql } from "kysely";
import { statuses } from "../schemas/requests.ts";
import { type Dialect, getDialect } from "./dialect.ts";
import { type Columns, hasKey, keyColumns } from "./keys.ts";
import type { StoredSubscription, SubscriptionKey } from "./store.ts";

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

/** Tables of this folder. Those of consent are in consent/. */
export interface Tables {
  altcraft_profiles: { db_id: number; profile_id: string };
  altcraft_resources: { resource_id: number; cats: string | null };
  altcraft_subscriptions: SubscriptionRow;
  altcraft_installation: { id: string };
}

export type Db = Kysely<Tables>;

export const profileColumns = { db_id: "bigint", profile_id: "text" } satisfies Columns;
export const resourceColumns = { resource_id: "bigint", cats: "text" } satisfies Columns;
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

/** Rows inserted by one statement. */
const rowsPerInsert = 1000;

/** Returns rows as JSON, for the single parameter that `jsonTable` reads. */
export function toJsonRows(rows: readonly object[], columns: Columns): string {
  const names = Object.keys(columns);
  // Performance: lists take a quarter of the time that objects take.
  return JSON.stringify((rows as readonly Record<string, unknown>[]).map((row) => names.map((name) => row[name])));
}

/** Returns the table expression `given` over the output of `toJsonRows`. It has one parameter for any number of rows. */
export function jsonTable({ jsonMember, jsonRows }: Dialect, list: string, columns: Columns): RawBuilder<unknown> {
  const values = Object.entries(columns).map(
    ([name, type], index) => sql`${jsonMember(index, type)} as ${sql.ref(name)}`,
  );
  return sql`(select ${sql.join(values)} from ${jsonRows(list)}) as given`;
}

/** Returns rows as the table `given`. A single row becomes constants, so that the planner uses an index without table statistics. */
export function valuesTable(dialect: Dialect, rows: readonly object[], columns: Columns): RawBuilder<unknown> {
  const [only] = rows as readonly Record<string, unknown>[];
  if (rows.length !== 1 || !only) return jsonTable(dialect, toJsonRows(rows, columns), columns);
  const values = Object.entries(columns).map(
    ([name, type]) => sql`cast(${only[name]} as ${sql.raw(type)}) as ${sql.ref(name)}`,
  );
  return sql`(select ${sql.join(values)}) as given`;
}

/** Inserts rows whose key is free, in `transaction` or a new one. Returns the number of rows inserted. */
export function insertNew(
  database: Database,
  table: string,
  columns: Columns,
  rows: readonly object[],
  transaction?: LedgerTransaction,
): Promise<number> {
  const names = sql.join(Object.keys(columns).map((name) => sql.ref(name)));
  const dialect = getDialect(database);
  const insert = async (on: LedgerTransaction) => {
    let added = 0;
    for (let start = 0; start < rows.length; start += rowsPerInsert) {
      // `where true` keeps SQLite from reading `on conflict` as a join.
      const { numAffectedRows } = await sql`
        insert into ${sql.table(table)} (${names})
        select ${names} from ${valuesTable(dialect, rows.slice(start, start + rowsPerInsert), columns)} where true
        on conflict do nothing`.execute(on);
      added += Number(numAffectedRows ?? 0);
    }
    return added;
  };
  return transaction ? insert(transaction) : database.transaction(insert);
}

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

/** Selects the row with this key. */
export const withKey = (db: Db, key: SubscriptionKey) =>
  db.selectFrom("altcraft_subscriptions").selectAll().where(hasKey(key));
