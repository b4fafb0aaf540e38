import type { Database } from "@reinstate/batch-core";
import { sql } from "kysely";
import type { Lead } from "./leads/columns.ts";
import { makeLead } from "./leads/make-lead.ts";
import { demoArchive, demoLive } from "./store/demo-store.ts";
import type { LeadStore } from "./store/lead-store.ts";

export const demoKeys = [{ vendor: "vicidial", name: "demo", secret: "demo-vicidial-key" }];

/** Inserts leads 0 to 1000 into the demo archive if both demo tables are empty. Never writes to a real VICIdial database. */
export async function loadDemoLeads(database: Database, store: LeadStore): Promise<void> {
  if (store.effects !== "ledger") return;
  await database.transaction(async (db) => {
    const { rows } = await sql`
      select 1 from ${sql.table(demoLive)} union all select 1 from ${sql.table(demoArchive)} limit 1`.execute(db);
    if (rows.length > 0) return;
    for (let start = 0; start <= 1000; start += 100) {
      const length = Math.min(100, 1001 - start);
      const leads: Lead[] = Array.from({ length }, (_, index) => makeLead(start + index));
      await db.insertInto(demoArchive).values(leads).execute();
    }
  });
}
