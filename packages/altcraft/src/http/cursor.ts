import * as z from "zod";
import { type Status, statuses } from "../schemas/requests.ts";
import type { SubscriptionKey } from "../store/store.ts";

type After = Omit<SubscriptionKey, "db_id">;

const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** Cursor of `list_all`: the end of the previous page, and its filters. */
export interface Cursor {
  profile_id: string;
  resource_id: number;
  db_id?: number | undefined;
  channel?: string | undefined;
  status?: Status | undefined;
}

/**
 * Returns the cursor in the vendor's form: base58 of `<profile>_-1_<resource>_<channel>_<status>_true_<database>`. Status -1 means
 * any.
 */
export function encodeCursor({ profile_id, resource_id, db_id, channel, status }: Cursor): string {
  const number = status === undefined ? -1 : statuses.indexOf(status);
  return toBase58(Buffer.from(`${profile_id}_-1_${resource_id}_${channel ?? ""}_${number}_true_${db_id ?? ""}`));
}

/** Returns the last profile of the previous page; undefined if the cursor is invalid. */
export function parseProfileCursor(cursor: string): string | undefined {
  const text = fromBase58(cursor)?.toString("utf8");
  // A channel may contain underscores. The profile ends at the first `_-1_`.
  return text === undefined ? undefined : /^(\S+?)_-1_\d+_[\w-]*_(?:-1|\d)_(?:true|false)_\d*$/.exec(text)?.[1];
}

/** Returns the cursor of `list_deleted`: the key of a page's last subscription. */
export const encodeKeyCursor = ({ profile_id, resource_id, channel, address }: After): string =>
  Buffer.from(JSON.stringify([profile_id, resource_id, channel, address])).toString("base64url");

const keyParts = z.tuple([z.string(), z.int(), z.string(), z.string()]);

/** Returns the last key of the previous page; undefined if the cursor is invalid. */
export function parseKeyCursor(cursor: string): After | undefined {
  let decoded: unknown;
  try {
    decoded = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    return undefined;
  }
  const parsed = keyParts.safeParse(decoded);
  if (!parsed.success || parsed.data.some((part) => String(part).includes("\0"))) return undefined;
  const [profile_id, resource_id, channel, address] = parsed.data;
  return { profile_id, resource_id, channel, address };
}

function toBase58(bytes: Buffer): string {
  let rest = BigInt(`0x${bytes.toString("hex")}`);
  let text = "";
  for (; rest > 0n; rest /= 58n) text = alphabet[Number(rest % 58n)] + text;
  return text;
}

function fromBase58(text: string): Buffer | undefined {
  let value = 0n;
  for (const character of text) {
    const digit = alphabet.indexOf(character);
    if (digit < 0) return undefined;
    value = value * 58n + BigInt(digit);
  }
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
}
