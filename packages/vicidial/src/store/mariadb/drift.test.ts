import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { expect, test } from "vitest";
import { createVicidial } from "../../create.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";
import type { Verb } from "../../leads/move-types.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const secret = "a-key-of-the-tests";
const sides = { dearchive: [archive, live], archive: [live, archive] } as const;

/** Both tables after some changes, and the API in front of them. Lead 1 is archived, lead 2 is live. */
async function setUp(change: string[], extra: { [table: string]: object } = {}) {
  const database = await mariadbDatabase();
  const admin = await mysql.createConnection({ uri: database.url, dateStrings: true });
  for (const statement of [...leadTables({ live: "MyISAM", archive: "InnoDB" }), ...change])
    await admin.query(statement);
  const host = await createTestHost({ role: "web" });
  await host.keys.create({ vendor: "vicidial", secret });
  const vicidial = await createVicidial(host, { url: database.url });
  async function rows(table: string) {
    const [rows] = await admin.query<RowDataPacket[]>(`SELECT * FROM ${table} ORDER BY lead_id`);
    return rows.map((row) => ({ ...row }) as Record<string, unknown>);
  }
  for (const [table, id] of [
    [archive, 1],
    [live, 2],
  ] as const) {
    const [columns] = await admin.query<RowDataPacket[]>(`SHOW COLUMNS FROM ${table}`);
    const known = new Set(columns.map(({ Field }) => String(Field)));
    const lead = Object.entries(makeLead(id)).filter(([name]) => known.has(name));
    await insertRows(admin, table, [{ ...Object.fromEntries(lead), ...extra[table] }]);
  }
  const post = async (verb: Verb, lead_ids: number[], query = "") => {
    const flags = { insert_leads: true, delete_leads: true, ...(verb === "archive" && { update_leads: true }) };
    const response = await vicidial.routes.fetch(
      new Request(`http://localhost/vicidial/leads/${verb}${query}`, {
        method: "POST",
        headers: { authorization: `Key=${secret}` },
        body: JSON.stringify({ ...flags, lead_ids }),
      }),
    );
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return {
    admin,
    vicidial,
    rows,
    post,
    /** Moves a lead of the source. Returns the message of a refusal, after nothing has changed. */
    async move(verb: Verb): Promise<string | undefined> {
      const [from, to] = sides[verb];
      const before = [await rows(from), await rows(to)];
      const [lead] = before[0] ?? [];
      const id = Number(lead?.lead_id);
      const explained = await post(verb, [id], "?explain=true");
      const { status, body } = await post(verb, [id]);
      if (status === 200) {
        expect(explained.body.leads).toMatchObject([{ outcome: "done" }]);
        expect(body).toMatchObject({ select_count: 1, insert_count: 1, delete_count: 1 });
        const moved = (await rows(to)).find(({ lead_id }) => lead_id === id) ?? {};
        // The server works this one out anew.
        const copied = Object.entries(lead ?? {}).filter(([name]) => name !== "digits");
        expect(moved).toMatchObject(Object.fromEntries(copied));
        return undefined;
      }
      expect([explained.status, explained.body.message]).toEqual([500, body.message]);
      expect([await rows(from), await rows(to)]).toEqual(before);
      return String(body.message);
    },
    /** The verbs that the doctor calls refused. */
    async refused() {
      const { findings } = await vicidial.doctor();
      return findings.filter(({ severity }) => severity === "refused").map(({ verb }) => verb);
    },
    async [Symbol.asyncDispose]() {
      await vicidial.close();
      await host.close();
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

test.each([
  {
    name: "an archive without entry_list_id",
    change: [`ALTER TABLE ${archive} DROP COLUMN entry_list_id`],
    refused: "archive",
    names: "entry_list_id",
  },
  {
    name: "an archive of 2008",
    change: [
      `ALTER TABLE ${archive} DROP COLUMN entry_list_id, DROP COLUMN \`rank\`, DROP COLUMN owner, MODIFY list_id BIGINT(14) UNSIGNED NULL,
        MODIFY called_since_last_reset ENUM('Y','N','Y1','Y2','Y3','Y4','Y5','Y6','Y7','Y8','Y9','Y10') DEFAULT 'N'`,
    ],
    refused: "archive",
    names: "rank",
  },
  {
    name: "a column of the archive alone",
    change: [`ALTER TABLE ${archive} ADD COLUMN archived_by VARCHAR(20)`],
    refused: "dearchive",
    names: "archived_by",
  },
  {
    name: "a column of the archive alone that needs a value",
    change: [`ALTER TABLE ${archive} ADD COLUMN archived_by VARCHAR(20) NOT NULL`],
    extra: { [archive]: { archived_by: "Ann" } },
    refused: "both",
    names: "archived_by",
  },
  {
    name: "a column of the archive alone that takes a word by itself",
    change: [`ALTER TABLE ${archive} ADD COLUMN reason ENUM('age','wish') NOT NULL`],
    refused: "dearchive",
    names: "reason",
  },
  {
    name: "a column of the archive that the server works out",
    change: [`ALTER TABLE ${archive} ADD COLUMN digits INT AS (LENGTH(phone_number)) PERSISTENT`],
    refused: "none",
    names: "",
  },
  {
    name: "a column of the live table that the server works out in the archive",
    change: [
      `ALTER TABLE ${live} ADD COLUMN digits INT`,
      `ALTER TABLE ${archive} ADD COLUMN digits INT AS (LENGTH(phone_number)) PERSISTENT`,
    ],
    refused: "archive",
    names: "digits",
  },
])("$name refuses $refused alone, and the doctor says so", async ({ change, extra, refused, names }) => {
  await using place = await setUp(change, extra);
  const isRefused = (verb: Verb) => refused === "both" || refused === verb;
  for (const verb of ["dearchive", "archive"] as const) {
    const message = await place.move(verb);
    if (isRefused(verb)) expect(message).toContain(names);
    else expect([verb, message]).toEqual([verb, undefined]);
  }
  const verbs = (["archive", "dearchive"] as const).filter(isRefused);
  expect([...new Set(await place.refused())].sort()).toEqual(verbs);
  const ready = place.vicidial.ready();
  await (refused === "both" ? expect(ready).rejects.toThrow(names) : expect(ready).resolves.toBeUndefined());
  if (refused !== "both") expect((await place.vicidial.doctor()).duplicates).toBeDefined();
});

test("allows a refused verb after the column was added", async () => {
  await using place = await setUp([`ALTER TABLE ${archive} DROP COLUMN owner`]);
  expect(await place.move("archive")).toContain("does not exist in vicidial_list_archive");
  const finding = (await place.vicidial.doctor()).findings.find(({ verb }) => verb === "archive");
  await place.admin.query(String(finding?.advice));
  expect([await place.move("archive"), await place.refused()]).toEqual([undefined, []]);
});

test("deletes an equal copy if the target has additional columns", async () => {
  await using place = await setUp([`ALTER TABLE ${archive} DROP COLUMN entry_list_id`]);
  await insertRows(place.admin, live, [makeLead(1, { entry_list_id: 77 })]);
  const { body } = await place.post("dearchive", [1]);
  expect(body).toMatchObject({ select_count: 1, insert_count: 0, delete_count: 1 });
  expect((await place.rows(live))[0]).toMatchObject({ lead_id: 1, entry_list_id: 77 });
});
