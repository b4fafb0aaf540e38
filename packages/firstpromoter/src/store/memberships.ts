import { type Database, inAccount, type LedgerTransaction } from "@reinstate/batch-core";
import { type Kysely, type Selectable, sql } from "kysely";
import { newRefToken, rowsPerInsert } from "./insert.ts";
import type { PromoterStore } from "./store.ts";
import type { Tables } from "./tables.ts";

type Db = Kysely<Tables>;
type LockedPromoter = Pick<Selectable<Tables["firstpromoter_promoters"]>, "id" | "archived_at" | "parent_promoter_id">;

/** Creates the part of the store for campaigns and memberships. `lockPromoters` reads and locks promoters. */
export function createMemberships(
  database: Database,
  lockPromoters: (account: string, ids: readonly number[], transaction: LedgerTransaction) => Promise<LockedPromoter[]>,
): Pick<
  PromoterStore,
  "readStates" | "setStates" | "moveMemberships" | "addMemberships" | "campaigns" | "defaultCampaign"
> {
  const db = database.tables<Tables>();
  const on = (transaction?: LedgerTransaction) => (transaction as Db | undefined) ?? db;

  /** Recounts the campaigns in which promoters are pending. */
  async function updateWaits(account: string, ids: readonly number[], on: Db): Promise<void> {
    await on
      .updateTable("firstpromoter_promoters as p")
      .set(({ selectFrom, fn }) => ({
        waits: selectFrom("firstpromoter_memberships as m")
          .select(fn.countAll<number>().as("waits"))
          .whereRef("m.promoter_id", "=", "p.id")
          .where("m.state", "=", "pending"),
      }))
      .where(inAccount(database, account))
      .where(database.anyOf("id", ids))
      .execute();
  }

  /** Adds new ref tokens to the text that `q` searches. */
  async function addSearchWords(account: string, added: { promoter_id: number; ref_token: string }[], on: Db) {
    const json = JSON.stringify(added);
    const words =
      database.dialect === "sqlite"
        ? sql`(select value ->> 'promoter_id' as promoter_id, value ->> 'ref_token' as ref_token from json_each(${json})) as a`
        : sql`json_to_recordset(${json}::json) as a (promoter_id bigint, ref_token text)`;
    await sql`update firstpromoter_promoters set search = search || ' ' || a.ref_token from ${words}
      where firstpromoter_promoters.id = a.promoter_id and firstpromoter_promoters.account = ${account}`.execute(on);
  }

  return {
    async readStates(account, ids, campaignIds, transaction) {
      const rows = await lockPromoters(account, ids, transaction);
      const memberships = await on(transaction)
        .selectFrom("firstpromoter_memberships")
        .select(["promoter_id", "campaign_id", "state"])
        .where(inAccount(database, account))
        .where(database.anyOf("promoter_id", ids))
        .where(database.anyOf("campaign_id", campaignIds))
        .execute();
      const byPromoter = Map.groupBy(memberships, ({ promoter_id }) => promoter_id);
      return rows.map(({ id, archived_at, parent_promoter_id }) => ({
        id,
        archived: archived_at !== null,
        parent_id: parent_promoter_id,
        states: new Map(byPromoter.get(id)?.map(({ campaign_id, state }) => [campaign_id, state])),
      }));
    },

    async setStates(account, ids, campaignId, state, transaction) {
      await on(transaction)
        .updateTable("firstpromoter_memberships")
        .set({ state })
        .where(inAccount(database, account))
        .where("campaign_id", "=", campaignId)
        .where(database.anyOf("promoter_id", ids))
        .execute();
      await updateWaits(account, ids, on(transaction));
    },

    async moveMemberships(account, ids, from, to, transaction) {
      await on(transaction)
        .updateTable("firstpromoter_memberships")
        .set({ campaign_id: to })
        .where(inAccount(database, account))
        .where("campaign_id", "=", from)
        .where(database.anyOf("promoter_id", ids))
        .execute();
    },

    async addMemberships(account, ids, campaignId, state, now, transaction) {
      const added = ids.map((promoter_id) => ({ promoter_id, ref_token: newRefToken() }));
      for (let start = 0; start < added.length; start += rowsPerInsert) {
        const rows = added.slice(start, start + rowsPerInsert);
        await on(transaction)
          .insertInto("firstpromoter_memberships")
          .values(
            rows.map((membership) => ({
              ...membership,
              account,
              campaign_id: campaignId,
              state,
              coupon: null,
              created_at: now,
            })),
          )
          .execute();
      }
      await addSearchWords(account, added, on(transaction));
      if (state === "pending") await updateWaits(account, ids, on(transaction));
    },

    campaigns(account, ids, transaction) {
      return on(transaction)
        .selectFrom("firstpromoter_campaigns")
        .select(["id", "name", "color"])
        .where("account", "=", account)
        .where(database.anyOf("id", ids))
        .execute();
    },

    async defaultCampaign(account) {
      const read = () =>
        db
          .selectFrom("firstpromoter_campaigns")
          .select(["id", "name", "color"])
          .where("account", "=", account)
          .where("is_default", "=", 1)
          .executeTakeFirst();
      const known = await read();
      if (known) return known;
      await db
        .insertInto("firstpromoter_campaigns")
        .values({ account, name: "Default campaign", color: "#4F46E5", is_default: 1 })
        .onConflict((conflict) => conflict.columns(["account", "is_default"]).doNothing())
        .execute();
      return (await read())!;
    },
  };
}
