import { type Database, type LedgerTransaction, statement } from "@reinstate/batch-core";
import { sql } from "kysely";
import { getDialect } from "./dialect.ts";
import { hasKey, keyColumns, keyString, pickKey, sameKey, storedKey } from "./keys.ts";
import { type Db, jsonTable, type Tables, toJsonRows, valuesTable } from "./rows.ts";
import type { Flagged, SubscriptionKey, SubscriptionStore } from "./store.ts";

interface Change {
  at: number;
  /** Rows deleted before this time are not changed; 0 changes all. */
  deletedSince: number;
}

/** Creates the part of the store that deletes and undeletes subscriptions. */
export function createFlag(database: Database): SubscriptionStore["flag"] {
  const db = database.tables<Tables>();
  const statements = { delete: prepareStatements(database, true), undelete: prepareStatements(database, false) };

  /** Reads the keys that no update has changed. Returns those to try again. */
  async function readUnchanged(
    on: Db,
    keys: readonly SubscriptionKey[],
    { isDelete, deletedSince }: { isDelete: boolean; deletedSince: number },
    found: Map<string, Flagged>,
  ): Promise<SubscriptionKey[]> {
    const current = await sql<SubscriptionKey & { is_delete: number; deleted_at: number | null }>`
      select ${storedKey}, is_delete, deleted_at
      from altcraft_subscriptions, ${valuesTable(getDialect(database), keys, keyColumns)} where ${sameKey}`.execute(on);
    const toRetry: SubscriptionKey[] = [];
    for (const row of current.rows) {
      if (row.is_delete === Number(isDelete)) found.set(keyString(row), "unchanged");
      // A concurrent call set the flag the other way between UPDATE and SELECT: retry.
      else if ((row.deleted_at ?? 0) >= deletedSince) toRetry.push(pickKey(row));
    }
    return toRetry;
  }

  return async (keys, { is_delete, at, deletedSince = 0 }, transaction?: LedgerTransaction) => {
    const on = (transaction as Db | undefined) ?? db;
    const [first] = keys;
    if (!first) return [];
    const change = { at, deletedSince: is_delete ? 0 : deletedSince };
    const { one, many } = statements[is_delete ? "delete" : "undelete"];
    if (keys.length === 1 && (await one(on, { ...pickKey(first), ...change })).rows.length === 1) return ["changed"];
    const found = new Map<string, Flagged>();
    let remaining = keys;
    for (let attempt = 1; remaining.length > 0; attempt++) {
      // A single key has been tried above.
      if (attempt > 1 || keys.length > 1) {
        const { rows } = await many(on, { ...change, list: toJsonRows(remaining, keyColumns) });
        if (rows.length === keys.length) return keys.map(() => "changed");
        for (const row of rows) found.set(keyString(row), "changed");
        remaining = remaining.filter((key) => !found.has(keyString(key)));
      }
      const limits = { isDelete: is_delete, deletedSince: change.deletedSince };
      remaining = await readUnchanged(on, remaining, limits, found);
    }
    return keys.map((key) => found.get(keyString(key)) ?? "missing");
  };
}

/** Prepares the statements that set the flag of one key and of many keys: delete, or undelete with `isDelete: false`. */
function prepareStatements(database: Database, isDelete: boolean) {
  const db = database.tables<Tables>();
  const dialect = getDialect(database);
  const update = ({ at }: Change) =>
    sql`update altcraft_subscriptions
      set is_delete = ${sql.lit(Number(isDelete))}, deleted_at = ${isDelete ? at : null}, updated_at = ${at}`;
  const isChanged = ({ deletedSince }: Change) =>
    sql`altcraft_subscriptions.is_delete = ${sql.lit(Number(!isDelete))}
      and coalesce(altcraft_subscriptions.deleted_at, 0) >= ${deletedSince}`;
  return {
    one: statement(
      (key: Change & SubscriptionKey) => {
        // Only the number of returned rows matters.
        const text = sql<{
          db_id: number;
        }>`${update(key)} where ${hasKey(key)} and ${isChanged(key)} returning db_id`;
        return { compile: () => text.compile(db) };
      },
      { byKey: true },
    ),
    many: statement((keys: Change & { list: string }) => {
      const given = jsonTable(dialect, keys.list, keyColumns);
      const text = sql<SubscriptionKey>`${dialect.updateGiven(update(keys), given, isChanged(keys))}
        returning ${storedKey}`;
      return { compile: () => text.compile(db) };
    }),
  };
}
