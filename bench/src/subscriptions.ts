import type { Bare } from "./bare.ts";

const table = "altcraft_subscriptions";

/** Returns a subscription of `fillSubscriptions` in the form of a call. */
export const subscription = (n: number) => ({
  db_id: 1,
  resource_id: 26,
  profile_id: n.toString(16).padStart(24, "0"),
  channel: "email" as const,
  email: `p${n}@example.com`,
});

/** Returns `count` subscriptions from number `first` on. */
export const subscriptionsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => subscription(first + index));

/** Inserts the deleted subscriptions 1 to `count` into existing tables, and updates the statistics. */
export async function fillSubscriptions(bare: Bare, count: number): Promise<void> {
  const sqlite = bare.dialect === "sqlite";
  // Recreated after the load, which is faster and leaves dense indexes, as after a dump and restore.
  const indexes = await bare.rows<{ name: string; definition: string }>(
    sqlite
      ? "select name, sql as definition from sqlite_schema where type = 'index' and tbl_name = ? and sql is not null"
      : "select indexname as name, indexdef as definition from pg_indexes where tablename = $1 and indexname not like '%_pkey'",
    table,
  );
  for (const { name } of indexes) await bare.rows(`drop index ${name}`);
  const numbers = sqlite
    ? "(with recursive n(i) as (select 1 union all select i + 1 from n where i < cast(? as integer)) select i from n)"
    : "generate_series(1, $1::bigint) as n(i)";
  const profile = sqlite ? "printf('%024x', i)" : "lpad(to_hex(i), 24, '0')";
  const hash = sqlite
    ? "printf('%08x', (i * 2654435761) & 4294967295)"
    : "lpad(to_hex((i * 2654435761) & 4294967295), 8, '0')";
  await bare.rows(
    `insert into ${table} (db_id, profile_id, resource_id, channel, address, fields, hash_id, status, priority, custom_fields, cats,
       date, ip, url, is_delete, deleted_at, created_at, updated_at)
     select 1, ${profile}, 26, 'email', 'p' || i || '@example.com', '{"email":"p' || i || '@example.com"}', ${hash}, 0, null, '{}', '[]',
       null, null, null, 1, 1750000000000, 1700000000000, 1750000000000
     from ${numbers}`,
    count,
  );
  for (const { definition } of indexes) await bare.rows(definition);
  await bare.rows(sqlite ? "analyze" : `vacuum analyze ${table}`);
}

const key = ["db_id", "profile_id", "resource_id", "channel", "address"] as const;

/** Returns the key of a subscription with the column names of the table. */
const toKey = ({ email, ...rest }: ReturnType<typeof subscription>) => ({ ...rest, address: email });

/** Returns a function that undeletes a set of subscriptions by one plain statement in a transaction. */
export function plainUndelete(
  bare: Bare,
): (subscriptions: readonly ReturnType<typeof subscription>[]) => Promise<void> {
  const sqlite = bare.dialect === "sqlite";
  const same = key.map((name) => `${table}.${name} = given.${name}`).join(" and ");
  const given = sqlite
    ? `(select ${key.map((name) => `value ->> '${name}' as ${name}`).join(", ")} from json_each(?)) as given`
    : "jsonb_to_recordset($2::jsonb) as given (db_id bigint, profile_id text, resource_id bigint, channel text, address text)";
  const change = `update ${table} set is_delete = 0, deleted_at = null, updated_at = ${sqlite ? "?" : "$1"} from ${given}
    where ${same} and ${table}.is_delete = 1 returning ${key.map((name) => `${table}.${name}`).join(", ")}`;
  return (subscriptions) =>
    bare.transaction(async (rows) => {
      const changed = await rows(change, Date.now(), JSON.stringify(subscriptions.map(toKey)));
      if (changed.length !== subscriptions.length)
        throw new Error(`${changed.length} of ${subscriptions.length} subscriptions were undeleted`);
    });
}

/** Returns a function that undeletes one subscription by its key. */
export function plainUndeleteOne(bare: Bare): (one: ReturnType<typeof subscription>) => Promise<number> {
  const place = (n: number) => (bare.dialect === "sqlite" ? "?" : `$${n}`);
  const change = `update ${table} set is_delete = 0, deleted_at = null, updated_at = ${place(1)}
    where ${key.map((name, index) => `${name} = ${place(index + 2)}`).join(" and ")} and is_delete = 1 returning db_id`;
  return async (one) => {
    const values = toKey(one);
    return (await bare.rows(change, Date.now(), ...key.map((name) => values[name]))).length;
  };
}
