import { type Database, type LedgerTransaction, type Log, silentLog, statement } from "@reinstate/batch-core";
import { type Kysely, type Selectable, sql } from "kysely";
import type { ProfileInput } from "../schemas.ts";
import {
  type CampaignRecord,
  type ImportedFields,
  type LookUp,
  nameOf,
  type PromoterRecord,
  type PromoterStore,
  Taken,
} from "../store.ts";
import { createArchival } from "./archival.ts";
import { inAccount } from "./by-id.ts";
import { hasForm, insertPromoters, rowsPerInsert, searchText } from "./insert.ts";
import { loadPromoters, moveSequence } from "./load.ts";
import { createMemberships } from "./memberships.ts";
import { mergePages, type PromoterSearch } from "./search.ts";
import { createPostgresSearch, createTrigramIndexes } from "./search-postgres.ts";
import { createSqliteSearch } from "./search-sqlite.ts";
import { migrations, type Tables } from "./tables.ts";

type Db = Kysely<Tables>;
type PromoterRow = Selectable<Tables["firstpromoter_promoters"]>;

/** Promoters in SQLite or PostgreSQL, in the ledger's own database. Brings its tables up to date first. */
export async function createSqlStore(database: Database, log: Log = silentLog): Promise<PromoterStore> {
  await database.migrate("firstpromoter", migrations);
  const search = await openSearch(database, log);
  const db = database.tables<Tables>();
  const on = (transaction?: LedgerTransaction) => (transaction as Db | undefined) ?? db;

  const locked = statement(({ account, ids }: { account: string; ids: readonly number[] }) =>
    db
      .selectFrom("firstpromoter_promoters")
      .select(["id", "archived_at", "parent_promoter_id"])
      .where(inAccount(database, account))
      .where(database.anyOf("id", ids))
      .orderBy("id")
      .$if(database.dialect === "postgres", (query) => query.forNoKeyUpdate()),
  );

  /** The promoters of a set that are there. On PostgreSQL they are locked in the order of their ids, so that two sets never lock each other out. */
  const present = async (account: string, ids: readonly number[], transaction: LedgerTransaction) =>
    (await locked(transaction, { account, ids })).rows;

  const byIds = statement(({ ids }: { ids: readonly number[] }) =>
    db.selectFrom("firstpromoter_promoters").selectAll().where(database.anyOf("id", ids)),
  );

  const pending = statement(({ account }: { account: string }) =>
    db
      .selectFrom("firstpromoter_promoters")
      .select(({ fn }) => fn.countAll<number>().as("count"))
      .where("account", "=", account)
      .where("archived_at", "is", null)
      .where("waits", ">", sql.lit(0)),
  );

  const promoters = () => db.selectFrom("firstpromoter_promoters as p").selectAll("p");

  const placesOf = statement(({ ids }: { ids: readonly number[] }) =>
    db
      .selectFrom("firstpromoter_memberships as m")
      .innerJoin("firstpromoter_campaigns as c", "c.id", "m.campaign_id")
      .selectAll("m")
      .select(["c.name", "c.color"])
      .where(database.anyOf("m.promoter_id", ids))
      .orderBy("m.id"),
  );

  const parentsOf = statement(({ ids }: { ids: readonly number[] }) =>
    db.selectFrom("firstpromoter_promoters").select(["id", "email", "profile"]).where(database.anyOf("id", ids)),
  );

  /** The rows with what lies in other tables. */
  async function whole(rows: PromoterRow[]): Promise<PromoterRecord[]> {
    if (rows.length === 0) return [];
    const parentIds = [...new Set(rows.flatMap(({ parent_promoter_id }) => parent_promoter_id ?? []))];
    const [places, parents] = await Promise.all([
      placesOf(db, { ids: rows.map(({ id }) => id) }),
      parentIds.length === 0 ? { rows: [] } : parentsOf(db, { ids: parentIds }),
    ]);
    const byPromoter = Map.groupBy(places.rows, ({ promoter_id }) => promoter_id);
    const byId = new Map(
      parents.rows.map(({ id, email, profile }) => [
        id,
        { id, email, name: nameOf({ email, profile: JSON.parse(profile) as ProfileInput }) },
      ]),
    );
    return rows.map((row) =>
      recordOf(
        row,
        (row.parent_promoter_id !== null && byId.get(row.parent_promoter_id)) || null,
        byPromoter.get(row.id) ?? [],
      ),
    );
  }

  /** Runs a write; where a unique index stops it, finds out which fields are in use. */
  async function orTaken<Result>(
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
      const fields: Taken["fields"] = [];
      if (email && (await others.where("email", "=", email.toLowerCase()).executeTakeFirst())) fields.push("email");
      if (cust_id && (await others.where("cust_id", "=", cust_id).executeTakeFirst())) fields.push("cust_id");
      throw fields.length > 0 ? new Taken(fields) : error;
    }
  }

  return {
    ...createMemberships(database, present),

    ...createArchival(database),

    async setParent(account, ids, parentId, now, transaction) {
      await on(transaction)
        .updateTable("firstpromoter_promoters")
        .set({ parent_promoter_id: parentId, updated_at: now })
        .where(inAccount(database, account))
        .where(database.anyOf("id", ids))
        .execute();
    },

    async lockParents(account, transaction) {
      // SQLite's transactions have the whole database for themselves.
      if (database.dialect === "sqlite") return;
      const name = `firstpromoter parents ${account}`;
      await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(on(transaction));
    },

    async lineage(account, id, transaction) {
      // `union`, not `union all`: a circle in the data ends the walk.
      const { rows } = await sql<{ id: number }>`with recursive line (id, parent) as (
        select id, parent_promoter_id from firstpromoter_promoters where account = ${account} and id = ${id}
        union
        select p.id, p.parent_promoter_id from firstpromoter_promoters p join line on p.id = line.parent
        where p.account = ${account}
      ) select id from line`.execute(on(transaction));
      return rows.map((row) => row.id);
    },

    async hasAccount(account) {
      const promoter = db.selectFrom("firstpromoter_promoters").select("id").where("account", "=", account).limit(1);
      return (await promoter.executeTakeFirst()) !== undefined;
    },

    async find(account, by, value) {
      const query = promoters().limit(1);
      if (by === "ref_token" || by === "promo_code") {
        const column = by === "ref_token" ? "m.ref_token" : "m.coupon";
        const owners = db
          .selectFrom("firstpromoter_memberships as m")
          .select("m.promoter_id")
          .where("m.account", "=", account)
          .where(column, "=", value);
        const wall =
          database.dialect === "sqlite" ? sql<boolean>`+p.account = ${account}` : sql<boolean>`p.account = ${account}`;
        return (await whole(await query.where(wall).where("p.id", "in", owners).execute()))[0];
      }
      const columns: Record<
        Exclude<LookUp, "ref_token" | "promo_code">,
        "p.id" | "p.email" | "p.cust_id" | "p.auth_token"
      > = { id: "p.id", email: "p.email", cust_id: "p.cust_id", auth_token: "p.auth_token" };
      const wanted = by === "id" ? Number(value) : by === "email" ? value.toLowerCase() : value;
      const found = await query.where("p.account", "=", account).where(columns[by], "=", wanted).execute();
      return (await whole(found))[0];
    },

    async list(account, query) {
      const ids =
        query.archived === undefined && query.sorting.length === 0
          ? await mergePages(search, account, query)
          : await search.findPage(account, query);
      const rows = new Map((await byIds(db, { ids })).rows.map((row) => [row.id, row]));
      return whole(ids.flatMap((id) => rows.get(id) ?? []));
    },

    async countPending(account) {
      const { rows } = await pending(db, { account });
      return Number(rows[0]?.count);
    },

    create(account, given, now) {
      const { email, cust_id } = given[0] ?? {};
      return orTaken(account, { email, cust_id }, () =>
        database.transaction(async (transaction) => {
          const created: number[] = [];
          for (let start = 0; start < given.length; start += rowsPerInsert) {
            const set = given.slice(start, start + rowsPerInsert);
            created.push(...(await insertPromoters(on(transaction), account, set, now)));
          }
          if (given.some(({ id }) => id !== undefined))
            await moveSequence(database, "firstpromoter_promoters", on(transaction));
          return created;
        }),
      );
    },

    load(account, given, campaigns, now) {
      const set = () =>
        database.transaction((transaction) =>
          loadPromoters(database, on(transaction), { account, given, campaigns, now }),
        );
      // Somebody else has meanwhile taken what was free: it is looked at again.
      return set().catch((error: unknown) => (isUniqueViolation(error) ? set() : Promise.reject(error)));
    },

    update(account, id, { profile, email, custom_fields, custom_fields_changed, ...rest }, now) {
      return orTaken(account, { email, cust_id: rest.cust_id, id }, () =>
        database.transaction(async (transaction) => {
          const row = await on(transaction)
            .selectFrom("firstpromoter_promoters")
            .select(["email", "profile", "custom_fields"])
            .where("account", "=", account)
            .where("id", "=", id)
            .$if(database.dialect === "postgres", (query) => query.forNoKeyUpdate())
            .executeTakeFirst();
          if (!row) return false;
          const places = await on(transaction)
            .selectFrom("firstpromoter_memberships")
            .select("ref_token")
            .where("promoter_id", "=", id)
            .execute();
          const merged = { ...(JSON.parse(row.profile) as ProfileInput), ...profile };
          const address = email?.toLowerCase() ?? row.email;
          const fields = custom_fields_changed
            ? { ...(JSON.parse(row.custom_fields ?? "{}") as object), ...custom_fields_changed }
            : custom_fields;
          await on(transaction)
            .updateTable("firstpromoter_promoters")
            .set({
              ...rest,
              email: address,
              profile: JSON.stringify(merged),
              has_form: hasForm(merged),
              search: searchText(
                address,
                merged,
                places.map(({ ref_token }) => ref_token),
              ),
              ...(fields !== undefined && { custom_fields: fields && JSON.stringify(fields) }),
              updated_at: now,
            })
            .where("id", "=", id)
            .execute();
          return true;
        }),
      );
    },
  };
}

