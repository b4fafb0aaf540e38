import { importRecords, type RefusedLine } from "@reinstate/batch-core";
import type { Altcraft } from "../create.ts";
import { withoutNulls } from "../http/methods/nulls.ts";
import { describeIssue } from "../schemas/identity.ts";
import { type ParsedSubscription, subscriptionImport } from "../schemas/requests.ts";
import { subscriptionTable } from "./csv-row.ts";

/** Options of an import of subscriptions. */
export interface ImportOptions {
  /**
   * `ndjson`: one subscription a line, as `subscriptions/set` takes it, with `is_delete`. `csv`: a header with the same names,
   * `cc_data.id` and `custom_fields.size` for nested fields, and `;` between categories. Fields that the server computes, such as
   * `hash_id`, are ignored.
   */
  format: "ndjson" | "csv";
  /** Channel of lines that name none. */
  channel?: string;
  /** Called for every rejected line. */
  onRefused?(refused: RefusedLine): void;
}

/** Counts of an import. */
export interface Imported {
  /** Number of lines read, rejected ones included. */
  read: number;
  added: number;
  /** Subscriptions that existed and were not changed. */
  kept: number;
  refused: number;
  /** The first hundred rejected lines. */
  firstRefused: RefusedLine[];
}

/** Subscriptions stored in one transaction. */
const subscriptionsPerTransaction = 1000;

/**
 * Imports subscriptions from a stream of any length, in constant memory. Existing subscriptions are not changed, and erased ones are
 * rejected. An invalid line is rejected with its number, and the import continues.
 *
 * @throws `invalid_request` for an unknown or duplicate CSV column
 */
export async function importSubscriptions(
  altcraft: Pick<Altcraft, "loadParsed">,
  stream: AsyncIterable<Uint8Array | string>,
  { format, channel, onRefused = () => {} }: ImportOptions,
): Promise<Imported> {
  const sum: Imported = { read: 0, added: 0, kept: 0, refused: 0, firstRefused: [] };
  const { imported, refused } = await importRecords<ParsedSubscription>(stream, {
    format,
    table: subscriptionTable(channel),
    data: ["custom_fields"],
    setSize: subscriptionsPerTransaction,
    parse: (value) => readSubscription(value, channel),
    async store(subscriptions) {
      const { added, kept, erased } = await altcraft.loadParsed(subscriptions);
      sum.added += added;
      sum.kept += kept;
      const places = new Set(erased);
      return subscriptions.map((_, place) => (places.has(place) ? "Subscription was erased" : undefined));
    },
    onRefused(line) {
      if (sum.firstRefused.length < 100) sum.firstRefused.push(line);
      onRefused(line);
    },
  });
  return { ...sum, read: imported + refused, refused };
}

/** Returns the subscription of a line, or why it is rejected. */
function readSubscription(
  value: unknown,
  channel: string | undefined,
): { item: ParsedSubscription } | { fault: string } {
  const whole = isMembers(value) ? { ...(channel !== undefined && { channel }), ...withoutNulls(value) } : value;
  const parsed = subscriptionImport.safeParse(whole, { reportInput: true });
  return parsed.success ? { item: parsed.data } : { fault: describeIssue(parsed.error.issues[0]) };
}

const isMembers = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);
