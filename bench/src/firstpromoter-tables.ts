import type { Bare } from "./bare.ts";

/** The account of nine tenths of the promoters, of which nine in ten are archived. */
export const crowded = "crowded";
/** The account of the remaining promoters, of which all but thirty are archived. */
export const sparse = "sparse";

/** The number of promoters with each rare value, whatever the size of the table. */
const rare = 30;

const promoters = "firstpromoter_promoters";
const memberships = "firstpromoter_memberships";

/**
 * Inserts the promoters 1 to `count` into existing tables, all in the first campaign. One in ten is in the account `sparse`. Thirty
 * archived promoters of the account `crowded`, spread over the table, have every rare value that a filter can match.
 */
export async function fillTables(bare: Bare, count: number): Promise<void> {
  const sqlite = bare.dialect === "sqlite";
  const tables = [promoters, memberships, ...(sqlite ? [] : ["firstpromoter_search"])];
  const indexes: Awaited<ReturnType<typeof readIndexes>> = [];
  for (const table of tables) indexes.push(...(await readIndexes(bare, table)));
  for (const { name } of indexes) await bare.rows(`drop index ${name}`);
  const numbers = sqlite
    ? `(with recursive n(i) as (select 1 union all select i + 1 from n where i < ${count}) select i from n) as n`
    : `generate_series(1, ${count}::bigint) as n(i)`;
  const account = `case when i % 10 = 0 then '${sparse}' else '${crowded}' end`;
  // One above a multiple of ten, so in `crowded` and archived.
  const chosen = `i % ${Math.floor(count / rare / 10) * 10} = 1`;
  const live = `case when i % 10 = 0 then i % ${Math.floor(count / rare / 10) * 10} = 0 else i % 10 = 2 end`;
  // Spread without a correlation to the ids.
  const spread = (most: number, factor: number) => `cast((i * ${factor}) % 1000003 % ${most} as integer)`;
  const name = `case when ${chosen} then 'rarebird' else 'lovelace' end`;
  await bare.rows(`insert into firstpromoter_campaigns (id, account, name, color, is_default) values
    (1, '${crowded}', 'First', '#000000', 1), (2, '${sparse}', 'First', '#000000', 1), (3, '${crowded}', 'Rare', '#000000', null)`);
  await bare.rows(
    `insert into ${promoters} (id, account, email, cust_id, auth_token, search, profile, custom_fields, clicks_count, referrals_count,
       customers_count, revenue_amount, joined_at, last_login_at, archived_at, parent_promoter_id, fraud_suspicions,
       invoice_details_status, subscribed_to_email, has_form, updated_at)
     select i, ${account}, 'promoter' || i || '@example.com', 'c' || i, 'token' || i,
       'promoter' || i || '@example.com ada ' || ${name} || ' ref' || i,
       case when ${chosen} then '{"first_name":"Ada","last_name":"Rarebird","w8_form_url":"https://example.com/w8"}'
         else '{"first_name":"Ada","last_name":"Lovelace"}' end,
       case when ${chosen} then '{"tier":"rarest"}' else '{"tier":"gold"}' end,
       ${spread(1000, 7919)}, ${spread(500, 6007)}, ${spread(300, 5003)}, ${spread(100_000, 4001)},
       1700000000000 + ${spread(1_000_000, 3001)} * 1000, case when ${chosen} then 1 else 1720000000000 + i end,
       case when ${live} then null else 1750000000000 end, case when ${chosen} then 2 end,
       case when ${chosen} then '["ad_source"]' end, case when ${chosen} then 'denied' else 'pending' end,
       case when ${chosen} then 0 else 1 end, case when ${chosen} then 1 else 0 end, 1750000000000
     from ${numbers}`,
  );
  await bare.rows(
    `insert into ${memberships} (account, promoter_id, campaign_id, state, coupon, ref_token, created_at)
     select ${account}, i, case when ${chosen} then 3 when i % 10 = 0 then 2 else 1 end,
       case when ${chosen} then 'inactive' else 'accepted' end, 'coupon' || i, 'ref' || i, 1700000000000
     from ${numbers}`,
  );
  if (!sqlite) {
    for (const table of [promoters, memberships, "firstpromoter_campaigns"]) {
      await bare.rows(`select setval(pg_get_serial_sequence('${table}', 'id'), (select max(id) from ${table}))`);
    }
  }
  for (const { definition } of indexes) await bare.rows(definition);
  await bare.rows(sqlite ? "pragma wal_checkpoint(truncate)" : "vacuum analyze");
}

async function readIndexes(bare: Bare, table: string): Promise<{ name: string; definition: string }[]> {
  return bare.rows(
    bare.dialect === "sqlite"
      ? "select name, sql as definition from sqlite_schema where type = 'index' and tbl_name = ? and sql is not null"
      : "select indexname as name, indexdef as definition from pg_indexes where tablename = $1 and indexname not like '%_pkey'",
    table,
  );
}
