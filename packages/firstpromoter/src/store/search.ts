import type { Database } from "@reinstate/batch-core";
import { type RawBuilder, sql } from "kysely";
import type { PromoterFilter, PromoterQuery, Sorting } from "./store.ts";

/**
 * Reads a page of live and archived promoters, newest first. No index has both in one order, so each list is read up to the end of
 * the page, and the two are merged.
 */
export async function mergePages(
  { findPage }: PromoterSearch,
  account: string,
  { limit, offset, ...query }: PromoterQuery,
): Promise<number[]> {
  const both = [false, true].map((archived) =>
    findPage(account, { ...query, archived, limit: offset + limit, offset: 0 }),
  );
  return (await Promise.all(both))
    .flat()
    .sort((a, b) => b - a)
    .slice(offset, offset + limit);
}

/** Indexed columns for filters and sorting. Archive and restore never change them. */
export const listColumns = [
  "clicks_count",
  "referrals_count",
  "customers_count",
  "revenue_amount",
  "joined_at",
  "last_login_at",
  "subscribed_to_email",
  "invoice_details_status",
  "has_form",
] as const;

/** The search for promoters in one database. */
export interface PromoterSearch {
  /** Returns the ids of one page, in the order of the list. */
  findPage(account: string, query: PromoterQuery): Promise<number[]>;
}

/** A condition in SQL. */
export type Condition = RawBuilder<boolean>;
/** A condition on one custom field. */
export type CustomField = NonNullable<PromoterFilter["customFields"]>[number];

/** The conditions whose SQL differs by database. */
export interface Expressions {
  /** The alias of the table with the columns that a restore never changes. */
  facts: string;
  /** The column contains the text; both are in lower case. */
  contains(column: string, text: string): Condition;
  hasField(field: CustomField): Condition;
  /** The membership belongs to the account. */
  owns(column: string, account: string): Condition;
}

/**
 * Returns the rows to scan in list order before an index of the filter is used. If they do not fill the page, few promoters pass
 * the filter, so an index finds few candidates.
 */
export const nearbyRows = ({ limit, offset }: PromoterQuery, perPromoter = 2): number =>
  1_000 + perPromoter * (limit + offset);

/** Removes contradictions from a filter; undefined if no promoter can pass it. */
export function simplifyFilter<Filter extends PromoterFilter>(filter: Filter): Filter | undefined {
  const { ids, fraudSuspicions, archived, archivedAs, state } = filter;
  if (ids?.length === 0 || fraudSuspicions?.length === 0) return undefined;
  if (state === undefined || archivedAs === undefined || archived === false)
    return { ...filter, archivedAs: undefined };
  if (state === archivedAs) return filter;
  // Archived promoters show `archivedAs`, so one that shows another state is live.
  return archived ? undefined : { ...filter, archived: false, archivedAs: undefined };
}

/** Returns whether a query lists all live or all archived promoters, newest first. One index has this order. */
export function isPlain({ sorting, archived, ranges, limit: _, offset: __, ...conditions }: PromoterQuery): boolean {
  if (archived === undefined || sorting.length > 0 || readRanges({ ranges }).length > 0) return false;
  return Object.values(conditions).every((condition) => condition === undefined);
}