async function openSearch(database: Database, log: Log): Promise<PromoterSearch> {
  if (database.dialect === "sqlite") return createSqliteSearch(database);
  if (!(await createTrigramIndexes(database))) {
    log.warn({}, "FirstPromoter: q is slow on a large table without PostgreSQL's extension pg_trgm");
  }
  return createPostgresSearch(database);
}

type PlaceRow = Selectable<Tables["firstpromoter_memberships"]> & Pick<CampaignRecord, "name" | "color">;

/** Field by field: to spread the rows of a page, as the driver makes them, takes longer than to read them. */
function recordOf(row: PromoterRow, parent: PromoterRecord["parent"], places: readonly PlaceRow[]): PromoterRecord {
  return {
    id: row.id,
    account: row.account,
    email: row.email,
    cust_id: row.cust_id,
    note: row.note,
    auth_token: row.auth_token,
    profile: JSON.parse(row.profile) as ProfileInput,
    custom_fields: row.custom_fields === null ? null : (JSON.parse(row.custom_fields) as Record<string, unknown>),
    clicks_count: row.clicks_count,
    referrals_count: row.referrals_count,
    sales_count: row.sales_count,
    customers_count: row.customers_count,
    active_customers_count: row.active_customers_count,
    revenue_amount: row.revenue_amount,
    joined_at: row.joined_at,
    last_login_at: row.last_login_at,
    archived_at: row.archived_at,
    fraud_suspicions: row.fraud_suspicions === null ? [] : (JSON.parse(row.fraud_suspicions) as string[]),
    invoice_details_status: row.invoice_details_status,
    subscribed_to_email: row.subscribed_to_email === 1,
    imported: row.imported === null ? null : (JSON.parse(row.imported) as ImportedFields),
    parent,
    campaigns: places.map((place) => ({
      id: place.id,
      campaign_id: place.campaign_id,
      promoter_id: place.promoter_id,
      state: place.state,
      created_at: place.created_at,
      coupon: place.coupon,
      ref_token: place.ref_token,
      campaign: { id: place.campaign_id, name: place.name, color: place.color },
    })),
  };
}

function isUniqueViolation(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  // PostgreSQL's unique_violation; SQLite's SQLITE_CONSTRAINT_UNIQUE and SQLITE_CONSTRAINT_PRIMARYKEY.
  return code === "23505" || errcode === 2067 || errcode === 1555;
}
