import type { Database } from "@reinstate/batch-core";
import { type RawBuilder, sql } from "kysely";
import type { PromoterFilter } from "../store.ts";

type Condition = RawBuilder<boolean>;

/** How the promoters are read that conditions are asked of. */
export interface Reading {
  /** By their ids, found elsewhere. */
  byId?: boolean;
  /** Along the index of this column, of the promoters or of what lies apart from them, as `table`. */
  along?: { column: string; table: "p" | "o" };
}

/**
 * The conditions of a filter on promoters, as `p`. SQLite has no statistics and would gladly take an index for a condition that
 * nearly everybody meets, and sort them all; the plus keeps it from that, so that the rows are read as `Reading` says.
 */
export function conditionsOf(
  account: string,
  filter: PromoterFilter,
  database: Database,
  { byId = filter.ids !== undefined, along }: Reading = {},
): Condition[] {
  const sqlite = database.dialect === "sqlite";
  const column = (name: string) => (sqlite ? sql`+${sql.ref(`p.${name}`)}` : sql.ref(`p.${name}`));
  const led = byId ? undefined : sql.ref(`${along?.table ?? "p"}.account`);
  const conditions: Condition[] = [sql`${led ?? column("account")} = ${account}`];
  const where = (condition: Condition) => conditions.push(condition);
  if (filter.archived === true) where(sql`p.archived_at is not null`);
  if (filter.archived === false) where(sql`p.archived_at is null`);
  if (filter.ids) where(database.anyOf("p.id", filter.ids));
  if (filter.parentId !== undefined) where(sql`${column("parent_promoter_id")} = ${filter.parentId}`);
  if (filter.q) where(contains("p.search", filter.q.toLowerCase(), database));
  if (filter.state !== undefined || filter.campaignIds) {
    const { state, archivedAs } = filter;
    const shown = archivedAs ? sql`case when p.archived_at is null then m.state else ${archivedAs} end` : sql`m.state`;
    where(
      sql`exists (select 1 from firstpromoter_memberships m where m.promoter_id = p.id
        ${filter.campaignIds ? sql`and ${database.anyOf("m.campaign_id", filter.campaignIds)}` : sql``}
        ${state === undefined ? sql`` : sql`and ${shown} = ${state}`})`,
    );
  }
  for (const [name, range] of rangesOf(filter)) {
    where(between(name === along?.column ? sql.ref(`${along.table}.${name}`) : column(name), range));
  }
  if (filter.hasForm !== undefined) where(sql`${column("has_form")} = ${filter.hasForm ? 1 : 0}`);
  if (filter.subscribed !== undefined) where(sql`${column("subscribed_to_email")} = ${filter.subscribed ? 1 : 0}`);
  if (filter.invoiceStatus !== undefined) where(sql`${column("invoice_details_status")} = ${filter.invoiceStatus}`);
  if (filter.fraudSuspicions) {
    const any = filter.fraudSuspicions.map((name) =>
      name === null
        ? sql<boolean>`${column("fraud_suspicions")} is null`
        : sql<boolean>`coalesce(${holds("p.fraud_suspicions", JSON.stringify(name))}, ${sql.lit(false)})`,
    );
    where(any.length === 0 ? sql`1 = 0` : sql`(${sql.join(any, sql` or `)})`);
  }
  for (const field of filter.customFields ?? []) where(customField(field));
  return conditions;

  function holds(name: string, text: string): Condition {
    return sqlite ? sql`instr(${sql.ref(name)}, ${text}) > 0` : sql`position(${text} in ${sql.ref(name)}) > 0`;
  }

  function customField({ key, value, partial }: CustomField): Condition {
    const like = pattern(value);
    if (sqlite) {
      const text = sql`case f.type when 'true' then 'true' when 'false' then 'false' else cast(f.value as text) end`;
      return sql`exists (select 1 from json_each(p.custom_fields) f where f.key = ${key}
        and ${partial ? sql`${text} like ${like} escape '\\'` : sql`${text} = ${value}`})`;
    }
    // A text with the character zero is no jsonb.
    const text = sql`(case when position('\\u0000' in p.custom_fields) > 0 then null else p.custom_fields::jsonb ->> ${key}::text end)`;
    return sql`${text} ${partial ? sql`ilike ${like}` : sql`= ${value}`}`;
  }
}

export type CustomField = NonNullable<PromoterFilter["customFields"]>[number];

/** The text is somewhere in a column. */
export function contains(column: string, text: string, { dialect }: Database, letters?: "any case"): Condition {
  const like = pattern(text);
  if (dialect === "sqlite") return sql`${sql.ref(column)} like ${like} escape '\\'`;
  // PostgreSQL's escape is the backslash by itself, and an index on trigrams wants to be asked so.
  return sql`${sql.ref(column)} ${letters ? sql`ilike` : sql`like`} ${like}`;
}

/** The ranges of a filter that are bounded at all, by column. */
export function rangesOf({ ranges = {} }: PromoterFilter): [string, { from?: number; to?: number }][] {
  return Object.entries(ranges).filter(([, { from, to }]) => from !== undefined || to !== undefined);
}

export function between(column: RawBuilder<unknown>, { from, to }: { from?: number; to?: number }): Condition {
  const bounds = [
    ...(from === undefined ? [] : [sql`${column} >= ${from}`]),
    ...(to === undefined ? [] : [sql`${column} <= ${to}`]),
  ];
  return sql`${sql.join(bounds, sql` and `)}`;
}

/** A pattern for `like` that finds the text anywhere. */
const pattern = (text: string) => `%${text.replace(/[\\%_]/g, "\\$&")}%`;
