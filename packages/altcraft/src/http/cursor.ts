import * as z from "zod";
import type { Status } from "../schemas.ts";
import { statuses } from "../schemas.ts";
import type { SubscriptionKey } from "../store/store.ts";

type After = Omit<SubscriptionKey, "db_id">;

const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** Where a page of `list_all` ended, and what it was filtered by. */
export interface Cursor {
  profile_id: string;
  resource_id: number;
  db_id?: number | undefined;
  channel?: string | undefined;
  status?: Status | undefined;
}

/**
 * The cursor as the vendor writes it: base58 of `<profile>_-1_<resource>_<channel>_<status>_true_<database>`, where -1 is any
 * status.
 */
export function encodeCursor({ profile_id, resource_id, db_id, channel, status }: Cursor): string {
  const number = status === undefined ? -1 : statuses.indexOf(status);
  return toBase58(Buffer.from(`${profile_id}_-1_${resource_id}_${channel ?? ""}_${number}_true_${db_id ?? ""}`));
}

/** The profile at which the page before ended; undefined where this is no cursor. */
export function profileOfCursor(cursor: string): string | undefined {
  const text = fromBase58(cursor)?.toString("utf8");
  // The channel may hold underscores of its own; the profile is what stands before the first `_-1_`.
  return text === undefined ? undefined : /^(\S+?)_-1_\d+_[\w-]*_(?:-1|\d)_(?:true|false)_\d*$/.exec(text)?.[1];
}

/** The cursor of `list_deleted`: the key of the last subscription of a page. */
export const cursorAfter = ({ profile_id, resource_id, channel, address }: After): string =>
  Buffer.from(JSON.stringify([profile_id, resource_id, channel, address])).toString("base64url");

const afterKey = z.tuple([z.string(), z.int(), z.string(), z.string()]);

/** The key at which the page before ended; undefined where this is no cursor. */
export function afterOfCursor(cursor: string): After | undefined {
  let given: unknown;
  try {
    given = JSON.parse(Buffer.from(cursor, "base64url").toString());
  } catch {
    return undefined;
  }
  const parsed = afterKey.safeParse(given);
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