/** Returns the conditions of a filter on promoters `p`, joined by `and`. */
export function readConditions(
  account: string,
  filter: PromoterFilter,
  database: Database,
  by: Expressions,
): Condition {
  const fact = (column: string) => sql.ref(`${by.facts}.${column}`);
  const conditions: Condition[] = [sql`p.account = ${account}`];
  const { archived, ids, parentId, q, hasForm, subscribed, invoiceStatus, fraudSuspicions } = filter;
  if (archived !== undefined) conditions.push(isArchived(archived));
  if (ids) conditions.push(database.anyOf("p.id", ids));
  if (parentId !== undefined) conditions.push(sql`p.parent_promoter_id = ${parentId}`);
  if (q) conditions.push(by.contains("search", q.toLowerCase()));
  if (filter.state !== undefined || filter.campaignIds) conditions.push(isMember(account, filter, database, by));
  for (const [column, range] of readRanges(filter)) conditions.push(isBetween(fact(column), range));
  if (hasForm !== undefined) conditions.push(sql`${fact("has_form")} = ${Number(hasForm)}`);
  if (subscribed !== undefined) conditions.push(sql`${fact("subscribed_to_email")} = ${Number(subscribed)}`);
  if (invoiceStatus !== undefined) conditions.push(sql`${fact("invoice_details_status")} = ${invoiceStatus}`);
  if (fraudSuspicions) {
    if (!fraudSuspicions.includes(null)) conditions.push(sql`${fact("fraud_suspicions")} is not null`);
    const any = fraudSuspicions.map((name) =>
      name === null
        ? sql`${fact("fraud_suspicions")} is null`
        : sql`coalesce(${by.contains("fraud_suspicions", JSON.stringify(name))}, ${sql.lit(false)})`,
    );
    conditions.push(sql`(${sql.join(any, sql` or `)})`);
  }
  for (const field of filter.customFields ?? []) conditions.push(by.hasField(field));
  return sql`${sql.join(conditions, sql` and `)}`;
}

/** Returns the condition that promoter `p` is archived or live. */
export const isArchived = (archived: boolean): Condition =>
  archived ? sql`p.archived_at is not null` : sql`p.archived_at is null`;

/** Returns the condition that the promoter is in one of the campaigns, with the state if there is one. */
function isMember(account: string, filter: PromoterFilter, database: Database, by: Expressions): Condition {
  const { state, archived, archivedAs, campaignIds } = filter;
  const conditions: Condition[] = [sql`m.promoter_id = p.id`, by.owns("m.account", account)];
  if (campaignIds) conditions.push(database.anyOf("m.campaign_id", campaignIds));
  if (archivedAs !== undefined && !archived) {
    conditions.push(sql`case when p.archived_at is null then m.state else ${archivedAs} end = ${state}`);
  } else if (state !== undefined && archivedAs === undefined) conditions.push(sql`m.state = ${state}`);
  return sql`exists (select 1 from firstpromoter_memberships m where ${sql.join(conditions, sql` and `)})`;
}

/** Returns the ranges of a filter that have a bound, by column. */
export function readRanges({ ranges = {} }: PromoterFilter): [string, { from?: number; to?: number }][] {
  return Object.entries(ranges).filter(([, { from, to }]) => from !== undefined || to !== undefined);
}

/** Returns the condition that a column is in a range, bounds included. */
export function isBetween(column: RawBuilder<unknown>, { from, to }: { from?: number; to?: number }): Condition {
  if (from === undefined) return sql`${column} <= ${to}`;
  return to === undefined ? sql`${column} >= ${from}` : sql`${column} between ${from} and ${to}`;
}

/** Returns the order of a list. Ids follow the last direction, so that one index serves both. */
export function orderBy(sorting: readonly Sorting[], table: string): RawBuilder<unknown> {
  const direction = sorting.at(-1)?.direction ?? "desc";
  const columns = [...sorting, { by: "id", direction }];
  return sql.join(columns.map(({ by, direction }) => sql`${sql.ref(`${table}.${by}`)} ${sql.raw(direction)}`));
}

/** Returns a `like` pattern that matches the text anywhere. */
export const toPattern = (text: string): string => `%${text.replace(/[\\%_]/g, "\\$&")}%`;

/**
 * Returns the texts that the JSON of custom fields contains if a field has a value. At least one alternative must match, with all
 * its parts. Other promoters' JSON may match too, so the field must be checked.
 */
export function toJsonParts({ key, value, partial }: CustomField): string[][] {
  const name = `${JSON.stringify(key)}:`;
  // JSON may spell a number differently from the filter.
  if (/^[-+.\d]/.test(value) && (partial || !/^\d{1,15}$/.test(value))) return [[name]];
  const text = JSON.stringify(value);
  // As a text, and as a number, a boolean, a list or a map.
  const forms = [...new Set([partial ? text.slice(1, -1) : text, value])];
  return forms.map((form) => (partial ? [name, form] : [`${name}${form}`]));
}
