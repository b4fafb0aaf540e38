import type { Bare } from "./bare.ts";

/** The account of all promoters of a benchmark. */
export const account = "bench";

const table = "firstpromoter_promoters";
const columns =
  "id, account, email, cust_id, auth_token, search, profile, clicks_count, revenue_amount, joined_at, archived_at, updated_at";

/** Inserts the archived promoters 1 to `count` into existing tables, and updates the statistics. */
export async function fillPromoters(bare: Bare, count: number): Promise<void> {
  // Recreated after the load, which is ten times faster and leaves dense indexes, as after a dump and restore.
  const indexes = await bare.rows<{ name: string; definition: string }>(
    bare.dialect === "sqlite"
      ? "select name, sql as definition from sqlite_schema where type = 'index' and tbl_name = ? and sql is not null"
      : "select indexname as name, indexdef as definition from pg_indexes where tablename = $1 and indexname not like '%_pkey'",
    table,
  );
  for (const { name } of indexes) await bare.rows(`drop index ${name}`);
  const text = (expression: string) => (bare.dialect === "sqlite" ? expression : `(${expression})::text`);
  const numbers =
    bare.dialect === "sqlite"
      ? "(with recursive n(i) as (select 1 union all select i + 1 from n where i < cast(? as integer)) select i from n)"
      : "generate_series(1, $1::bigint) as n(i)";
  await bare.rows(
    `insert into ${table} (${columns})
     select i, '${account}', 'promoter' || ${text("i")} || '@example.com', 'c' || ${text("i")}, 'token' || ${text("i")},
       'promoter' || ${text("i")} || '@example.com ada lovelace', '{"first_name":"Ada","last_name":"Lovelace"}',
       i % 1000, i % 5000, 1700000000000 + i, 1750000000000, 1750000000000
     from ${numbers}`,
    count,
  );
  for (const { definition } of indexes) await bare.rows(definition);
  await bare.rows(bare.dialect === "sqlite" ? "analyze" : `vacuum analyze ${table}`);
}

/** Returns a function that restores a set of promoters by one plain statement in a transaction. */
export function plainRestore(bare: Bare): (ids: readonly number[]) => Promise<void> {
  const sqlite = bare.dialect === "sqlite";
  const change = sqlite
    ? `update ${table} set archived_at = null, archived_batch = null, updated_at = ? where +account = ? and id in (select value from json_each(?)) and archived_at is not null`
    : `update ${table} set archived_at = null, archived_batch = null, updated_at = $1 where account = $2 and id = any($3::bigint[]) and archived_at is not null`;
  return (ids) =>
    bare.transaction(async (rows) => {
      await rows(change, Date.now(), account, sqlite ? JSON.stringify(ids) : ids);
    });
}

/** Returns a function that restores one promoter by a plain statement in a transaction. */
export function plainRestoreOne(bare: Bare): (id: number) => Promise<void> {
  const [now, owner, id] = bare.dialect === "sqlite" ? ["?", "?", "?"] : ["$1", "$2", "$3"];
  const change = `update ${table} set archived_at = null, updated_at = ${now} where account = ${owner} and id = ${id} and archived_at is not null`;
  return (id) =>
    bare.transaction(async (rows) => {
      await rows(change, Date.now(), account, id);
    });
}

/** Counts the promoters that are not archived. */
export const countRestored = async (bare: Bare): Promise<number> => {
  const [row] = await bare.rows<{ count: number | string }>(
    `select count(*) as count from ${table} where archived_at is null`,
  );
  return Number(row?.count);
};

/** Returns the ids from `from` up to, but not including, `from + count`. */
export const idsFrom = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);
