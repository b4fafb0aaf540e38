import { type Database, inAccount, statement } from "@reinstate/batch-core";
import { type Selectable, sql } from "kysely";
import type { ProfileInput } from "../schemas.ts";
import { type Condition, mergePages, type PromoterSearch } from "./search.ts";
import {
  type CampaignRecord,
  formatName,
  type ImportedFields,
  type LookUp,
  type PromoterRecord,
  type PromoterStore,
} from "./store.ts";
import type { Tables } from "./tables.ts";

type PromoterRow = Selectable<Tables["firstpromoter_promoters"]>;

/** Creates the part of the store that finds and lists promoters. */
export function createReads(
  database: Database,
  search: PromoterSearch,
): Pick<PromoterStore, "find" | "list" | "countPending" | "hasAccount"> {
  const db = database.tables<Tables>();
  const assemble = createAssembler(database);

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

  return {
    async hasAccount(account) {
      const promoter = db.selectFrom("firstpromoter_promoters").select("id").where("account", "=", account).limit(1);
      return (await promoter.executeTakeFirst()) !== undefined;
    },

    async find(account, by, value) {
      const hasMembership = (
        column: string,
      ) => sql<boolean>`id in (select m.promoter_id from firstpromoter_memberships m
        where m.account = ${account} and ${sql.ref(`m.${column}`)} = ${value})`;
      const conditions: Record<LookUp, Condition> = {
        id: sql`id = ${Number(value)}`,
        email: sql`email = ${value.toLowerCase()}`,
        cust_id: sql`cust_id = ${value}`,
        auth_token: sql`auth_token = ${value}`,
        ref_token: hasMembership("ref_token"),
        promo_code: hasMembership("coupon"),
      };
      const isOwn =
        by === "ref_token" || by === "promo_code" ? inAccount(database, account) : sql`account = ${account}`;
      const query = db.selectFrom("firstpromoter_promoters").selectAll().where(sql<boolean>`${isOwn}`);
      return (await assemble(await query.where(conditions[by]).limit(1).execute()))[0];
    },

    async list(account, query) {
      const ids =
        query.archived === undefined && query.sorting.length === 0
          ? await mergePages(search, account, query)
          : await search.findPage(account, query);
      const rows = new Map((await byIds(db, { ids })).rows.map((row) => [row.id, row]));
      const found = ids.flatMap((id) => rows.get(id) ?? []);
      // A promoter may have been archived or restored since the ids were read.
      const { archived } = query;
      return assemble(found.filter((row) => archived === undefined || (row.archived_at !== null) === archived));
    },

    async countPending(account) {
      const { rows } = await pending(db, { account });
      return Number(rows[0]?.count);
    },
  };
}

/** Creates the function that adds campaigns and parents to promoter rows. */
function createAssembler(database: Database) {
  const db = database.tables<Tables>();

  const readMemberships = statement(({ ids }: { ids: readonly number[] }) =>
    db
      .selectFrom("firstpromoter_memberships as m")
      .innerJoin("firstpromoter_campaigns as c", "c.id", "m.campaign_id")
      .selectAll("m")
      .select(["c.name", "c.color"])
      .where(database.anyOf("m.promoter_id", ids))
      .orderBy("m.id"),
  );

  const readParents = statement(({ ids }: { ids: readonly number[] }) =>
    db.selectFrom("firstpromoter_promoters").select(["id", "email", "profile"]).where(database.anyOf("id", ids)),
  );

  return async (rows: PromoterRow[]): Promise<PromoterRecord[]> => {
    if (rows.length === 0) return [];
    const parentIds = [...new Set(rows.flatMap(({ parent_promoter_id }) => parent_promoter_id ?? []))];
    const [memberships, parents] = await Promise.all([
      readMemberships(db, { ids: rows.map(({ id }) => id) }),
      parentIds.length === 0 ? { rows: [] } : readParents(db, { ids: parentIds }),
    ]);
    const byPromoter = Map.groupBy(memberships.rows, ({ promoter_id }) => promoter_id);
    const byId = new Map(
      parents.rows.map(({ id, email, profile }) => [
        id,
        { id, email, name: formatName({ email, profile: JSON.parse(profile) as ProfileInput }) },
      ]),
    );
    return rows.map((row) =>
      toRecord(
        row,
        (row.parent_promoter_id !== null && byId.get(row.parent_promoter_id)) || null,
        byPromoter.get(row.id) ?? [],
      ),
    );
  };
}

type MembershipRow = Selectable<Tables["firstpromoter_memberships"]> & Pick<CampaignRecord, "name" | "color">;

/** Turns a row into a record. Performance: changes the row itself, because copying a page takes longer than reading it. */
function toRecord(
  row: PromoterRow,
  parent: PromoterRecord["parent"],
  memberships: readonly MembershipRow[],
): PromoterRecord {
  const parsed = <Value>(json: string | null, none: Value) => (json === null ? none : (JSON.parse(json) as Value));
  return Object.assign(row, {
    profile: JSON.parse(row.profile) as ProfileInput,
    custom_fields: parsed<PromoterRecord["custom_fields"]>(row.custom_fields, null),
    fraud_suspicions: parsed<string[]>(row.fraud_suspicions, []),
    subscribed_to_email: row.subscribed_to_email === 1,
    imported: parsed<ImportedFields | null>(row.imported, null),
    parent,
    campaigns: memberships.map((membership) =>
      Object.assign(membership, {
        campaign: { id: membership.campaign_id, name: membership.name, color: membership.color },
      }),
    ),
  });
}
