import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import mysql, { type Connection, type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { createVicidial } from "../../create.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const leads = 500;

/** Touches leads of the live table and of the archive as fast as it can, until it is told to stop. */
async function touch(url: string, seed: number, stopped: () => boolean): Promise<number> {
  const connection = await mysql.createConnection({ uri: url });
  let touched = 0;
  for (let step = seed; !stopped(); step += 7) {
    const table = step % 2 === 0 ? live : archive;
    const sql = `UPDATE ${table} SET called_count = called_count + 1, comments = ? WHERE lead_id = ?`;
    try {
      const [result] = await connection.query<mysql.ResultSetHeader>(sql, [`touch ${step}`, (step % leads) + 1]);
      touched += result.affectedRows;
    } catch (error) {
      // A writer on row locks has to live with being chosen as the victim of a deadlock.
      if ((error as { code?: string }).code !== "ER_LOCK_DEADLOCK") throw error;
    }
  }
  await connection.end();
  return touched;
}

async function readTouches(admin: Connection, table: string): Promise<Map<number, number>> {
  const [rows] = await admin.query<RowDataPacket[]>(`SELECT lead_id, called_count FROM ${table}`);
  return new Map(rows.map((row) => [row.lead_id as number, row.called_count as number]));
}

describe.each([
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "InnoDB" },
  { live: "Aria", archive: "Aria" },
  { live: "InnoDB", archive: "MyISAM" },
  { live: "MyISAM", archive: "InnoDB" },
])("while four writers change the leads, live $live, archive $archive", (engines) => {
  test("loses no lead and no change, and leaves no stale duplicate", async () => {
    await using database = await mariadbDatabase();
    const admin = await mysql.createConnection({ uri: database.url });
    for (const statement of leadTables(engines)) await admin.query(statement);
    const rows = Array.from({ length: leads }, (_, index) => makeLead(index + 1, { called_count: 0 }));
    await insertRows(admin, archive, rows);
    await using host = await createTestHost({ role: "web" });
    const vicidial = await createVicidial(host, { url: database.url });

    let stop = false;
    const writers = [1, 2, 3, 4].map((seed) => touch(database.url, seed, () => stop));
    let moved = 0;
    const params = { insert_leads: true, delete_leads: true };
    const ids = rows.map((_, index) => index + 1);
    try {
      for (let round = 0; round < 2; round++) {
        const there = await vicidial.store.move(
          { verb: "dearchive", ids, insert: true, update: false, delete: true },
          none,
        );
        const back = await host.batches.submit({
          operation: "vicidial.leads.archive",
          items: ids,
          params: { ...params, update_leads: true },
          inline: true,
        });
        expect(back).toMatchObject({ status: "completed", counts: { done: leads } });
        moved += there.counts.delete_count + (back.tally.delete_count ?? 0);
      }
    } finally {
      stop = true;
      await Promise.allSettled(writers);
    }
    const touched = (await Promise.all(writers)).reduce((sum, count) => sum + count, 0);

    expect(moved).toBe(4 * leads);
    expect(touched).toBeGreaterThan(20);
    const [inLive, inArchive] = [await readTouches(admin, live), await readTouches(admin, archive)];
    expect(inLive.size).toBe(0);
    expect(inArchive.size).toBe(leads);
    // Every change that a writer was told to have made is there.
    expect([...inArchive.values()].reduce((sum, count) => sum + count, 0)).toBe(touched);
    await vicidial.close();
    await admin.end();
  });
});

// The store on a real VICIdial database writes in no transaction of the ledger.
const none = { transaction: undefined as never };
