import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { createVicidial } from "../../create.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import type { Lead } from "../../leads/columns.ts";
import { makeLead } from "../../leads/make-lead.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";

type Engines = { live: string; archive: string };
const myisam: Engines = { live: "MyISAM", archive: "MyISAM" };

async function setUp(engines: Engines, change: string[] = []) {
  const database = await mariadbDatabase();
  const admin = await mysql.createConnection({ uri: database.url, dateStrings: true });
  await admin.query("SET sql_mode = 'NO_ENGINE_SUBSTITUTION'");
  for (const statement of [...leadTables(engines), ...change]) await admin.query(statement);
  const host = await createTestHost();
  const vicidial = await createVicidial(host, { url: database.url });
  return {
    admin,
    host,
    vicidial,
    fill: (table: string, leads: Lead[]) => insertRows(admin, table, leads),
    /** What stood in the live table, and is in neither table any more. */
    async lost(leads: Lead[]): Promise<number[]> {
      const seen = new Set<string>();
      for (const table of [live, archive]) {
        const [rows] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${table}`);
        for (const row of rows) seen.add(pickContent(row as Lead));
      }
      return leads.filter((lead) => !seen.has(pickContent(lead))).map(({ lead_id }) => lead_id);
    },
    async [Symbol.asyncDispose]() {
      await host.close();
      await vicidial.close();
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

type Setup = Awaited<ReturnType<typeof setUp>>;

/** The columns in one order; `modify_date` is stamped by the server. */
const pickContent = (lead: Lead) =>
  JSON.stringify(
    Object.entries(lead)
      .filter(([name]) => name !== "modify_date")
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );

const params = { insert_leads: true, update_leads: false, delete_leads: true };

interface Recipe {
  name: string;
  engines: Engines;
  change?: string[];
  /** In the archive before. */
  archived: Lead[];
  live: Lead[];
  /** Runs the statements that administrators usually run. `between` runs at the critical moment. */
  theirs(setup: Setup, between: () => Promise<unknown>): Promise<unknown>;
  between?(setup: Setup): Promise<unknown>;
  /** What must be somewhere afterwards. */
  must: Lead[];
  loses: number[];
}

const sold = makeLead(2, { status: "SALE", list_id: 5 });

const recipes: Recipe[] = [
  {
    name: "a condition that is looked at twice deletes a lead that came to meet it in between",
    engines: myisam,
    archived: [],
    live: [makeLead(1, { status: "NI", list_id: 5 }), makeLead(2, { status: "NEW", list_id: 5 })],
    async theirs({ admin }, between) {
      await admin.query(`INSERT INTO ${archive} SELECT * FROM ${live} WHERE status IN ('NI', 'SALE')`);
      await between();
      await admin.query(`DELETE FROM ${live} WHERE status IN ('NI', 'SALE')`);
    },
    between: ({ admin }) => admin.query(`UPDATE ${live} SET status = 'SALE' WHERE lead_id = 2`),
    must: [makeLead(1, { status: "NI", list_id: 5 }), sold],
    loses: [2],
  },
  {
    name: "INSERT IGNORE keeps a stale copy and lets the newer lead be deleted",
    engines: myisam,
    archived: [makeLead(2, { list_id: 5 })],
    live: [makeLead(1, { list_id: 5 }), sold],
    async theirs({ admin }) {
      await admin.query(`INSERT IGNORE INTO ${archive} SELECT * FROM ${live} WHERE list_id = 5`);
      await admin.query(`DELETE FROM ${live} WHERE list_id = 5`);
    },
    must: [makeLead(1, { list_id: 5 }), sold],
    loses: [2],
  },
  {
    name: "one id that is there already breaks the copy off half-way, and the next line deletes what was never copied",
    engines: myisam,
    archived: [makeLead(2, { list_id: 5 })],
    live: [makeLead(1, { list_id: 5 }), sold, makeLead(3, { list_id: 5 })],
    async theirs({ admin }) {
      const copy = admin.query(`INSERT INTO ${archive} SELECT * FROM ${live} WHERE list_id = 5 ORDER BY lead_id`);
      await expect(copy).rejects.toMatchObject({ code: "ER_DUP_ENTRY" });
      const [copied] = await admin.query<RowDataPacket[]>(`SELECT lead_id FROM ${archive} ORDER BY lead_id`);
      expect(copied.map(({ lead_id }) => lead_id)).toEqual([1, 2]);
      await admin.query(`DELETE FROM ${live} WHERE list_id = 5`);
    },
    must: [makeLead(1, { list_id: 5 }), sold, makeLead(3, { list_id: 5 })],
    loses: [2, 3],
  },
  {
    name: "a transaction that is rolled back over two engines takes back the copy alone",
    engines: { live: "MyISAM", archive: "InnoDB" },
    archived: [],
    live: [makeLead(1, { list_id: 5 })],
    async theirs({ admin }) {
      await admin.query("START TRANSACTION");
      await admin.query(`INSERT INTO ${archive} SELECT * FROM ${live} WHERE list_id = 5`);
      await admin.query(`DELETE FROM ${live} WHERE list_id = 5`);
      await admin.query("ROLLBACK");
    },
    must: [makeLead(1, { list_id: 5 })],
    loses: [1],
  },
  {
    name: "SELECT * swaps values where the columns stand in another order",
    engines: myisam,
    change: [`ALTER TABLE ${archive} MODIFY vendor_lead_code VARCHAR(20) AFTER source_id`],
    archived: [],
    live: [makeLead(1, { list_id: 5, vendor_lead_code: "code", source_id: "source" })],
    async theirs({ admin }) {
      await admin.query(`INSERT INTO ${archive} SELECT * FROM ${live} WHERE list_id = 5`);
      await admin.query(`DELETE FROM ${live} WHERE list_id = 5`);
    },
    must: [makeLead(1, { list_id: 5, vendor_lead_code: "code", source_id: "source" })],
    loses: [1],
  },
  {
    name: "a server that is not strict cuts what does not fit",
    engines: myisam,
    change: [`ALTER TABLE ${archive} MODIFY comments VARCHAR(5)`],
    archived: [],
    live: [makeLead(1, { list_id: 5, comments: "call back on Monday" })],
    async theirs({ admin }) {
      await admin.query(`INSERT INTO ${archive} SELECT * FROM ${live} WHERE list_id = 5`);
      await admin.query(`DELETE FROM ${live} WHERE list_id = 5`);
    },
    must: [makeLead(1, { list_id: 5, comments: "call back on Monday" })],
    loses: [1],
  },
];

describe.each(recipes)("$name", (recipe) => {
  async function prepared() {
    const place = await setUp(recipe.engines, recipe.change);
    if (recipe.archived.length > 0) await place.fill(archive, recipe.archived);
    await place.fill(live, recipe.live);
    return place;
  }

  test("loses the lead with the usual statements", async () => {
    await using place = await prepared();
    await recipe.theirs(place, async () => recipe.between?.(place));
    expect(await place.lost(recipe.must)).toEqual(recipe.loses);
  });

  test("keeps the lead with this package on the same data", async () => {
    await using place = await prepared();
    const { id } = await place.host.batches.submitFiltered({
      operation: "vicidial.leads.archive",
      filter: recipe.between ? { status: ["NI", "SALE"] } : { list_id: 5 },
      params,
    });
    await recipe.between?.(place);
    await place.host.batches.wait(id);
    expect(await place.lost(recipe.must)).toEqual([]);
  });
});
