import type { Database } from "@reinstate/batch-core";
import { type RawBuilder, type Selectable, sql } from "kysely";
import type { PromoterFilter, PromoterQuery } from "../store.ts";
import { conditionsOf } from "./filters.ts";
import { createLeads } from "./leads.ts";
import type { Tables } from "./tables.ts";

export type PromoterRow = Selectable<Tables["firstpromoter_promoters"]>;

/**
 * The rows of a page of a list. A page must not take longer the more promoters there are, whatever it asks for: where one of the
 * conditions leads to few of them, those are fetched and sorted; otherwise enough of them lie close together on the way along
 * an index that has the order wanted. Neither database can be left to find that out: SQLite has no statistics, and PostgreSQL's
 * are as old as its last look.
 */
export function createPages(
  database: Database,
  trigrams: boolean,
): (account: string, query: PromoterQuery) => Promise<PromoterRow[]> {
  const db = database.tables<Tables>();
  const sqlite = database.dialect === "sqlite";
  const { leadsOf, shortest } = createLeads(database, trigrams);

  return async function pageOf(account, { sorting, limit, offset, ...given }): Promise<PromoterRow[]> {
    const filter = await possible(account, given);
    if (!filter) return [];
    if (filter.archived === undefined && sorting.length === 0 && !filter.ids) {
      // No index has both in one row.
      const [live, archived] = await Promise.all(
        [false, true].map((archived) =>
          pageOf(account, { ...given, archived, sorting, limit: offset + limit, offset: 0 }),
        ),
      );
      return [...live!, ...archived!].sort((a, b) => b.id - a.id).slice(offset, offset + limit);
    }
    // Along the index of the live or of the archived ones, which nothing is faster than.
    const plain = sorting.length === 0 && Object.keys(filter).every((name) => name === "archived");
    const leads = filter.ids || plain ? [] : await leadsOf(account, filter);
    const few = await shortest(leads);
    const ordered = few || sorting.length > 0 ? undefined : leads.find((lead) => lead.ordered);
    const narrowed = few ? { ...filter, ids: few } : filter;
    const byId = ordered !== undefined || narrowed.ids !== undefined;
    // See `sortApart`: where the columns lie that lists are sorted by.
    const table = byId || sqlite || sorting.length === 0 ? "p" : "o";
    const along = sorting[0] && ({ column: sorting[0].by, table } as const);
    const conditions = conditionsOf(account, narrowed, database, { byId, ...(along && { along }) });
    const promoters = sql`firstpromoter_promoters p`;
    const from: RawBuilder<unknown> = ordered
      ? // As it is written: SQLite would begin with the promoters, who have the order too.
        sql`(${ordered.ids}) as o ${sqlite ? sql`cross join` : sql`join`} ${promoters} on p.id = o.id`
      : table === "o"
        ? sql`firstpromoter_search o join ${promoters} on p.id = o.id`
        : promoters;
    const order = [
      ...sorting.map(({ by, direction }) => sql`${sql.ref(`${table}.${by}`)} ${sql.raw(direction)}`),
      // In the direction of the sorting, so that the index on (account, column, id) serves both.
      sql`${ordered ? sql`o.id` : sql.ref(`${table}.id`)} ${sql.raw(sorting.at(-1)?.direction ?? "desc")}`,
    ];
    const { rows } = await sql<PromoterRow>`select p.* from ${from} where ${sql.join(conditions, sql` and `)}
      order by ${sql.join(order)} limit ${limit} offset ${offset}`.execute(db);
    return rows;
  };

  /** The filter with what follows from it; undefined where nobody can pass it. */
  async function possible(account: string, given: PromoterFilter): Promise<PromoterFilter | undefined> {
    const filter = Object.fromEntries(
      Object.entries(given).filter(([, value]) => value !== undefined),
    ) as PromoterFilter;
    const { ids, archived, archivedAs, state, campaignIds, fraudSuspicions } = filter;
    if (ids?.length === 0 || fraudSuspicions?.length === 0) return undefined;
    if (filter.ranges && Object.keys(filter.ranges).length === 0) delete filter.ranges;
    if (state === undefined || archived === false) delete filter.archivedAs;
    else if (archivedAs !== undefined && state !== archivedAs) {
      // Archived promoters show `archivedAs`, so he is live.
      if (archived) return undefined;
      delete filter.archivedAs;
      filter.archived = false;
    }
    if (!campaignIds) return filter;
    const own = await db
      .selectFrom("firstpromoter_campaigns")
      .select("id")
      .where("account", "=", account)
      .where(database.anyOf("id", campaignIds))
      .execute();
    return own.length === 0 ? undefined : { ...filter, campaignIds: own.map(({ id }) => id) };
  }
}
