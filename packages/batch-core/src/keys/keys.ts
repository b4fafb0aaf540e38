import { hash, randomBytes, timingSafeEqual } from "node:crypto";
import * as z from "zod";
import type { Clock } from "../clock.ts";
import type { Database } from "../database/database.ts";
import { invalidRequest } from "../errors/errors.ts";
import type { LedgerTables } from "../ledger/tables.ts";
import { findTextIssues, ownText } from "../text/own-text.ts";

/** An API key without its secret, which only its holder knows. */
export interface Key {
  id: string;
  /** The API that it grants access to: the name of a vendor, or `admin` for our own. */
  vendor: string;
  /** The account; empty if the vendor has none. */
  account: string;
  name: string;
  /** The vendor's options of a key, such as a dialect. */
  options: Record<string, unknown>;
  createdAt: number;
  revokedAt: number | null;
}

/** A key to create. */
export interface NewKey {
  vendor: string;
  account?: string;
  name?: string;
  options?: Record<string, unknown>;
  /** A chosen secret, for demos and tests. Default: a random one. */
  secret?: string;
}

/** The options of an admin key. `access: "read"` allows only reads. */
export const adminKeyOptions = z.strictObject({ access: z.enum(["full", "read"]).optional() });

/** The store of API keys. Only SHA-256 digests are stored, and compared in constant time. */
export interface Keys {
  /** Creates a key. Only this call returns the secret. Throws `invalid_request` if a text is too long or cannot be stored. */
  create(key: NewKey): Promise<{ key: Key; secret: string }>;
  list(): Promise<Key[]>;
  /** Revokes a key; effective within a second. Returns false if there is no such key, or it is already revoked. */
  revoke(id: string): Promise<boolean>;
  /** Returns the valid key of this vendor with this secret. */
  find(vendor: string, secret: string): Promise<Key | undefined>;
  /** Returns the key with this id, valid or revoked, for example to name the actor of a batch. */
  findById(id: string): Promise<Key | undefined>;
  /** Reports whether the account has a key, valid or revoked. */
  knowsAccount(vendor: string, account: string): Promise<boolean>;
}

/** Cache TTL of successful key lookups in milliseconds. */
const freshMs = 1000;
/** Size of the cache of keys: more than a gateway sees in a second. */
const freshLimit = 1000;

const newKey = z.object({
  vendor: ownText(),
  account: ownText().default(""),
  name: ownText().default(""),
  options: z.record(z.string(), z.unknown()).default({}),
  secret: ownText(1000).optional(),
});

/** @throws ReinstateError `invalid_request` that names the field. */
function readNewKey(given: NewKey): z.output<typeof newKey> {
  const read = newKey.safeParse(given);
  const issues = read.success
    ? findTextIssues(read.data.options, "options")
    : read.error.issues.map(({ path, message }) => ({ path: path.join("."), message }));
  if (!read.success || issues.length > 0) throw invalidRequest(...issues);
  return read.data;
}

/** Creates the store of keys in the ledger's database, whose tables must exist. */
export function createKeys(database: Database, clock: Clock): Keys {
  const db = database.tables<LedgerTables>();
  const fresh = new Map<string, { key: Key; until: number }>();
  return {
    async create(given) {
      const { vendor, account, name, options, secret } = readNewKey(given);
      const id = randomBytes(6).toString("hex");
      const made = secret ?? `rik_${id}_${randomBytes(32).toString("base64url")}`;
      const digest = digestSecret(made);
      const key = { id, vendor, account, name, options, createdAt: clock.now(), revokedAt: null };
      await db
        .insertInto("reinstate_keys")
        .values({
          id,
          lookup: toLookup(digest),
          digest,
          vendor,
          account,
          name,
          options: JSON.stringify(options),
          created_at: key.createdAt,
          revoked_at: null,
        })
        .execute();
      return { key, secret: made };
    },

    async list() {
      return (await db.selectFrom("reinstate_keys").selectAll().orderBy("created_at").orderBy("id").execute()).map(
        toKey,
      );
    },

    async revoke(id) {
      const { numUpdatedRows } = await db
        .updateTable("reinstate_keys")
        .set({ revoked_at: clock.now() })
        .where("id", "=", id)
        .where("revoked_at", "is", null)
        .executeTakeFirst();
      fresh.clear();
      return numUpdatedRows > 0n;
    },

    async find(vendor, secret) {
      const name = `${vendor} ${hash("sha256", secret, "base64")}`;
      const before = fresh.get(name);
      const now = clock.now();
      if (before && now < before.until) return before.key;
      const digest = digestSecret(secret);
      const rows = await db
        .selectFrom("reinstate_keys")
        .selectAll()
        .where("lookup", "=", toLookup(digest))
        .where("vendor", "=", vendor)
        .where("revoked_at", "is", null)
        .execute();
      const row = rows.find((row) => timingSafeEqual(row.digest, digest));
      if (!row) return undefined;
      if (fresh.size >= freshLimit) fresh.clear();
      const key = toKey(row);
      fresh.set(name, { key, until: now + freshMs });
      return key;
    },

    async findById(id) {
      const row = await db.selectFrom("reinstate_keys").selectAll().where("id", "=", id).executeTakeFirst();
      return row && toKey(row);
    },

    async knowsAccount(vendor, account) {
      const row = await db
        .selectFrom("reinstate_keys")
        .select("id")
        .where("vendor", "=", vendor)
        .where("account", "=", account)
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}

const digestSecret = (secret: string) => hash("sha256", secret, "buffer");

// Finds the row without comparing the whole digest in the database.
const toLookup = (digest: Buffer) => digest.toString("hex", 0, 8);

function toKey(row: Omit<LedgerTables["reinstate_keys"], "lookup" | "digest">): Key {
  return {
    id: row.id,
    vendor: row.vendor,
    account: row.account,
    name: row.name,
    options: JSON.parse(row.options) as Record<string, unknown>,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  };
}
