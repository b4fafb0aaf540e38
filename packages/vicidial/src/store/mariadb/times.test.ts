import { createTestHost } from "@reinstate/batch-core/testing";
import { type PrivateService, privateMariadb } from "@reinstate/tooling/services";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createVicidial } from "../../create.ts";
import { insertRows } from "../../fixtures/insert-rows.ts";
import { leadTables } from "../../fixtures/vicidial-tables.ts";
import { makeLead } from "../../leads/make-lead.ts";

const live = "vicidial_list";
const archive = "vicidial_list_archive";
const secret = "a-key-of-the-tests";

let server: PrivateService;
beforeAll(async () => {
  server = await privateMariadb([]);
  const root = await mysql.createConnection({ uri: server.url });
  // Clocks were put forward at the first of these and back at the second: 02:30 did not come, and came twice.
  const [forward, back] = [Date.UTC(2025, 2, 30, 1) / 1000, Date.UTC(2025, 9, 26, 1) / 1000];
  for (const statement of [
    "REPLACE INTO mysql.time_zone VALUES (1, 'N')",
    "REPLACE INTO mysql.time_zone_name VALUES ('Europe/Berlin', 1)",
    "REPLACE INTO mysql.time_zone_transition_type VALUES (1, 0, 3600, 0, 'CET'), (1, 1, 7200, 1, 'CEST')",
    `REPLACE INTO mysql.time_zone_transition VALUES (1, ${forward}, 1), (1, ${back}, 0)`,
  ]) {
    await root.query(statement);
  }
  await root.end();
}, 60_000);
afterAll(() => server.stop());

let setups = 0;

/** Both lead tables in a database of the server, whose zone is set, and the API in front of them. */
async function setUp(zone: string, engine: string) {
  const name = `times_${process.pid}_${++setups}`;
  const url = Object.assign(new URL(server.url), { pathname: name }).href;
  const connect = async (url: string) => {
    const connection = await mysql.createConnection({ uri: url, dateStrings: true });
    await connection.query("SET sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO'");
    return connection;
  };
  const root = await connect(server.url);
  await root.query("SET GLOBAL time_zone = ?", [zone]);
  await root.query(`CREATE DATABASE ${name} DEFAULT CHARACTER SET utf8mb3`);
  await root.end();
  // As VICIdial connects: its times are wall clocks in the zone of the server.
  const wall = await connect(url);
  const utc = await connect(url);
  await utc.query("SET time_zone = '+00:00'");
  for (const statement of leadTables({ live: engine, archive: engine })) await wall.query(statement);
  const host = await createTestHost({ role: "web" });
  await host.keys.create({ vendor: "vicidial", secret });
  const vicidial = await createVicidial(host, { url });
  const post = async (verb: string, body: object, query = "") => {
    const response = await vicidial.routes.fetch(
      new Request(`http://localhost/vicidial/leads/${verb}${query}`, {
        method: "POST",
        headers: { authorization: `Key=${secret}` },
        body: JSON.stringify(body),
      }),
    );
    const answer = (await response.json()) as { leads?: { lead_id: number; outcome: string; code?: string }[] };
    return answer;
  };
  return {
    wall,
    utc,
    vicidial,
    /** The texts of a column by lead id, as a session sees them. */
    async read(session: mysql.Connection, table: string, column: string) {
      const [rows] = await session.query<RowDataPacket[]>(`SELECT lead_id, ${column} AS value FROM ${table}`);
      return new Map(rows.map(({ lead_id, value }) => [Number(lead_id), value === null ? null : String(value)]));
    },
    async ids(table: string) {
      const [rows] = await wall.query<RowDataPacket[]>(`SELECT lead_id FROM ${table} ORDER BY lead_id`);
      return rows.map(({ lead_id }) => Number(lead_id));
    },
    /** What `explain` says of each lead, and what a batch then does with it. */
    async move(lead_ids: number[], flags = { insert_leads: true, delete_leads: true }) {
      const explained = await post("dearchive", { ...flags, lead_ids }, "?explain=true");
      if (!explained.leads) throw new Error(`explain answered ${JSON.stringify(explained)}`);
      const said = new Map(explained.leads.map((lead) => [lead.lead_id, lead.code ?? lead.outcome]));
      const { id } = await host.batches.submit({
        operation: "vicidial.leads.dearchive",
        items: lead_ids,
        params: flags,
        inline: true,
      });
      const { items } = await host.batches.items(id, { limit: 500 });
      return { said, done: new Map(items.map(({ item, code, outcome }) => [Number(item), String(code ?? outcome)])) };
    },
    async [Symbol.asyncDispose]() {
      await vicidial.close();
      await host.close();
      await wall.end();
      await utc.end();
    },
  };
}

