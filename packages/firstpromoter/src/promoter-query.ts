import { booleanOf, integerOf, listOf, mapOf, type ParamMap, textOf } from "./bracket-params.ts";
import type { Options } from "./options.ts";
import { campaignState } from "./schemas.ts";
import type { PromoterQuery, Range, Sorting } from "./store.ts";

const counts = ["clicks_count", "referrals_count", "customers_count", "revenue_amount"] as const;
const times = ["joined_at", "last_login_at"] as const;

/** `page` from 1 and `per_page` up to 100; what cannot be is brought to the nearest that can. */
export function pageOf(params: ParamMap, perPage = 20): { limit: number; offset: number } {
  const limit = Math.min(100, Math.max(1, integerOf(params.per_page) ?? perPage));
  const page = Math.min(1_000_000, Math.max(1, integerOf(params.page) ?? 1));
  return { limit, offset: (page - 1) * limit };
}

/** The query of `GET /promoters`. A filter counts the same as `filters[name]`, as plain `name`, and in a JSON text. */
export function promoterQueryOf(params: ParamMap, options: Options, now: number): PromoterQuery {
  const filters = { ...params, ...mapOf(params.filters) };
  const archived = booleanOf(filters.archived) ?? (options.hideArchived ? false : undefined);
  const state = campaignState.safeParse(textOf(filters.state)).data;
  // A word that is no state is nobody's.
  const nobody = state === undefined && !["", undefined].includes(textOf(filters.state));
  // PostgreSQL takes no text with the character zero.
  const q = textOf(params.q)?.replaceAll("\0", "").trim();
  const ranges: PromoterQuery["ranges"] = {};
  for (const name of counts) addRange(name, integerOf);
  for (const name of times) addRange(name, timeOf);

  function addRange(
    name: (typeof counts)[number] | (typeof times)[number],
    read: (param: unknown) => number | undefined,
  ) {
    const { from: fromText, to: toText } = mapOf(filters[name]);
    const from = read(fromText);
    const to = read(toText);
    const range: Range = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
    if (from !== undefined || to !== undefined) ranges![name] = range;
  }

  // No event of a promoter is kept, so the last thing known of him is that he joined.
  const days = integerOf(mapOf(filters.inactivity).days);
  if (days !== undefined && days > 0) {
    const until = now - Math.min(days, 1_000_000) * 86_400_000;
    ranges.joined_at = { ...ranges.joined_at, to: Math.min(until, ranges.joined_at?.to ?? until) };
  }

  const parentId = integerOf(filters.parent_promoter_id);
  const hasForm = booleanOf(filters.has_wform);
  const subscribed = booleanOf(filters.subscribed_to_email);
  const invoiceStatus = textOf(filters.invoice_details_status)?.replaceAll("\0", "").trim();
  const customFields = [filters.custom_field1, filters.custom_field2].flatMap(customFieldOf);
  return {
    ...(q && { q }),
    ...(params.ids !== undefined && { ids: integersOf(params.ids) }),
    ...(nobody && { ids: [] }),
    ...(archived !== undefined && { archived }),
    ...(state && { state }),
    ...(options.archivedState !== "kept" && archived !== false && { archivedAs: options.archivedState }),
    ...(filters.campaign_id !== undefined && { campaignIds: integersOf(filters.campaign_id) }),
    ...(parentId !== undefined && { parentId }),
    ranges,
    ...(hasForm !== undefined && { hasForm }),
    ...(subscribed !== undefined && { subscribed }),
    ...(invoiceStatus && { invoiceStatus: invoiceStatus === "rejected" ? "denied" : invoiceStatus }),
    ...(filters.fraud_suspicions !== undefined && { fraudSuspicions: suspicionsOf(filters.fraud_suspicions) }),
    ...(customFields.length > 0 && { customFields }),
    sorting: sortingOf(mapOf(params.sorting)),
    ...pageOf(params),
  };
}

function integersOf(param: unknown): number[] {
  return listOf(param).flatMap((text) => integerOf(text) ?? []);
}

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

function sortingOf(given: Record<string, unknown>): Sorting[] {
  return Object.entries(given).flatMap(([name, value]) => {
    const by = [...counts, "joined_at" as const].find((known) => known === name);
    const direction = textOf(value)?.toLowerCase();
    return by && (direction === "asc" || direction === "desc") ? [{ by, direction }] : [];
  });
}

/** `YYYY-MM-DD HH:MM:SS` or any ISO 8601 time; UTC where no zone is named. */
function timeOf(param: unknown): number | undefined {
  const text = textOf(param)?.trim();
  const match =
    text && /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})?)?$/.exec(text);
  if (!match) return undefined;
  const [, date, time = "00:00:00", zone = "Z"] = match;
  const ms = Date.parse(`${date}T${time}${zone}`);
  return Number.isNaN(ms) ? undefined : ms;
}
