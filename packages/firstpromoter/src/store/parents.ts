import { type Database, inAccount } from "@reinstate/batch-core";
import { type Kysely, sql } from "kysely";
import type { PromoterStore } from "./store.ts";
import type { Tables } from "./tables.ts";

/** Creates the part of the store for the parents of promoters. */
export function createParents(database: Database): Pick<PromoterStore, "setParent" | "lockParents" | "lineage"> {
  return {
    async setParent(account, ids, parentId, now, transaction) {
      await (transaction as Kysely<Tables>)
        .updateTable("firstpromoter_promoters")
        .set({ parent_promoter_id: parentId, updated_at: now })
        .where(inAccount(database, account))
        .where(database.anyOf("id", ids))
        .execute();
    },

    async lockParents(account, transaction) {
      // A SQLite transaction locks the whole database.
      if (database.dialect === "sqlite") return;
      const name = `firstpromoter parents ${account}`;
      await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(transaction);
    },

    async lineage(account, id, transaction) {
      // `union`, not `union all`: a cycle in the data ends the recursion.
      const { rows } = await sql<{ id: number }>`with recursive line (id, parent) as (
        select id, parent_promoter_id from firstpromoter_promoters where account = ${account} and id = ${id}
        union
        select p.id, p.parent_promoter_id from firstpromoter_promoters p join line on p.id = line.parent
        where p.account = ${account}
      ) select id from line`.execute(transaction);
      return rows.map((row) => row.id);
    },
  };
}