const zones = ["-03:00", "+00:00", "Europe/Berlin"];
const types = ["DATE", "DATETIME", "DATETIME(6)", "TIMESTAMP", "TIMESTAMP(3)", "VARCHAR(40)"];
const pairs = types.flatMap((from) => types.map((to) => ({ from, to })));
const isTimestamp = (type: string) => type.startsWith("TIMESTAMP");

/** Wall clocks; a column that cannot hold one is not given it. */
const values = [
  "2025-06-15 12:00:00",
  "2025-01-15 00:00:00",
  "2025-03-30 02:30:00",
  "2025-10-26 02:30:00",
  "2025-06-15 12:00:00.250000",
  "2025-06-15 12:00:00.123456",
  "1969-06-15 12:00:00",
  "1970-01-01 00:30:00",
  "2038-01-19 02:00:00",
  "2050-01-01 00:00:00",
  "0000-00-00 00:00:00",
  "2025-00-00 00:00:00",
  "9999-12-31 23:59:59",
];

/** A time without what adds nothing to it: midnight and zeros at the end of a fraction. */
const plain = (text: string | null) =>
  text
    ?.replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "")
    .replace(/ 00:00:00$/, "");

describe.each(zones)("times of a server in the zone %s", (zone) => {
  const engine = zone === "+00:00" ? "InnoDB" : "MyISAM";

  test("keep their value or do not fit, for all types", async () => {
    await using place = await setUp(zone, engine);
    for (const { from, to } of pairs) {
      for (const [table, type] of [
        [live, to],
        [archive, from],
      ] as const) {
        await place.wall.query(`DELETE FROM ${table}`);
        await place.wall.query(`ALTER TABLE ${table} DROP COLUMN IF EXISTS seen_at`);
        await place.wall.query(`ALTER TABLE ${table} ADD COLUMN seen_at ${type} NULL DEFAULT NULL`);
      }
      const leads: number[] = [];
      for (const [index, seen_at] of [...values, null].entries()) {
        const lead = { ...makeLead(index + 1), seen_at };
        await insertRows(place.wall, archive, [lead]).then(
          () => leads.push(index + 1),
          () => {},
        );
      }
      if (isTimestamp(from)) {
        // The same hour of the clock, once in summer time and once in winter time.
        for (const [id, seen_at] of [
          [101, "2025-10-26 00:30:00"],
          [102, "2025-10-26 01:30:00"],
        ] as const) {
          await insertRows(place.utc, archive, [{ ...makeLead(id), seen_at }]);
          leads.push(id);
        }
      }
      const session = isTimestamp(from) && isTimestamp(to) ? place.utc : place.wall;
      const before = await place.read(session, archive, "seen_at");
      const name = `${from} to ${to}`;

      const copied = await place.move(leads, { insert_leads: true, delete_leads: false });
      expect([name, copied.said]).toEqual([name, copied.done]);
      expect([...new Set(copied.done.values())].filter((end) => !["done", "does_not_fit"].includes(end))).toEqual([]);
      const fitting = leads.filter((id) => copied.done.get(id) === "done");
      const after = await place.read(session, live, "seen_at");
      for (const id of fitting)
        expect([name, id, plain(after.get(id) ?? null)]).toEqual([name, id, plain(before.get(id) ?? null)]);
      expect([name, [...after.keys()].sort((a, b) => a - b)]).toEqual([name, fitting]);
      expect(fitting.length).toBeGreaterThan(0);
      expect((await place.vicidial.doctor()).duplicates).toEqual({
        equal: fitting.length,
        differing: 0,
        collisions: 0,
      });

      const last = fitting[0] as number;
      await place.wall.query(`UPDATE ${live} SET seen_at = '2025-06-16', modify_date = modify_date WHERE lead_id = ?`, [
        last,
      ]);
      expect((await place.vicidial.doctor()).duplicates).toMatchObject({ equal: fitting.length - 1, differing: 1 });
      const moved = await place.move(leads);
      expect([name, moved.said]).toEqual([name, moved.done]);
      expect([name, moved.done.get(last)]).toEqual([name, "differs"]);
      expect([name, await place.ids(archive)]).toEqual([
        name,
        leads.filter((id) => id === last || !fitting.includes(id)),
      ]);
      expect(await place.read(session, archive, "seen_at")).toEqual(
        new Map([...before].filter(([id]) => id === last || !fitting.includes(id))),
      );
    }
  }, 240_000);

  test("keep the wall-clock modify_date of a DATETIME archive column", async () => {
    await using place = await setUp(zone, engine);
    await place.wall.query(`ALTER TABLE ${archive} MODIFY modify_date DATETIME NULL`);
    const at = (id: number, modify_date: string | null) => ({ ...makeLead(id), modify_date });
    const rows = [
      at(1, "2025-06-15 12:00:00"),
      at(2, null),
      { ...at(3, null), entry_date: null },
      { ...at(4, null), entry_date: "2025-03-30 02:30:00" },
    ];
    for (const row of rows) await insertRows(place.wall, archive, [row]);
    const [[clock]] = await place.wall.query<RowDataPacket[]>("SELECT NOW() AS now");
    const { said, done } = await place.move([1, 2, 3, 4]);
    expect([said, new Set(done.values())]).toEqual([done, new Set(["done"])]);
    const modified = await place.read(place.wall, live, "modify_date");
    expect([modified.get(1), modified.get(2)]).toEqual(["2025-06-15 12:00:00", "2025-03-01 08:00:00"]);
    expect((modified.get(3) as string) >= clock?.now).toBe(true);
    // This hour was left out by the clocks of Berlin alone.
    if (zone === "Europe/Berlin") expect((modified.get(4) as string) >= clock?.now).toBe(true);
    else expect(modified.get(4)).toBe("2025-03-30 02:30:00");

    const back = await place.vicidial.store.move(
      { verb: "archive", ids: [1, 2], insert: true, update: true, delete: true },
      { transaction: undefined as never },
    );
    expect(back.counts.delete_count).toBe(2);
    expect(await place.read(place.wall, archive, "modify_date")).toEqual(
      new Map([
        [1, "2025-06-15 12:00:00"],
        [2, "2025-03-01 08:00:00"],
      ]),
    );
  });
});

