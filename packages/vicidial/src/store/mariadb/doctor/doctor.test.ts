import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { createVicidial } from "../../../create.ts";
import { insertRows } from "../../../fixtures/insert-rows.ts";
import { leadTables } from "../../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../../leads/make-lead.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";

/** Both tables on a server that cuts what does not fit, as ViciBox sets it, and the doctor. */
async function setUp(engines: { live: string; archive: string }, change: string[] = []) {
  const database = await mariadbDatabase();
  const admin = await mysql.createConnection({
    uri: database.url,
    dateStrings: true,
    charset: "utf8mb4_unicode_ci",
    multipleStatements: true,
  });
  await admin.query("SET sql_mode = 'NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'");
  for (const statement of [...leadTables(engines), ...change]) await admin.query(statement);
  const host = await createTestHost({ role: "web" });
  const vicidial = await createVicidial(host, { url: database.url });
  return {
    admin,
    vicidial,
    findings: async () => (await vicidial.doctor()).findings,
    fill: (table: string, rows: readonly object[]) => insertRows(admin, table, rows),
    /** Every value of a table, byte by byte: text as UTF-8, whatever its character set. */
    async bytes(table: string): Promise<Record<string, unknown>[]> {
      const [columns] = await admin.query<RowDataPacket[]>(
        `SELECT COLUMN_NAME AS name, CHARACTER_SET_NAME IS NULL AND DATA_TYPE REGEXP 'binary|blob' AS raw
           FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY 1`,
        [table],
      );
      const values = columns.map(
        ({ name, raw }) => `HEX(${Number(raw) ? `\`${name}\`` : `CONVERT(\`${name}\` USING utf8mb4)`}) AS \`${name}\``,
      );
      const [rows] = await admin.query<RowDataPacket[]>(`SELECT ${values.join(", ")} FROM ${table} ORDER BY lead_id`);
      return rows.map((row) => ({ ...row }));
    },
    async [Symbol.asyncDispose]() {
      await host.close();
      await vicidial.close();
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

interface Drift {
  name: string;
  change: string[];
  /** Columns of the archived lead 1 and of the live lead 2, besides the usual ones. */
  archived: object;
  live: object;
  /** The tables that are altered. */
  altered: string[];
}

const drifts: Drift[] = [
  {
    name: "each enumeration has a word that the other lacks",
    change: [
      `ALTER TABLE ${live} MODIFY called_since_last_reset ENUM('Y','N','D') DEFAULT 'N' COMMENT 'it''s'`,
      `ALTER TABLE ${archive} MODIFY called_since_last_reset ENUM('Y','N','X') DEFAULT 'N'`,
    ],
    archived: { called_since_last_reset: "X" },
    live: { called_since_last_reset: "D" },
    altered: [live, archive],
  },
  {
    name: "the archive has a text where the live table has a width",
    change: [`ALTER TABLE ${archive} MODIFY comments TEXT`],
    archived: { comments: "é".repeat(30_000) },
    live: { comments: "é".repeat(255) },
    altered: [live],
  },
  {
    name: "the live table is latin1, the archive utf8mb4",
    change: [
      `ALTER TABLE ${live} MODIFY first_name VARCHAR(30) CHARACTER SET latin1`,
      `ALTER TABLE ${archive} MODIFY first_name VARCHAR(30) CHARACTER SET utf8mb4`,
    ],
    archived: { first_name: "🦊 日本" },
    live: { first_name: "José €" },
    altered: [live],
  },
  {
    name: "the archive is latin1, narrower, and cannot be NULL",
    change: [`ALTER TABLE ${archive} MODIFY first_name VARCHAR(10) CHARACTER SET latin1 NOT NULL`],
    archived: { first_name: "Zoë" },
    live: { first_name: "日本".repeat(15) },
    altered: [archive],
  },
  {
    name: "one is wider, the other can be NULL",
    change: [
      `ALTER TABLE ${live} MODIFY last_name VARCHAR(30) NOT NULL DEFAULT 'x'`,
      `ALTER TABLE ${archive} MODIFY last_name VARCHAR(20) NULL`,
    ],
    archived: { last_name: null },
    live: { last_name: "n".repeat(30) },
    altered: [live, archive],
  },
  {
    name: "a full text of one byte a character meets one of four",
    change: [
      `ALTER TABLE ${archive} MODIFY comments TEXT CHARACTER SET latin1`,
      `ALTER TABLE ${live} MODIFY comments TEXT CHARACTER SET utf8mb4`,
    ],
    archived: { comments: "é".repeat(65_535) },
    live: { comments: "🦊".repeat(16_000) },
    altered: [live, archive],
  },
  {
    name: "the archive counts higher",
    change: [`ALTER TABLE ${archive} MODIFY called_count MEDIUMINT(3) UNSIGNED`],
    archived: { called_count: 16_777_215 },
    live: { called_count: 65_535 },
    altered: [live],
  },
  {
    name: "the archive has more digits before the point and as many after it",
    change: [`ALTER TABLE ${archive} MODIFY gmt_offset_now DECIMAL(6,2)`],
    archived: { gmt_offset_now: "1234.25" },
    live: { gmt_offset_now: "-12.75" },
    altered: [live],
  },
  {
    name: "two character sets of which neither holds the other",
    change: [
      `ALTER TABLE ${live} MODIFY city VARCHAR(50) CHARACTER SET latin1`,
      `ALTER TABLE ${archive} MODIFY city VARCHAR(50) CHARACTER SET cp1251`,
    ],
    archived: { city: "Москва" },
    live: { city: "São Paulo" },
    altered: [live, archive],
  },
];

describe.each([
  { live: "MyISAM", archive: "MyISAM" },
  { live: "InnoDB", archive: "Aria" },
])("the doctor's advice, live $live, archive $archive", (engines) => {
  test.each(drifts)(
    "$name: no value is changed by it, nothing is left to be advised, and both leads move",
    async (drift) => {
      await using place = await setUp(engines, drift.change);
      await place.fill(archive, [{ ...makeLead(1), ...drift.archived }]);
      await place.fill(live, [{ ...makeLead(2), ...drift.live }]);
      const before = [await place.bytes(live), await place.bytes(archive)];
      const advice = (await place.findings()).flatMap(({ advice }) => advice ?? []);
      const statements = advice.flatMap((text) => text.split(/(?<=;) /));
      expect(statements.map((statement) => /^ALTER TABLE `(\w+)` MODIFY/.exec(statement)?.[1])).toEqual(drift.altered);
      await place.admin.query(advice.join("\n"));
      expect([await place.bytes(live), await place.bytes(archive)]).toEqual(before);
      expect((await place.findings()).filter(({ severity }) => severity !== "note")).toEqual([]);

      const none = { transaction: undefined as never };
      const asked = { insert: true, update: false, delete: true };
      const back = await place.vicidial.store.move({ verb: "dearchive", ids: [1], ...asked }, none);
      const away = await place.vicidial.store.move({ verb: "archive", ids: [2], ...asked }, none);
      expect([back.counts.delete_count, away.counts.delete_count]).toEqual([1, 1]);
      expect([await place.bytes(archive), await place.bytes(live)]).toEqual(before);
    },
  );
});

test.each([
  ["digits before and after the point", "gmt_offset_now", "DECIMAL(6,1)"],
  ["numbers below zero and above", "called_count", "SMALLINT(5)"],
  ["words that differ by their case", "gender", "ENUM('m','F','U')"],
  ["a fixed width, which keeps no spaces, and a smaller one", "city", "CHAR(60)"],
  ["text and number", "postal_code", "INT"],
  ["a text, and a column with a key", "phone_number", "TEXT NOT NULL"],
])("advises nothing if no type keeps every value: %s", async (_what, column, type) => {
  await using place = await setUp({ live: "MyISAM", archive: "MyISAM" }, [
    ...(type.startsWith("TEXT")
      ? [`ALTER TABLE ${archive} DROP KEY phone_number, DROP KEY phone_list, DROP KEY list_phone`]
      : []),
    `ALTER TABLE ${archive} MODIFY ${column} ${type}`,
  ]);
  expect(await place.findings()).toEqual([
    {
      severity: "risk",
      what: expect.stringMatching(`^${column} is .*; no ALTER keeps every value of both, so decide by hand$`),
    },
  ]);
});

test("ignores display width, word order and type aliases", async () => {
  await using place = await setUp({ live: "MyISAM", archive: "MyISAM" }, [
    `ALTER TABLE ${archive} MODIFY \`rank\` SMALLINT(3) NOT NULL DEFAULT 0, MODIFY gender ENUM('U','F','M') DEFAULT 'U'`,
  ]);
  expect(await place.findings()).toEqual([]);
});

test("counts NULL modify_dates and forbids them only if none exist", async () => {
  await using place = await setUp({ live: "MyISAM", archive: "MyISAM" }, [
    `ALTER TABLE ${archive} MODIFY modify_date TIMESTAMP NULL DEFAULT NULL`,
  ]);
  await place.fill(archive, [
    { ...makeLead(1), modify_date: null },
    makeLead(2),
    { ...makeLead(3), modify_date: null },
  ]);
  const [found, ...more] = await place.findings();
  expect([found?.severity, found?.advice, more]).toEqual(["note", undefined, []]);
  expect(found?.what).toMatch(/2 leads; to forbid it, these need an UPDATE first/);
  const update = /SET modify_date = .* IS NULL/.exec(String(found?.what))?.[0];
  await place.admin.query(`UPDATE ${archive} ${update}`);
  const before = await place.bytes(archive);
  expect(before.map(({ modify_date }) => Buffer.from(String(modify_date), "hex").toString())).toEqual([
    "2025-03-01 08:00:00",
    "2025-06-15 16:45:30",
    "2025-03-01 08:00:00",
  ]);
  await place.admin.query(String((await place.findings())[0]?.advice));
  expect([await place.bytes(archive), await place.findings()]).toEqual([before, []]);
});

test("advises a key only if every lead has its own id", async () => {
  await using place = await setUp({ live: "MyISAM", archive: "MyISAM" }, [
    `ALTER TABLE ${archive} DROP PRIMARY KEY, MODIFY lead_id INT(9) UNSIGNED NULL`,
  ]);
  await place.fill(archive, [makeLead(0), makeLead(1), makeLead(1), { ...makeLead(2), lead_id: null }]);
  const keyless = async () => (await place.findings()).find(({ what }) => /unique key/.test(what));
  expect(await keyless()).toEqual({ severity: "refused", what: expect.stringMatching("2 ids .* resolved first") });
  await place.admin.query(`DELETE FROM ${archive} WHERE lead_id IS NULL OR lead_id = 1`);
  const before = await place.bytes(archive);
  await place.admin.query(String((await keyless())?.advice));
  expect([await place.bytes(archive), await place.findings()]).toEqual([before, []]);
});

test("reports everything that a move refuses, once", async () => {
  await using place = await setUp({ live: "MyISAM", archive: "MyISAM" }, [
    `ALTER TABLE ${archive} ENGINE=MEMORY`,
    `ALTER TABLE ${archive} DROP PRIMARY KEY, ADD COLUMN fax VARCHAR(20), ADD COLUMN full_name VARCHAR(60)`,
    `ALTER TABLE ${live} ADD COLUMN twice INT AS (called_count * 2), ADD COLUMN full_name VARCHAR(60) AS (CONCAT(first_name, last_name))`,
  ]);
  const refused = (await place.findings()).filter(({ severity }) => severity === "refused").map(({ what }) => what);
  expect(refused).toEqual([
    `${archive} uses the engine MEMORY; leads are moved only between InnoDB, MyISAM and Aria tables`,
    `${archive} has no unique key on lead_id`,
    `${live} has no column fax: leads cannot be dearchived`,
    "full_name is a generated column in vicidial_list only: leads cannot be dearchived",
  ]);
  await place.admin.query(`DROP TABLE ${archive}`);
  const [missing, ...more] = await place.findings();
  expect([missing?.what, more]).toEqual([`The VICIdial database has no table ${archive}`, []]);
  await place.admin.query(String(missing?.advice));
  expect(await place.findings()).toEqual([]);
});

// Values at the ends of each type; of the texts also at the ends of their character sets.
const types: [type: string, values: unknown[]][] = [
  ["TINYINT", [-128, 127]],
  ["TINYINT UNSIGNED", [0, 255]],
  ["SMALLINT(5)", [-32_768, 32_767]],
  ["MEDIUMINT UNSIGNED", [0, 16_777_215]],
  ["INT(10)", [-2_147_483_648, 2_147_483_647]],
  ["INT UNSIGNED", [0, 4_294_967_295]],
  ["BIGINT", ["-9223372036854775808", "9223372036854775807"]],
  ["BIGINT UNSIGNED", [0, "18446744073709551615"]],
  ["DECIMAL(4,2)", ["-99.99", "99.99"]],
  ["DECIMAL(6,2) UNSIGNED", ["0.00", "9999.99"]],
  ["ENUM('a','b')", ["a", "b"]],
  ["ENUM('b','it''s','')", ["it's", ""]],
  ["SET('a','z')", ["a,z", ""]],
  ["CHAR(8) CHARACTER SET latin1", ["é€ÿ", ""]],
  ["VARCHAR(9) CHARACTER SET utf8mb3", ["日本語日本語日本 ", " "]],
  ["VARCHAR(8) CHARACTER SET utf8mb4", ["🦊🦊🦊🦊🦊🦊🦊🦊", ""]],
  ["VARCHAR(300) CHARACTER SET ascii", ["a".repeat(300), " "]],
  ["TINYTEXT CHARACTER SET latin1", ["é".repeat(255), " "]],
  ["TEXT CHARACTER SET utf8mb3", ["日".repeat(21_845), ""]],
  ["TINYBLOB", [Buffer.alloc(255, 7), Buffer.from([0, 255])]],
  ["BLOB", [Buffer.alloc(65_535, 7), Buffer.from([0, 255])]],
  ["DATE", ["0000-00-00", "9999-12-31"]],
  ["DATETIME", ["0000-00-00 00:00:00", "9999-12-31 23:59:59"]],
  ["TIMESTAMP NULL DEFAULT NULL", ["1970-01-01 00:00:01", "2038-01-19 03:14:07"]],
];

test("advises statements that keep every value of both types", async () => {
  const pairs = types.flatMap((one, a) => types.slice(0, a).map((two, b) => ({ name: `c${a}_${b}`, one, two })));
  const createTable = (table: string, side: "one" | "two") =>
    `CREATE TABLE ${table} (lead_id INT UNSIGNED NOT NULL PRIMARY KEY,
      ${pairs.map((pair) => `${pair.name} ${pair[side][0]}`).join(", ")}) ENGINE=MyISAM`;
  const makeRows = (side: "one" | "two", first: number) =>
    [0, 1].map((index) => ({
      lead_id: first + index,
      ...Object.fromEntries(pairs.map((pair) => [pair.name, pair[side][1][index]])),
    }));
  await using place = await setUp({ live: "MyISAM", archive: "MyISAM" }, [
    `DROP TABLE ${live}, ${archive}`,
    createTable(live, "one"),
    createTable(archive, "two"),
  ]);
  await place.fill(live, makeRows("one", 1));
  await place.fill(archive, makeRows("two", 3));
  const before = [await place.bytes(live), await place.bytes(archive)];
  const findings = await place.findings();
  const advice = findings.flatMap(({ advice }) => advice ?? []);
  const byHand = findings.filter(({ what }) => what.endsWith("decide by hand"));
  expect(advice.length).toBeGreaterThan(30);
  expect(advice.length + byHand.length).toBe(pairs.length);
  await place.admin.query(advice.join("\n"));
  expect([await place.bytes(live), await place.bytes(archive)]).toEqual(before);
  const listColumns = (found: { what: string }[]) => new Set(found.map(({ what }) => what.split(" ")[0]));
  expect(listColumns(await place.findings())).toEqual(listColumns(byHand));
});
