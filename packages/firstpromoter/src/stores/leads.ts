import type { Database } from "@reinstate/batch-core";
import { type RawBuilder, sql } from "kysely";
import type { PromoterFilter } from "../store.ts";
import { between, conditionsOf, contains, rangesOf } from "./filters.ts";
import type { Tables } from "./tables.ts";
import { indexOf, type SearchedColumn } from "./tables-search.ts";
import { type Pieces, piecesOfField, trigramsOf } from "./trigrams.ts";

/** Where all the promoters of one condition can be read off an index, and few others. */
export interface Lead {
  /** A query of ids, as `id`. */
  ids: RawBuilder<{ id: number }>;
  /** By descending id they are read as they lie there, none twice. */
  ordered?: true;
  /** To be planned as if all were wanted: PostgreSQL cannot tell how few it will find. */
  whole?: true;
}

/** So many promoters are fetched and sorted rather than looked for among the others. */
const fewAtMost = 500;

/** So many promoters show whether a text is common. */
const sampleSize = 500;

/** Trigrams of a text that are looked up, and those of them that are then looked for. */
const looksAtMost = 8;
const termsAtMost = 4;

/** Answers the ids of promoters who meet one of the conditions of a filter, and are few; otherwise what leads to them. */
export function createLeads(database: Database, trigrams: boolean) {
  const db = database.tables<Tables>();
  const sqlite = database.dialect === "sqlite";
  // See `makeSearch`: where the columns lie that a restore leaves alone.
  const apart = sqlite ? sql`firstpromoter_promoters` : sql`firstpromoter_search`;
  const promoters = sql`firstpromoter_promoters`;

  async function leadsOf(account: string, filter: PromoterFilter): Promise<Lead[]> {
    const { archived, parentId, state, archivedAs, campaignIds, fraudSuspicions, customFields = [] } = filter;
    const lead = (from: RawBuilder<unknown>, where: RawBuilder<unknown>, more: Omit<Lead, "ids"> = {}): Lead => ({
      ids: sql`select l.id from ${from} l where l.account = ${account} and ${where}`,
      ...more,
    });
    const leads: Lead[] = [];
    if (archived !== undefined) {
      const [index, which] = archived
        ? [sql`firstpromoter_promoters_archived`, sql`l.archived_at is not null`]
        : [sql`firstpromoter_promoters_live`, sql`l.archived_at is null`];
      // Without an order to keep, SQLite would take any index that begins with the account.
      leads.push({
        ids: sql`select l.id from firstpromoter_promoters l ${sqlite ? sql`indexed by ${index}` : sql``}
          where l.account = ${account} and ${which}`,
      });
    }
    if (parentId !== undefined) leads.push(lead(promoters, sql`l.parent_promoter_id = ${parentId}`, { ordered: true }));
    const equal: [string, string | number | undefined][] = [
      ["invoice_details_status", filter.invoiceStatus],
      ["subscribed_to_email", filter.subscribed === undefined ? undefined : Number(filter.subscribed)],
      ["has_form", filter.hasForm === undefined ? undefined : Number(filter.hasForm)],
    ];
    for (const [column, value] of equal) {
      if (value !== undefined) leads.push(lead(apart, sql`${sql.ref(`l.${column}`)} = ${value}`, { ordered: true }));
    }
    if (fraudSuspicions && !fraudSuspicions.includes(null)) {
      leads.push(lead(apart, sql`l.fraud_suspicions is not null`, { ordered: true }));
    }
    for (const [column, range] of rangesOf(filter)) {
      leads.push(lead(apart, between(sql.ref(`l.${column}`), range)));
    }
    // An archived promoter may show another state than the one that is kept.
    const kept = state !== undefined && (archived === false || archivedAs === undefined) ? state : undefined;
    if (campaignIds) {
      leads.push({
        ids: sql`select l.promoter_id as id from firstpromoter_memberships l
          where ${campaignIds.length === 1 ? sql`l.campaign_id = ${campaignIds[0]}` : database.anyOf("l.campaign_id", campaignIds)}
          ${kept === undefined ? sql`` : sql`and l.state = ${kept}`}`,
        ...(campaignIds.length === 1 && { ordered: true }),
      });
    } else if (kept !== undefined) {
      leads.push({
        ids: sql`select l.promoter_id as id from firstpromoter_memberships l where l.account = ${account} and l.state = ${kept}`,
      });
    }
    const looks: Promise<Lead | undefined>[] = [];
    if (filter.q) {
      const condition = { q: filter.q, ...(archived !== undefined && { archived }) };
      looks.push(textLead(account, "search", condition, [[filter.q.toLowerCase()]]));
    }
    if (trigrams) {
      for (const field of customFields) {
        looks.push(textLead(account, "custom_fields", { customFields: [field] }, piecesOfField(field)));
      }
    }
    for (const found of await Promise.all(looks)) if (found) leads.push(found);
    return leads;
  }

  /** What leads to those who meet one condition on a text, in which the pieces of one of the answers stand then. */
  async function textLead(
    account: string,
    column: SearchedColumn,
    condition: PromoterFilter,
    answers: Pieces[],
  ): Promise<Lead | undefined> {
    const long = answers.every((pieces) => trigramsOf(pieces).length > 0);
    if (sqlite) {
      const terms = long
        ? await Promise.all(answers.map((pieces) => rarest(column, pieces.map(narrowed))))
        : await termsOfShort(account, condition);
      if (!terms) return undefined;
      const match = terms.map((all) => `(${all.join(" AND ")})`).join(" OR ");
      // The promoters are looked at in any case: what holds all the trigrams need not hold the text.
      const met = conditionsOf(account, condition, database, { byId: true });
      const index = indexOf(column);
      const found = terms.length === 0 ? sql`1 = 0` : sql`${index} match ${match}`;
      return {
        ids: sql`select p.id from ${index} s cross join firstpromoter_promoters p on p.id = s.rowid
          where ${found} and ${sql.join(met, sql` and `)}`,
      };
    }
    if (!long) {
      const { q } = condition;
      if (q === undefined || (await isCommon(account, condition))) return undefined;
      const piece = sql`array[${q.toLowerCase()}::text]`;
      return {
        ids: sql`select l.id from firstpromoter_search l
          where l.account = ${account} and firstpromoter_pieces(l.search) @> ${piece}`,
        whole: true,
      };
    }
    // Also without an index on trigrams: the rows here are read ten times sooner than the promoters' own.
    const any = answers.map((pieces) => {
      const all = led(pieces.map(narrowed)).map((piece) => contains(`l.${column}`, piece, database, "any case"));
      return sql`(${sql.join(all, sql` and `)})`;
    });
    // What holds a part of the text need not hold the whole, which no index is to be asked for.
    const whole = condition.q ? sql`and position(${condition.q.toLowerCase()} in l.search) > 0` : sql``;
    return {
      ids: sql`select l.id from firstpromoter_search l
        where l.account = ${account} and (${sql.join(any, sql` or `)}) ${whole}`,
      whole: true,
    };
  }

  /**
   * For one or two characters, which no trigram is made of: all the trigrams that begin with them. To find those takes as long
   * as there are promoters with them, so it is left (undefined) where there are many.
   */
  async function termsOfShort(account: string, condition: PromoterFilter): Promise<string[][] | undefined> {
    const { q = "" } = condition;
    // Others may stand in the index as the small letter of theirs that it chose.
    if (!/^[ -~]+$/.test(q) || (await isCommon(account, condition))) return undefined;
    const { rows } = await sql<{ term: string }>`select term from firstpromoter_search_terms
      where term >= ${q.toLowerCase()} and term < ${`${q.toLowerCase()}\u{10ffff}`}`.execute(db);
    return rows.map(({ term }) => [quoted(term)]);
  }

  /** Whether a look at some promoters shows that many have a text. */
  async function isCommon(account: string, { q = "", archived }: PromoterFilter): Promise<boolean> {
    const some = sql`select search from firstpromoter_promoters
      where account = ${account} and archived_at is ${archived ? sql`not` : sql``} null order by id desc limit ${sampleSize}`;
    const { rows } = await sql<{ found: number }>`select count(*) as found from (${some}) as p
      where ${contains("p.search", q.toLowerCase(), database)}`.execute(db);
    return (rows[0]?.found ?? 0) >= sampleSize / 100;
  }

  /**
   * The rarest trigrams of some pieces, in SQLite's words: to go through what is common for all of them would take as long as
   * the table is large. Of those that are found often, those that are not found for the longest time are rarer.
   */
  async function rarest(column: SearchedColumn, pieces: Pieces): Promise<string[]> {
    const all = trigramsOf(pieces);
    const apart = Math.max(1, all.length / looksAtMost);
    const terms = all.filter((_, index) => Math.floor(index / apart) !== Math.floor((index - 1) / apart)).map(quoted);
    const looks = await sql<{ trigram: string; newest: string }>`select t.value as trigram,
        (select json_array(count(*), min(rowid)) from (select rowid from ${indexOf(column)}
          where ${indexOf(column)} match t.value order by rowid desc limit ${fewAtMost})) as newest
      from json_each(${JSON.stringify(terms)}) t`.execute(db);
    const rows = looks.rows.map(({ trigram, newest }) => {
      const [found, oldest] = JSON.parse(newest) as [number, number];
      return { trigram, found, oldest };
    });
    const isFew = (found: number) => found < fewAtMost;
    rows.sort((a, b) => (isFew(a.found) || isFew(b.found) ? a.found - b.found : a.oldest - b.oldest));
    return rows.slice(0, isFew(rows[0]?.found ?? 0) ? 1 : termsAtMost).map(({ trigram }) => trigram);
  }

  /** The ids of the shortest lead, where one is short. */
  async function shortest(leads: readonly Lead[]): Promise<number[] | undefined> {
    if (leads.length === 0) return undefined;
    const list = sqlite ? sql`json_group_array(id)` : sql`json_agg(id)::text`;
    const looks = leads.map(({ ids, whole }) => {
      const found = whole ? sql`found` : sql`(${ids}) as found`;
      return sql`(${whole ? sql`with found as materialized (${ids})` : sql``}
        select case when count(*) > ${fewAtMost} then null else coalesce(${list}, '[]') end
        from (select id from ${found} limit ${fewAtMost + 1}) as few)`;
    });
    const { rows } = await sql<Record<string, string | null>>`select ${sql.join(
      looks.map((look, index) => sql`${look} as ${sql.id(`lead${index}`)}`),
    )}`.execute(db);
    const few = Object.values(rows[0] ?? {}).flatMap((text) => (text === null ? [] : [JSON.parse(text) as number[]]));
    return few.sort((a, b) => a.length - b.length)[0];
  }

  return { leadsOf, shortest };
}

/** A term in the words of SQLite's full-text search. */
const quoted = (term: string) => `"${term.replaceAll('"', '""')}"`;

/** So many trigrams of a value lead to few. */
const leadingTrigrams = 3;

/**
 * Of a name and its value all of the value, and of the name one trigram: each that nearly everybody has is looked up once more
 * for everybody whom the value leads to.
 */
function led(pieces: Pieces): Pieces {
  const value = pieces.at(-1) ?? "";
  if (trigramsOf([value]).length < leadingTrigrams) return pieces;
  return pieces.map((piece) => (piece === value ? piece : [...piece].slice(0, 3).join("")));
}

/**
 * Of a long text eight characters, of an address the last of its name and the @: every trigram is looked up, and those that
 * nearly everybody has, as the end of an address, take longest.
 */
function narrowed(piece: string): string {
  const characters = [...piece];
  if (characters.length <= 10) return piece;
  const at = characters.indexOf("@");
  const end = at >= 3 ? at + 1 : characters.length;
  return characters.slice(Math.max(0, end - 8), end).join("");
}
