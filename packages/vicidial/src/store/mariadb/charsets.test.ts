import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { createVicidial } from "../../create.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import type { Lead } from "../../leads/columns.ts";
import { makeLead } from "../../leads/make-lead.ts";

const tables = { live: "vicidial_list", archive: "vicidial_list_archive" };

const verbs = [
  { verb: "dearchive", from: "archive", to: "live" },
  { verb: "archive", from: "live", to: "archive" },
] as const;

/** Lead tables of the given character sets, filled and read as UTF-8. */
async function setUp(engines: { live: string; archive: string }, charsets: { live: string; archive: string }) {
  const database = await mariadbDatabase();
  const admin = await mysql.createConnection({ uri: database.url, dateStrings: true, charset: "utf8mb4_unicode_ci" });
  for (const statement of leadTables(engines)) await admin.query(statement);
  for (const side of ["live", "archive"] as const) {
    await admin.query(`ALTER TABLE ${tables[side]} CONVERT TO CHARACTER SET ${charsets[side]}`);
  }
  const host = await createTestHost({ role: "web" });
  const vicidial = await createVicidial(host, { url: database.url });
  return {
    fill: (side: "live" | "archive", leads: Lead[]) => insertRows(admin, tables[side], leads),
    async rows(side: "live" | "archive") {
      const [rows] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${tables[side]} ORDER BY lead_id`);
      return rows.map((row) => ({ ...row }) as Lead);
    },
    /** What became of each lead, by its id. */
    async move(verb: (typeof verbs)[number]["verb"], items: number[]) {
      const params = { insert_leads: true, delete_leads: true, ...(verb === "archive" && { update_leads: false }) };
      const operation = `vicidial.leads.${verb}`;
      const { id } = await host.batches.submit({ operation, items, params, inline: true });
      const results = (await host.batches.items(id)).items;
      return Object.fromEntries(results.map(({ item, outcome, code }) => [Number(item), code ?? outcome]));
    },
    async [Symbol.asyncDispose]() {
      await host.close();
      await vicidial.close();
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

const engines = [
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "InnoDB" },
  { live: "Aria", archive: "InnoDB" },
];

describe.each(engines)("two character sets, live $live, archive $archive", (engines) => {
  test.each(verbs)(
    "$verb: text that is equal in both is equal, however it is written down",
    async ({ verb, from, to }) => {
      await using place = await setUp(engines, { live: "latin1", archive: "utf8mb4" });
      const leads = [1, 2].map((id) => makeLead(id, { first_name: "José", last_name: "Müller", comments: "20 € ÿ" }));
      await place.fill(from, leads);
      await place.fill(to, leads.slice(0, 1));
      expect(await place.move(verb, [1, 2])).toEqual({ 1: "done", 2: "done" });
      expect([await place.rows(from), await place.rows(to)]).toEqual([[], leads]);
    },
  );

  test.each(verbs)(
    "$verb: text that differs differs, be it written down with the same bytes",
    async ({ verb, from, to }) => {
      await using place = await setUp(engines, { live: "latin1", archive: "utf8mb4" });
      // What UTF-8 writes for é are the bytes of Ã© in latin1.
      const there = { archive: ["é", "José", "ß", "a"], live: ["Ã©", "Jose", "ss", "a "] };
      const readLeads = (side: "live" | "archive") =>
        there[side].map((first_name, id) => makeLead(id + 1, { first_name, last_name: "Smith" }));
      await place.fill("live", readLeads("live"));
      await place.fill("archive", readLeads("archive"));
      expect(await place.move(verb, [1, 2, 3, 4])).toEqual({ 1: "differs", 2: "differs", 3: "differs", 4: "differs" });
      expect([await place.rows(from), await place.rows(to)]).toEqual([readLeads(from), readLeads(to)]);
    },
  );

  test.each([
    ["utf8mb3", { 1: "does_not_fit", 2: "done", 3: "done" }],
    ["latin1", { 1: "does_not_fit", 2: "does_not_fit", 3: "done" }],
  ])("a lead with characters that %s does not have is kept as it is, and the others move", async (charset, results) => {
    await using place = await setUp(engines, { live: charset, archive: "utf8mb4" });
    const leads = ["Fuchs 🦊", "日本", "Zoë"].map((first_name, index) => makeLead(index + 1, { first_name }));
    await place.fill("archive", leads);
    expect(await place.move("dearchive", [1, 2, 3])).toEqual(results);
    const moved = ({ lead_id }: Lead) => (results as Record<number, string>)[lead_id] === "done";
    expect(await place.rows("live")).toEqual(leads.filter(moved));
    expect(await place.rows("archive")).toEqual(leads.filter((lead) => !moved(lead)));
  });

  test.each(verbs)(
    "$verb: another lead with the same id is told as such, and both are kept",
    async ({ verb, from, to }) => {
      await using place = await setUp(engines, { live: "utf8mb3", archive: "utf8mb3" });
      const [old, fresh] = [
        makeLead(1),
        makeLead(1, { entry_date: "2026-01-01 00:00:00", phone_number: "4930123456" }),
      ];
      // One alone of the two is a change of the same lead.
      const renumbered = makeLead(2, { phone_number: "4930123457" });
      await place.fill(from, [old, makeLead(2), makeLead(3)]);
      await place.fill(to, [fresh, renumbered]);
      expect(await place.move(verb, [1, 2, 3])).toEqual({ 1: "id_collision", 2: "differs", 3: "done" });
      expect([await place.rows(from), await place.rows(to)]).toEqual([
        [old, makeLead(2)],
        [fresh, renumbered, makeLead(3)],
      ]);
    },
  );
});