/** Types of columns, and values of which each takes in some. */
const kinds = [
  ...["BIGINT", "BIGINT UNSIGNED", "SMALLINT", "DECIMAL(20,4)", "DECIMAL(6,2) UNSIGNED", "DOUBLE", "YEAR"],
  ...["DATE", "TIME", "DATETIME(3)", "TIMESTAMP", "VARCHAR(40)", "VARCHAR(4)", "CHAR(20)", "TINYTEXT", "VARBINARY(40)"],
  "ENUM('25','2025','0','x')",
];
const contents = [
  ...[
    "0",
    "25",
    "025",
    "-5",
    "5.5",
    "5.50",
    "2025",
    "250615",
    "20250615120000",
    "9007199254740993",
    "x",
    "X",
    "x ",
    "",
  ],
  ...["18446744073709551615", "2025-06-15", "12:00:00", "2025-06-15 12:00:00", "2025-06-15 12:00:00.250"],
];

/** A value without what adds nothing to it in another type: zeros around a number, and midnight. */
function meaning(text: string, types: readonly string[]) {
  if (types.some((type) => /CHAR|TEXT|ENUM|BINARY/.test(type))) return text;
  const digits = /\de\d/.test(text) ? String(BigInt(Number(text))) : text;
  const number = types.includes("YEAR") ? digits.replace(/^0+(?=\d)/, "") : digits;
  return plain(number.includes(".") ? number : `${number}.`);
}

