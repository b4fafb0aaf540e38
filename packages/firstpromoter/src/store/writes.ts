import type { Database, LedgerTransaction } from "@reinstate/batch-core";
import type { Kysely } from "kysely";
import type { ProfileInput } from "../schemas.ts";
import { hasForm, insertPromoters, makeSearchText, rowsPerInsert } from "./insert.ts";
import { loadPromoters, moveSequence } from "./load.ts";
import { type PromoterStore, type PromoterUpdate, UniqueViolation } from "./store.ts";
import type { Tables } from "./tables.ts";

type Db = Kysely<Tables>;

/** Creates the part of the store that inserts, imports and changes promoters. */
export function createWrites(database: Database): Pick<PromoterStore, "create" | "load" | "update"> {
  const db = database.tables<Tables>();
  const on = (transaction: LedgerTransaction) => transaction as Db;

  /** Runs a write. If a unique index rejects it, throws a `UniqueViolation` with the fields that are in use. */
  async function orUniqueViolation<Result>(
    account: string,
    { email, cust_id, id = 0 }: { email?: string | undefined; cust_id?: string | null | undefined; id?: number },
    write: () => Promise<Result>,
  ): Promise<Result> {
    try {
      return await write();
    } catch (error) {
      if (!isUniqueViolation(error)) throw error;
      const others = db
        .selectFrom("firstpromoter_promoters")
        .select("id")
        .where("account", "=", account)
        .where("id", "<>", id);
      const fields: UniqueViolation["fields"] = [];
      if (email && (await others.where("email", "=", email.toLowerCase()).executeTakeFirst())) fields.push("email");
      if (cust_id && (await others.where("cust_id", "=", cust_id).executeTakeFirst())) fields.push("cust_id");
      throw fields.length > 0 ? new UniqueViolation(fields) : error;
    }
  }

  return {
    create(account, promoters, now) {
      const { email, cust_id } = promoters[0] ?? {};
      return orUniqueViolation(account, { email, cust_id }, () =>
        database.transaction(async (transaction) => {
          const created: number[] = [];
          for (let start = 0; start < promoters.length; start += rowsPerInsert) {
            const set = promoters.slice(start, start + rowsPerInsert);
            created.push(...(await insertPromoters(on(transaction), account, set, now)));
          }
          if (promoters.some(({ id }) => id !== undefined))
            await moveSequence(database, "firstpromoter_promoters", on(transaction));
          return created;
        }),
      );
    },

    load(account, promoters, campaigns, now) {
      const loadSet = () =>
        database.transaction((transaction) =>
          loadPromoters(database, on(transaction), { account, promoters, campaigns, now }),
        );
      // A concurrent write took a value that was free; the second try reads the values again.
      return loadSet().catch((error: unknown) => (isUniqueViolation(error) ? loadSet() : Promise.reject(error)));
    },

    update(account, id, update, now) {
      const { email, cust_id } = update;
      return orUniqueViolation(account, { email, cust_id, id }, () =>
        database.transaction((transaction) => updatePromoter(database, on(transaction), { account, id, update, now })),
      );
    },
  };
}

async function updatePromoter(
  { dialect }: Database,
  on: Db,
  { account, id, update, now }: { account: string; id: number; update: PromoterUpdate; now: number },
): Promise<boolean> {
  const { profile, email, custom_fields, custom_fields_changed, ...rest } = update;
  const row = await on
    .selectFrom("firstpromoter_promoters")
    .select(["email", "profile", "custom_fields"])
    .where("account", "=", account)
    .where("id", "=", id)
    .$if(dialect === "postgres", (query) => query.forNoKeyUpdate())
    .executeTakeFirst();
  if (!row) return false;
  const memberships = await on
    .selectFrom("firstpromoter_memberships")
    .select("ref_token")
    .where("promoter_id", "=", id)
    .execute();
  const merged = { ...(JSON.parse(row.profile) as ProfileInput), ...profile };
  const address = email?.toLowerCase() ?? row.email;
  const refTokens = memberships.map(({ ref_token }) => ref_token);
  const fields = custom_fields_changed
    ? { ...(JSON.parse(row.custom_fields ?? "{}") as object), ...custom_fields_changed }
    : custom_fields;
  await on
    .updateTable("firstpromoter_promoters")
    .set({
      ...rest,
      email: address,
      profile: JSON.stringify(merged),
      has_form: hasForm(merged),
      search: makeSearchText(address, merged, refTokens),
      ...(fields !== undefined && { custom_fields: fields && JSON.stringify(fields) }),
      updated_at: now,
    })
    .where("id", "=", id)
    .execute();
  return true;
}

function isUniqueViolation(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  // PostgreSQL's unique_violation; SQLite's SQLITE_CONSTRAINT_UNIQUE and SQLITE_CONSTRAINT_PRIMARYKEY.
  return code === "23505" || errcode === 2067 || errcode === 1555;
}
