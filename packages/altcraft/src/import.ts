import { findFlagFault, type Row, readRecords } from "@reinstate/batch-core";
import type { Altcraft } from "./create.ts";
import { subscriptionTable } from "./csv-row.ts";
import { withoutNulls } from "./nulls.ts";
import { describeIssue, type SubscriptionRead, subscriptionImport } from "./schemas.ts";

/** A line that was not brought in, and why. */
export interface RefusedLine {
  /** From 1; of a record over several lines the first. */
  line: number;
  message: string;
}

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
  let waiting: { line: number; subscription: SubscriptionRead }[] = [];

  function refuse(refused: RefusedLine): void {
    sum.refused++;
    if (sum.firstRefused.length < 100) sum.firstRefused.push(refused);
    onRefused(refused);
  }

  async function load(): Promise<void> {
    if (waiting.length === 0) return;
    const lines = waiting;
    waiting = [];
    const { added, kept, erased } = await altcraft.loadRead(lines.map(({ subscription }) => subscription));
    sum.added += added;
    sum.kept += kept;
    for (const place of erased) refuse({ line: lines[place]?.line ?? 0, message: "Subscription was erased" });
  }

  function take(row: Row): void {
    sum.read++;
    const { line } = row;
    const read = row.fault ?? readSubscription(row.value, channel);
    if (typeof read === "string") refuse({ line, message: read });
    else waiting.push({ line, subscription: read });
  }

  const records = readRecords(stream, format === "csv" ? { format, table: subscriptionTable(channel) } : { format });
  for await (const rows of records) {
    for (const row of rows) {
      take(row);
      if (waiting.length === portion) await load();
    }
  }
  await load();
  return sum;
}

/** Returns the subscription of a line, or why it is refused. */
function readSubscription(value: unknown, channel: string | undefined): SubscriptionRead | string {
  const fault = findFlagFault(value, ["custom_fields"]);
  if (fault !== undefined) return fault;
  const whole = isMembers(value) ? { ...(channel !== undefined && { channel }), ...withoutNulls(value) } : value;
  const parsed = subscriptionImport.safeParse(whole, { reportInput: true });
  return parsed.success ? parsed.data : describeIssue(parsed.error.issues[0]);
}

const isMembers = (given: unknown): given is object =>
  typeof given === "object" && given !== null && !Array.isArray(given);
