import { importRecords, type RefusedLine } from "@reinstate/batch-core";
import type { Altcraft } from "../create.ts";
import { withoutNulls } from "../http/methods/nulls.ts";
import { describeIssue, type SubscriptionRead, subscriptionImport } from "../schemas.ts";
import { subscriptionTable } from "./csv-row.ts";

export interface ImportOptions {
  /**
   * `ndjson`: a subscription a line, as `subscriptions/set` takes it, with `is_delete`. `csv`: a header with the same names,
   * `cc_data.id` and `custom_fields.size` for what is inside, `;` between categories. What the vendor makes itself, as
   * `hash_id`, may stand there and is passed over.
   */
  format: "ndjson" | "csv";
  /** The channel of every line that names none: a file of one channel needs no such column. */
  channel?: string;
  /** Called for every line that is refused. */
  onRefused?(refused: RefusedLine): void;
}

export interface Imported {
  /** Subscriptions read, and refused ones with them. */
  read: number;
  added: number;
  /** Were there already, and stay as they are. */
  kept: number;
  refused: number;
  /** The first hundred of the refused. */
  firstRefused: RefusedLine[];
}

/** Subscriptions per transaction. */
const portion = 1000;

/**
 * Brings subscriptions in from a stream of any length, in memory that does not grow with it. What is there already stays,
 * what was erased does not come back; a line that is not valid is refused, with its number, and the others go on. Throws
 * `invalid_request` where a CSV has a column that nothing is known about, or one twice.
 */
export async function importSubscriptions(
  altcraft: Pick<Altcraft, "loadRead">,
  stream: AsyncIterable<Uint8Array | string>,
  { format, channel, onRefused = () => {} }: ImportOptions,
): Promise<Imported> {
  const sum: Imported = { read: 0, added: 0, kept: 0, refused: 0, firstRefused: [] };
  const { imported, refused } = await importRecords<SubscriptionRead>(stream, {
    format,
    table: subscriptionTable(channel),
    data: ["custom_fields"],
    setSize: portion,
    parse: (value) => readSubscription(value, channel),
    async store(subscriptions) {
      const { added, kept, erased } = await altcraft.loadRead(subscriptions);
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
function readSubscription(value: unknown, channel: string | undefined): { item: SubscriptionRead } | { fault: string } {
  const whole = isMembers(value) ? { ...(channel !== undefined && { channel }), ...withoutNulls(value) } : value;
  const parsed = subscriptionImport.safeParse(whole, { reportInput: true });
  return parsed.success ? { item: parsed.data } : { fault: describeIssue(parsed.error.issues[0]) };
}

const isMembers = (given: unknown): given is object =>
  typeof given === "object" && given !== null && !Array.isArray(given);
