import type { Database } from "@reinstate/batch-core";
import { type RawBuilder, sql } from "kysely";
import { sameKey, storedKey } from "./keys.ts";

type Sql = RawBuilder<unknown>;

/** Statements and clauses that SQLite and PostgreSQL write in different ways. */
export interface Dialect {
  /** Clause of `create table`. Performance: the primary key is the table, so a look-up reads one tree. */
  clustered: Sql;
  /** Clause that locks the selected subscriptions. SQLite has one writer, so it needs no locks. */
  lock: Sql;
  /** Member of the list `value` as a value of a column type. */
  jsonMember(index: number, type: string): Sql;
  /** Rows of a JSON array, each as `value`. */
  jsonRows(list: string): Sql;
  /**
   * Completes `update altcraft_subscriptions set …` for the rows that match a condition. Locks them in key order, so that two
   * statements over the same rows cannot deadlock.
   */
  updateWhere(update: Sql, condition: Sql): Sql;
  /** Does the same for those rows whose key is in the table `given`. */
  updateGiven(update: Sql, given: Sql, condition: Sql): Sql;
}

const sqlite: Dialect = {
  clustered: sql`without rowid`,
  lock: sql``,
  jsonMember: (index) => sql`value ->> ${sql.lit(index)}`,
  jsonRows: (list) => sql`json_each(${list})`,
  updateWhere: (update, condition) => sql`${update} where ${condition}`,
  updateGiven: (update, given, condition) => sql`${update} from ${given} where ${sameKey} and ${condition}`,
};

const lock = sql`for update of altcraft_subscriptions`;
const lockedKeys = (from: Sql, condition: Sql) =>
  sql`(select ${storedKey} from ${from} where ${condition} order by ${storedKey} ${lock}) as given`;

const postgres: Dialect = {
  clustered: sql``,
  lock,
  jsonMember: (index, type) => sql`(value ->> ${sql.lit(index)})::${sql.raw(type)}`,
  jsonRows: (list) => sql`jsonb_array_elements(${list}::jsonb)`,
  updateWhere: (update, condition) =>
    sql`${update} from ${lockedKeys(sql`altcraft_subscriptions`, condition)} where ${sameKey}`,
  updateGiven: (update, given, condition) =>
    sql`${update} from ${lockedKeys(sql`altcraft_subscriptions, ${given}`, sameKey)} where ${sameKey} and ${condition}`,
};

/** Returns the dialect of a database. */
export function getDialect({ dialect }: Pick<Database, "dialect">): Dialect {
  switch (dialect) {
    case "sqlite":
      return sqlite;
    case "postgres":
      return postgres;
  }
}