test.each(kinds)("keeps or refuses a %s in every column type", async (from) => {
  await using place = await setUp("-03:00", from === "YEAR" ? "InnoDB" : "MyISAM");
  const columns = kinds.map((_, index) => `c${index}`);
  for (const [table, typeAt] of [
    [archive, () => from],
    [live, (index: number) => kinds[index]],
  ] as const) {
    const added = columns.map((name, index) => `ADD COLUMN ${name} ${typeAt(index)} NULL DEFAULT NULL`);
    await place.wall.query(`ALTER TABLE ${table} ${added.join(", ")}`);
  }
  // One lead for each type and each value that the source takes in; its other columns are empty.
  const leads = new Map<number, { column: string; to: string }>();
  for (const [row, content] of contents.entries()) {
    for (const [index, to] of kinds.entries()) {
      const [id, column] = [row * 100 + index + 1, columns[index] as string];
      const inserted = await insertRows(place.wall, archive, [{ ...makeLead(id), [column]: content }]).catch(
        () => false,
      );
      if (inserted === false) break;
      leads.set(id, { column, to });
    }
  }
  const read = async (table: string) => {
    const [rows] = await place.wall.query<RowDataPacket[]>(
      `SELECT lead_id, CONVERT(COALESCE(${columns.join(", ")}) USING utf8mb4) AS value FROM ${table}`,
    );
    return new Map(rows.map(({ lead_id, value }) => [Number(lead_id), String(value)]));
  };
  const before = await read(archive);
  const { done } = await place.move([...leads.keys()]);
  const [left, moved] = [await read(archive), await read(live)];
  for (const [id, { column, to }] of leads) {
    const [value, name] = [before.get(id) as string, `${id} ${column}: ${before.get(id)} to ${to}`];
    if (done.get(id) !== "done") {
      expect([name, done.get(id), left.get(id), moved.get(id)]).toEqual([name, "does_not_fit", value, undefined]);
    } else {
      expect([name, left.has(id)]).toEqual([name, false]);
      expect([name, meaning(moved.get(id) as string, [from, to])]).toEqual([name, meaning(value, [from, to])]);
    }
    if (from === to) expect([name, done.get(id)]).toEqual([name, "done"]);
  }
});

test("refuses skipped times in a TIMESTAMP and accepts repeated ones", async () => {
  await using place = await setUp("Europe/Berlin", "InnoDB");
  await place.wall.query(`ALTER TABLE ${archive} MODIFY modify_date DATETIME NOT NULL`);
  const times = ["2025-03-30 02:30:00", "2025-10-26 02:30:00", "2025-03-30 03:00:00", "1969-12-31 23:00:00"];
  await insertRows(
    place.wall,
    archive,
    times.map((modify_date, index) => makeLead(index + 1, { modify_date })),
  );
  const { said, done } = await place.move([1, 2, 3, 4]);
  expect([said, [...done.values()]]).toEqual([done, ["does_not_fit", "done", "done", "does_not_fit"]]);
  expect([await place.ids(archive), [...(await place.read(place.wall, live, "modify_date")).values()]]).toEqual([
    [1, 4],
    times.slice(1, 3),
  ]);
});

test("keeps the wall-clock time of a callback across types", async () => {
  await using place = await setUp("-03:00", "MyISAM");
  for (const [table, type] of [
    ["vicidial_callbacks_archive", "DATETIME"],
    ["vicidial_callbacks", "TIMESTAMP"],
  ]) {
    await place.wall.query(
      `CREATE TABLE ${table} (callback_id INT PRIMARY KEY, lead_id INT, callback_time ${type} NULL)`,
    );
  }
  await insertRows(place.wall, live, [makeLead(1)]);
  await insertRows(place.wall, "vicidial_callbacks_archive", [
    { callback_id: 5, lead_id: 1, callback_time: "2025-06-15 12:00:00" },
    { callback_id: 6, lead_id: 1, callback_time: "2050-06-15 12:00:00" },
  ]);
  expect(await place.vicidial.store.restoreCallbacks([1])).toBe(1);
  const times = async (table: string) => [...(await place.read(place.wall, table, "callback_time")).values()];
  expect([await times("vicidial_callbacks"), await times("vicidial_callbacks_archive")]).toEqual([
    ["2025-06-15 12:00:00"],
    ["2050-06-15 12:00:00"],
  ]);
});
