import { createFlagStore, type Database } from "@reinstate/batch-core";
import { sql } from "kysely";
import type { WidgetId } from "../schemas.ts";
import type { WidgetRecord, WidgetStore } from "./store.ts";

interface Tables {
  acme_widgets: WidgetRecord & { account: string; deleted_batch: number | null };
}

// FILL: the columns of a record. A later change is a second migration.
const migrations: Parameters<Database["migrate"]>[1] = {
  async "0001_widgets"(db, { types }) {
    await sql`create table acme_widgets (
      id bigint not null, // only with --ids integer
      id ${types.word} not null, // only with --ids string
      account ${types.word} not null,
      title text not null,
      created_at bigint not null,
      updated_at bigint not null,
      deleted_at bigint,
      deleted_batch bigint,
      primary key (id, account)
    )`.execute(db);
    await sql`create index acme_widgets_deleted on acme_widgets (account, id) where deleted_at is not null`.execute(db);
    await sql`create index acme_widgets_live on acme_widgets (account, id) where deleted_at is null`.execute(db);
  },
};

/** Widgets in SQLite or PostgreSQL, in the ledger's own database. Brings its tables up to date first. */
export async function createSqlStore(database: Database): Promise<WidgetStore> {
  await database.migrate("acme", migrations);
  const db = database.tables<Tables>();
  const columns = ["id", "title", "created_at", "updated_at", "deleted_at"] as const;

  return {
    flags: createFlagStore<WidgetId>(database, {
      table: "acme_widgets",
      flag: "deleted_at",
      batch: "deleted_batch",
      touched: "updated_at",
    }),

    find: (account, id) =>
      db
        .selectFrom("acme_widgets")
        .select(columns)
        .where("account", "=", account)
        .where("id", "=", id)
        .executeTakeFirst(),

    list: (account, { deleted, after, limit }) =>
      db
        .selectFrom("acme_widgets")
        .select(columns)
        .where("account", "=", account)
        .where("deleted_at", deleted ? "is not" : "is", null)
        .$if(after !== undefined, (query) => query.where("id", ">", after as WidgetId))
        .orderBy("id")
        .limit(limit)
        .execute(),

    async add(account, widgets, now) {
      if (widgets.length === 0) return 0;
      const rows = widgets.map((widget) => ({
        ...widget,
        account,
        created_at: now,
        updated_at: now,
        deleted_batch: null,
      }));
      const { numInsertedOrUpdatedRows = 0n } = await db
        .insertInto("acme_widgets")
        .values(rows)
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirst();
      return Number(numInsertedOrUpdatedRows);
    },

    async hasAccount(account) {
      const row = await db.selectFrom("acme_widgets").select("id").where("account", "=", account).limit(1).executeTakeFirst();
      return row !== undefined;
    },
  };
}
