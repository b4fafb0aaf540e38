import { type Database, type LedgerTransaction, statement } from "@reinstate/batch-core";
import { sql } from "kysely";
import {
  type Db,
  hasKey,
  jsonTable,
  keyColumns,
  keyString,
  lockInKeyOrder,
  pickKey,
  sameKey,
  storedKey,
  type Tables,
  toJsonRows,
  valuesTable,
} from "./rows.ts";
import type { Flagged, SubscriptionKey, SubscriptionStore } from "./store.ts";

interface Change {
  at: number;
  deleted_at: number | null;
  since: number;
}

/** Creates the part of the store that deletes and undeletes subscriptions. */
export function createFlag(database: Database): SubscriptionStore["flag"] {
  const db = database.tables<Tables>();
  const statements = {
    delete: prepareStatements(database, { isDelete: true, isLimited: false }),
    undelete: prepareStatements(database, { isDelete: false, isLimited: false }),
    undeleteSince: prepareStatements(database, { isDelete: false, isLimited: true }),
  };

  /** Reads the keys that no update has changed. Returns those to try again. */
  async function readUnchanged(
    on: Db,
    keys: readonly SubscriptionKey[],
    { isDelete, since }: { isDelete: boolean; since: number | undefined },
    found: Map<string, Flagged>,
  ): Promise<SubscriptionKey[]> {
    const current = await sql<SubscriptionKey & { is_delete: number; deleted_at: number | null }>`
      select ${storedKey}, is_delete, deleted_at
      from altcraft_subscriptions, ${valuesTable(database.dialect, keys, keyColumns)} where ${sameKey}`.execute(on);
    const toRetry: SubscriptionKey[] = [];
    for (const row of current.rows) {
      if (row.is_delete === Number(isDelete)) found.set(keyString(row), "unchanged");
      // A concurrent call set the flag the other way between UPDATE and SELECT: retry.
      else if (since === undefined || (row.deleted_at ?? 0) >= since) toRetry.push(pickKey(row));
    }
    return toRetry;
  }

  return async (keys, { is_delete, at, deletedSince }, transaction?: LedgerTransaction) => {
    const on = (transaction as Db | undefined) ?? db;
    const [first] = keys;
    if (!first) return [];
    const since = is_delete ? undefined : deletedSince;
    const values = { at, deleted_at: is_delete ? at : null, since: since ?? 0 };
    const { one, many } = statements[is_delete ? "delete" : since === undefined ? "undelete" : "undeleteSince"];
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
      remaining = await readUnchanged(on, remaining, { isDelete: is_delete, since }, found);
    }
    return keys.map((key) => found.get(keyString(key)) ?? "missing");
  };
}

/** Prepares the statements that set the flag of one key and of many keys. `isLimited`: only rows deleted since a time. */
function prepareStatements(database: Database, { isDelete, isLimited }: { isDelete: boolean; isLimited: boolean }) {
  const db = database.tables<Tables>();
  const was = sql`altcraft_subscriptions.is_delete = ${sql.lit(Number(!isDelete))}`;
  const change = ({ at, deleted_at }: Change) =>
    sql`update altcraft_subscriptions
      set is_delete = ${sql.lit(Number(isDelete))}, deleted_at = ${deleted_at}, updated_at = ${at}`;
  const inTime = ({ since }: Change) => (isLimited ? sql`and altcraft_subscriptions.deleted_at >= ${since}` : sql``);
  return {
    one: statement(
      (key: Change & SubscriptionKey) => {
        // Only the number of returned rows matters.
        const text = sql<{
          db_id: number;
        }>`${change(key)} where ${hasKey(key)} and ${was} ${inTime(key)} returning db_id`;
        return { compile: () => text.compile(db) };
      },
      { byKey: true },
    ),
    many: statement((keys: Change & { list: string }) => {
      const rows = lockInKeyOrder(database.dialect, jsonTable(database.dialect, keys.list, keyColumns));
      const text = sql<SubscriptionKey>`${change(keys)} from ${rows} where ${sameKey} and ${was} ${inTime(keys)}
        returning ${storedKey}`;
      return { compile: () => text.compile(db) };
    }),
  };
}
