import { isDeepStrictEqual } from "node:util";
import * as z from "zod";
import type { Options } from "../options.ts";
import { parseTime } from "../promoters/times.ts";
import { campaignState, findBy, profileInput, promoter } from "../schemas.ts";
import type { PromoterQuery, Sorting } from "../store/store.ts";
import {
  lastText,
  type ParamMap,
  parseBoolean,
  parseInteger,
  parseMap,
  parseWords,
  readText,
} from "./bracket-params.ts";

const counts = ["clicks_count", "referrals_count", "customers_count", "revenue_amount"] as const;
const times = ["joined_at", "last_login_at"] as const;
const sortable = [...counts, "joined_at"] as const;

/** Filters with several values. Forms send `ids[]=` for none of them. */
const lists = ["ids", "campaign_id", "fraud_suspicions"];

const isBlankText = (value: unknown) => typeof value === "string" && value.trim() === "";

/** Omits blank values: an empty text, null, and `ids[]=`. An empty list or map is no blank value; as a filter it finds no promoter. */
function omitBlanks(map: Record<string, unknown>): Record<string, unknown> {
  const isBlank = (name: string, value: unknown) =>
    value === null ||
    isBlankText(value) ||
    (lists.includes(name) && Array.isArray(value) && value.length > 0 && value.every(isBlankText));
  return Object.fromEntries(Object.entries(map).filter(([name, value]) => !isBlank(name, value)));
}

/** Makes a schema from a parser; undefined is an issue. */
const parsedBy = <Value>(parse: (param: unknown) => Value | undefined) =>
  z
    .custom<unknown>()
    .transform((param, { issues }) => {
      const value = parse(param);
      if (value !== undefined) return value;
      issues.push({ code: "custom", message: "cannot be understood", input: param });
      return z.NEVER;
    })
    .optional();

/** Makes the schema of a filter with several values. An unknown name is an issue. */
const group = <Shape extends z.ZodRawShape>(shape: Shape) =>
  parsedBy(parseMap)
    .transform((map) => map && omitBlanks(map))
    .pipe(z.strictObject(shape).optional());

const integer = parsedBy(parseInteger);
const count = parsedBy((param) => parseAtLeast(0, param));
const flag = parsedBy((param) => parseBoolean(readText(param)));
const words = parsedBy((param) => parseWords(param)?.map((word) => word.replaceAll("\0", "")));
// PostgreSQL rejects texts with the character zero, and no record has one.
const text = parsedBy((param) => (readText(param)?.includes("\0") ? undefined : readText(param)));
const line = text.transform((line) => line?.trim());
const countRange = group({ from: count, to: integer });
const timeRange = group({ from: parsedBy(parseSecond), to: parsedBy(parseSecond) });
const customField = group({
  key: text.pipe(z.string()),
  operator: line.pipe(z.enum(["exact", "partial"]).optional()),
  value: text.pipe(z.string()),
}).transform((field) => field && { key: field.key, value: field.value, partial: field.operator === "partial" });

/** The filters that the vendor documents. */
const filters = z.strictObject({
  clicks_count: countRange,
  referrals_count: countRange,
  customers_count: countRange,
  revenue_amount: countRange,
  joined_at: timeRange,
  last_login_at: timeRange,
  archived: flag,
  state: line.pipe(campaignState.optional()),
  campaign_id: parsedBy(parseIntegers),
  parent_promoter_id: integer,
  has_wform: flag,
  subscribed_to_email: flag,
  invoice_details_status: line.pipe(z.enum(["approved", "pending", "rejected", "denied", "not_submitted"]).optional()),
  fraud_suspicions: words,
  custom_field1: customField,
  custom_field2: customField,
  inactivity: group({
    metric: line.pipe(z.enum(["referral", "customer", "click", "sale"]).optional()),
    days: parsedBy((param) => parseAtLeast(1, param)).pipe(z.int()),
  }),
});

const selection = z.strictObject({
  q: line,
  ids: parsedBy(parseIntegers),
  filters,
});

/** Reads `page` and `per_page`, clamped to at least 1 and to 1–100. */
export function readPage(params: Record<string, unknown>, perPage = 20): { limit: number; offset: number } {
  const limit = Math.min(100, Math.max(1, parseInteger(lastText(params.per_page)) ?? perPage));
  const page = Math.min(1_000_000, Math.max(1, parseInteger(lastText(params.page)) ?? 1));
  return { limit, offset: (page - 1) * limit };
}

/**
 * Parses the query of `GET /promoters`. A filter may be `filters[name]`, plain `name`, or part of a JSON text. Blank filters count
 * as absent. If anything that selects promoters is unknown, malformed or of the wrong shape, the query finds no promoter.
 */
export function parsePromoterQuery(query: ParamMap, options: Options, now: number): PromoterQuery {
  const params = omitBlanks(query);
  const { sorting, ...selecting } = separateSorting(params);
  const page = { sorting, ...readPage(params) };
  const read = selection.safeParse(selecting);
  if (!read.success) return { ids: [], ...page };
  const { q, ids, filters } = read.data;
  const archived = filters.archived ?? (options.hideArchived ? false : undefined);
  const customFields = [filters.custom_field1, filters.custom_field2].flatMap((field) => field ?? []);
  return {
    ...page,
    q,
    ids,
    archived,
    state: filters.state,
    archivedAs: options.archivedState !== "kept" && archived !== false ? options.archivedState : undefined,
    campaignIds: filters.campaign_id,
    parentId: filters.parent_promoter_id,
    ranges: toRanges(filters, now),
    hasForm: filters.has_wform,
    subscribed: filters.subscribed_to_email,
    invoiceStatus: filters.invoice_details_status === "rejected" ? "denied" : filters.invoice_details_status,
    fraudSuspicions: filters.fraud_suspicions?.map((word) => (word === "no_suspicion" ? null : word)),
    customFields: customFields.length === 0 ? undefined : customFields,
  };
}

