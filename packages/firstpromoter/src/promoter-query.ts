import { booleanOf, integerOf, listOf, mapOf, type ParamMap, textOf, withoutBlanks } from "./bracket-params.ts";
import type { Options } from "./options.ts";
import { campaignState } from "./schemas.ts";
import type { PromoterQuery, Range, Sorting } from "./store.ts";
import { timeOf } from "./times.ts";

const counts = ["clicks_count", "referrals_count", "customers_count", "revenue_amount"] as const;
const times = ["joined_at", "last_login_at"] as const;

/** `page` from 1 and `per_page` up to 100; what cannot be is brought to the nearest that can. */
export function pageOf(params: Record<string, unknown>, perPage = 20): { limit: number; offset: number } {
  const limit = Math.min(100, Math.max(1, integerOf(params.per_page) ?? perPage));
  const page = Math.min(1_000_000, Math.max(1, integerOf(params.page) ?? 1));
  return { limit, offset: (page - 1) * limit };
}

/**
 * The query of `GET /promoters`. A filter counts the same as `filters[name]`, as plain `name`, and in a JSON text; a blank one
 * as if it were not there, and one whose value cannot be what it asks for finds nobody.
 */
export function promoterQueryOf(given: ParamMap, options: Options, now: number): PromoterQuery {
  const params = withoutBlanks(given);
  const filters: Record<string, unknown> = { ...params, ...withoutBlanks(mapOf(params.filters)) };
  let nobody = false;

  function read<Value>(param: unknown, as: (param: unknown) => Value | undefined): Value | undefined {
    if (param === undefined) return undefined;
    const value = as(param);
    nobody ||= value === undefined;
    return value;
  }

  function rangeOf(param: unknown, as: (param: unknown) => number | undefined): Range {
    const bounds = mapOf(param);
    const [from, to] = [read(bounds.from, as), read(bounds.to, as)];
    return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
  }

  const ranges: NonNullable<PromoterQuery["ranges"]> = {};
  for (const name of counts) ranges[name] = rangeOf(filters[name], integerOf);
  for (const name of times) {
    const { to, ...from } = rangeOf(filters[name], secondOf);
    // Times are shown in seconds, so the whole second is part of the range.
    ranges[name] = { ...from, ...(to !== undefined && { to: to + 999 }) };
  }
  // No event of a promoter is kept, so the last thing known of him is that he joined.
  const days = read(mapOf(filters.inactivity).days, countOf);
  if (days !== undefined) {
    const until = now - Math.min(days, 1_000_000) * 86_400_000;
    ranges.joined_at = { ...ranges.joined_at, to: Math.min(until, ranges.joined_at?.to ?? until) };
  }
  for (const [name, range] of Object.entries(ranges)) {
    if (Object.keys(range).length === 0) delete ranges[name as keyof typeof ranges];
  }

  const q = searchedOf(params.q);
  const ids = read(params.ids, integersOf);
  const archived = read(filters.archived, booleanOf) ?? (options.hideArchived ? false : undefined);
  const state = read(filters.state, stateOf);
  const campaignIds = read(filters.campaign_id, integersOf);
  const parentId = read(filters.parent_promoter_id, integerOf);
  const hasForm = read(filters.has_wform, booleanOf);
  const subscribed = read(filters.subscribed_to_email, booleanOf);
  const invoiceStatus = read(filters.invoice_details_status, searchedOf);
  const fraudSuspicions = read(filters.fraud_suspicions, suspicionsOf);
  const customFields = [filters.custom_field1, filters.custom_field2].flatMap(customFieldOf);
  return {
    ...(q && { q }),
    ...(nobody ? { ids: [] } : ids && { ids }),
    ...(archived !== undefined && { archived }),
    ...(state && { state }),
    ...(options.archivedState !== "kept" && archived !== false && { archivedAs: options.archivedState }),
    ...(campaignIds && { campaignIds }),
    ...(parentId !== undefined && { parentId }),
    ranges,
    ...(hasForm !== undefined && { hasForm }),
    ...(subscribed !== undefined && { subscribed }),
    ...(invoiceStatus && { invoiceStatus: invoiceStatus === "rejected" ? "denied" : invoiceStatus }),
    ...(fraudSuspicions && { fraudSuspicions }),
    ...(customFields.length > 0 && { customFields }),
    sorting: sortingOf({ ...params, ...mapOf(params.sorting) }),
    ...pageOf(params),
  };
}

/** Of a list those that are whole numbers; undefined where none is. */
function integersOf(param: unknown): number[] | undefined {
  const numbers = listOf(param).flatMap((text) => integerOf(text) ?? []);
  return numbers.length === 0 ? undefined : numbers;
}

function countOf(param: unknown): number | undefined {
  const count = integerOf(param);
  return count !== undefined && count >= 0 ? count : undefined;
}

const stateOf = (param: unknown) => campaignState.safeParse(textOf(param)).data;

/** A text that is looked for. PostgreSQL takes none with the character zero. */
const searchedOf = (param: unknown) => textOf(param)?.replaceAll("\0", "").trim();

/** The words of `fraud_suspicions`; null for `no_suspicion`. One that is none of them is nobody's. */
function suspicionsOf(param: unknown): (string | null)[] {
  return listOf(param).map((word) => (word === "no_suspicion" ? null : word.replaceAll("\0", "")));
}

/** `{ key, operator, value }`, with `partial` for any place of the value; without key or value it says nothing. */
function customFieldOf(param: unknown) {
  const { key: givenKey, operator, value: givenValue } = mapOf(param);
  const key = textOf(givenKey)?.replaceAll("\0", "");
  const value = textOf(givenValue)?.replaceAll("\0", "");
  return key && value ? [{ key, value, partial: textOf(operator) === "partial" }] : [];
}

/** `sorting[name]=asc`, or plain `name=asc`, as clients write it that were generated from the vendor's file. */
function sortingOf(given: Record<string, unknown>): Sorting[] {
  return Object.entries(given).flatMap(([name, value]) => {
    const by = [...counts, "joined_at" as const].find((known) => known === name);
    const direction = textOf(value)?.toLowerCase();
    return by && (direction === "asc" || direction === "desc") ? [{ by, direction }] : [];
  });
}

/** The beginning of the second that a time names. */
function secondOf(param: unknown): number | undefined {
  const ms = timeOf(textOf(param) ?? "");
  return ms === undefined ? undefined : Math.floor(ms / 1000) * 1000;
}