const filterNames = Object.keys(filters.shape);

/** Normalizes the spelling of a name: `Joined-At`, `joinedAt` and `joined_at` become equal. */
const normalizeName = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/** Names that select promoters, or that a caller may expect to: filters, and the fields of a promoter. */
const selectingNames = new Set(
  [
    ...filterNames,
    ...Object.keys({ ...promoter.shape, ...profileInput.shape }),
    ...findBy.options,
    ...["q", "ids", "search", "query", "find_by"],
    // Names from other parts of the API and from its exports.
    ...[
      "promoter_id",
      "promoter_ids",
      "campaign",
      "campaign_ids",
      "coupon",
      "ref_id",
      "status",
      "created_at",
      "updated_at",
    ],
  ].map(normalizeName),
);

const looksSelecting = (name: string, value: unknown) =>
  typeof value === "object" || /[[\]]|^filter/i.test(name) || selectingNames.has(normalizeName(name));

/** Parameters of the list that do not select promoters. */
const otherNames = ["sorting", "page", "per_page", "include_parent_promoter", "exclude_payout_method"];

/**
 * Separates the filters from the sorting. Both may use one name: `clicks_count=asc` sorts, `clicks_count[from]=1` filters. An
 * unknown parameter is ignored, as the vendor does, unless it looks like a filter. Then it counts as an unknown filter.
 */
function separateSorting(params: Record<string, unknown>) {
  const { q, ids, filters = {}, ...others } = params;
  const plain: Record<string, unknown> = {};
  const directions: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(others)) {
    if (otherNames.includes(name)) continue;
    const isSortable = sortable.some((known) => known === name);
    const values = [value].flat();
    const direction = isSortable ? values.find(isDirection) : undefined;
    if (direction !== undefined) directions[name] = direction;
    const rest = direction === undefined ? value : values.filter((entry) => !isDirection(entry));
    if (looksSelecting(name, value) && !(Array.isArray(rest) && rest.length === 0)) {
      plain[name] = direction !== undefined && Array.isArray(rest) && rest.length === 1 ? rest[0] : rest;
    }
  }
  return {
    ...(q !== undefined && { q }),
    ...(ids !== undefined && { ids }),
    filters: joinFilters(plain, filters),
    sorting: toSorting({ ...directions, ...parseMap(params.sorting) }),
  };
}

/** Merges the filters of both spellings. Returns a text if they are no map or contradict each other, which finds no promoter. */
function joinFilters(plain: Record<string, unknown>, filters: unknown): unknown {
  const map = parseMap(filters);
  if (!map) return filters;
  const named = omitBlanks(map);
  const differs = Object.keys(plain).some((name) => name in named && !isDeepStrictEqual(plain[name], named[name]));
  return differs ? "contradiction" : { ...plain, ...named };
}

const isDirection = (value: unknown) => /^\s*(asc|desc)\s*$/i.test(readText(value) ?? "");

function toSorting(directions: Record<string, unknown>): Sorting[] {
  return Object.entries(directions).flatMap(([name, value]) => {
    const by = sortable.find((known) => known === name);
    const direction = lastText(value)?.trim().toLowerCase();
    return by && (direction === "asc" || direction === "desc") ? [{ by, direction }] : [];
  });
}

function toRanges(read: z.output<typeof filters>, now: number): NonNullable<PromoterQuery["ranges"]> {
  const ranges: NonNullable<PromoterQuery["ranges"]> = {};
  for (const name of counts) ranges[name] = { ...read[name] };
  for (const name of times) {
    const { from, to } = read[name] ?? {};
    // Clients see whole seconds, so the range includes the whole last second.
    ranges[name] = { from, to: to === undefined ? undefined : to + 999 };
  }
  // The server records no events, so joining is the last known activity of a promoter.
  if (read.inactivity) {
    const until = now - Math.min(read.inactivity.days, 1_000_000) * 86_400_000;
    ranges.joined_at = { ...ranges.joined_at, to: Math.min(until, ranges.joined_at?.to ?? until) };
  }
  return ranges;
}

/** Parses a list of whole numbers. Ignores other entries; returns undefined if none is left. */
function parseIntegers(param: unknown): number[] | undefined {
  const numbers = parseWords(param)?.flatMap((word) => parseInteger(word) ?? []);
  return numbers?.length === 0 ? undefined : numbers;
}

function parseAtLeast(least: number, param: unknown): number | undefined {
  const value = parseInteger(param);
  return value !== undefined && value >= least ? value : undefined;
}

/** Parses a time, rounded down to its second. */
function parseSecond(param: unknown): number | undefined {
  const ms = parseTime(readText(param) ?? "");
  return ms === undefined ? undefined : Math.floor(ms / 1000) * 1000;
}
