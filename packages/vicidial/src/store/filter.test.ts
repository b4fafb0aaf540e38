import { createV1Routes } from "@reinstate/batch-core/http";
import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase, postgresDatabase, sqliteDatabase } from "@reinstate/tooling/databases";
import fc from "fast-check";
import mysql from "mysql2/promise";
import { describe, expect, test } from "vitest";
import { createVicidial } from "../create.ts";
import { dialerTables } from "../fixtures/dialer-tables.ts";
import { insertRows } from "../fixtures/insert-rows.ts";
import { leadTables } from "../fixtures/vicidial-tables.ts";
import type { Lead } from "../leads/columns.ts";
import { makeLead } from "../leads/make-lead.ts";
import { type LeadFilter, leadFilter } from "../schemas.ts";
import { demoArchive } from "./demo-store.ts";

const operation = "vicidial.leads.dearchive";
const params = { insert_leads: true, delete_leads: true };

/** Values that a careless comparison takes for each other. */
const leads: Lead[] = [
  makeLead(1, { list_id: 0, status: "", phone_number: "" }),
  makeLead(2, { list_id: 7, status: "SALE", phone_number: "555" }),
  makeLead(3, { list_id: 7, status: "sale", phone_number: "5550" }),
  makeLead(4, { list_id: 70, status: "SÁLE", phone_number: "%" }),
  makeLead(5, { list_id: 8, status: "NEW", phone_number: "0" }),
  makeLead(6, { list_id: 9, status: null, entry_date: null }),
  makeLead(7, { list_id: 9, entry_date: "2025-02-28 23:59:59" }),
  makeLead(8, { list_id: 9, entry_date: "2025-03-01 00:00:00" }),
  makeLead(9, { list_id: 9, entry_date: "2025-03-02 10:00:00" }),
];

async function openMariadb() {
  const database = await mariadbDatabase();
  const admin = await mysql.createConnection({ uri: database.url });
  for (const statement of [...leadTables({ live: "MyISAM", archive: "MyISAM" }), ...dialerTables]) {
    await admin.query(statement);
  }
  await insertRows(admin, "vicidial_lists", [
    { list_id: 7, campaign_id: "SALES", active: "Y" },
    { list_id: 8, campaign_id: "sales", active: "Y" },
  ]);
  await insertRows(admin, "vicidial_list_archive", leads);
  const host = await createTestHost();
  const vicidial = await createVicidial(host, { url: database.url });
  return {
    host,
    vicidial,
    async [Symbol.asyncDispose]() {
      await host.close();
      await vicidial.close();
      await admin.end();
      await database[Symbol.asyncDispose]();
    },
  };
}

async function openDemo(open: () => Promise<{ url: string } & AsyncDisposable> | ({ url: string } & AsyncDisposable)) {
  const database = await open();
  const host = await createTestHost({ databaseUrl: database.url });
  const vicidial = await createVicidial(host);
  await host.database.transaction((db) => db.insertInto(demoArchive).values(leads).execute());
  return {
    host,
    vicidial,
    async [Symbol.asyncDispose]() {
      await host.close();
      await database[Symbol.asyncDispose]();
    },
  };
}

type Place = Awaited<ReturnType<typeof openMariadb>>;

const places: { name: string; open(): Promise<Place> }[] = [
  { name: "MariaDB", open: openMariadb },
  { name: "the demo on SQLite", open: () => openDemo(sqliteDatabase) },
  { name: "the demo on PostgreSQL", open: () => openDemo(postgresDatabase) },
];

/** The ids that a filter selects; undefined if it is rejected. */
async function select({ host, vicidial }: Place, filter: unknown): Promise<number[] | undefined> {
  const parsed = host.batches.operation(operation).selection?.filter.safeParse(filter);
  if (!parsed?.success) return undefined;
  const found: number[] = [];
  for await (const ids of vicidial.store.select("dearchive", parsed.data as LeadFilter)) found.push(...ids);
  return found;
}

const malformed: [what: string, json: string][] = [
  ["no condition", "{}"],
  ["null", "null"],
  ["an array", '[{"list_id":7}]'],
  ["a text", '"list_id=7"'],
  ["an unknown name", '{"list_id":7,"lists":8}'],
  ["a name in another case", '{"list_id":7,"List_Id":8}'],
  ["the name __proto__", '{"list_id":7,"__proto__":{"status":"SALE"}}'],
  ...["null", "[]", "{}", "true", '""', '"7"', "-1", "7.5", "1e300", "9007199254740993", "[7,null]", "[[7]]"].map(
    (value): [string, string] => [`list_id ${value}`, `{"list_id":${value}}`],
  ),
  ...["null", "[]", "{}", "555", "false", '""', '" "', '" SALE"', '"SALE "', '"SALE\\u0000"', '"SA\\u200bLE"'].flatMap(
    (value) =>
      ["status", "phone_number", "campaign_id"].map((name): [string, string] => [
        `${name} ${value}`,
        `{"${name}":${value}}`,
      ]),
  ),
  ["half of a character", '{"status":"\\ud800"}'],
  ["one bad value among good ones", '{"status":["SALE",""]}'],
  ...[
    "2025-13-01",
    "2025-00-01",
    "2025-01-00",
    "2025-02-29",
    "2025-02-30",
    "2025-04-31",
    "1900-02-29",
    "0000-00-00",
    "0000-00-00 00:00:00",
    "0001-01-01",
    "0999-12-31",
    "25-01-01",
    "2025-1-1",
    "2025/01/01",
    "20250101",
    "01-02-2025",
    "2025-01-01T00:00:00",
    "2025-01-01T00:00:00Z",
    "2025-01-01 00:00:00Z",
    "2025-01-01 00:00:00+02:00",
    "2025-01-01 00:00:00.5",
    "2025-01-01 24:00:00",
    "2025-01-01 25:61:00",
    "2025-01-01 23:60:00",
    "2025-01-01 23:59:60",
    "2025-01-01 12:00",
    "2025-01-01  12:00:00",
    "2025-01-01 ",
    " 2025-01-01",
    "2025-01-01\\n",
    "２０２５-01-01",
    "today",
    "%",
    "",
  ].flatMap((value) =>
    ["entry_date_from", "entry_date_before"].map((name): [string, string] => [
      `${name} "${value}"`,
      `{"${name}":"${value}"}`,
    ]),
  ),
  ["a date as a number", '{"entry_date_from":20250101}'],
  ["a list of dates", '{"entry_date_from":["2025-01-01"]}'],
  ["a date that is null", '{"list_id":7,"entry_date_from":null}'],
  ["an end before the start", '{"entry_date_from":"2025-03-02","entry_date_before":"2025-03-01"}'],
  ["an end at the start", '{"entry_date_from":"2025-03-01","entry_date_before":"2025-03-01 00:00:00"}'],
];

describe.each(places)("a filter on $name", ({ open }) => {
  test("is rejected if it is malformed, and no lead moves", async () => {
    await using place = await open();
    const { secret } = await place.host.keys.create({ vendor: "admin" });
    const routes = createV1Routes(place.host);
    const statuses: Record<string, number> = {};
    for (const [what, json] of malformed) {
      const body = `{"operation":"${operation}","params":${JSON.stringify(params)},"filter":${json}}`;
      const headers = { authorization: `Bearer ${secret}`, "content-type": "application/json" };
      const response = await routes.fetch(
        new Request("http://localhost/v1/batches", { method: "POST", headers, body }),
      );
      statuses[what] = response.status;
    }
    expect(statuses).toEqual(Object.fromEntries(malformed.map(([what]) => [what, 422])));
    expect(await place.host.batches.list({ limit: 1 })).toEqual([]);
  });

  test("compares texts byte by byte", async () => {
    await using place = await open();
    const found: Record<string, number[] | undefined> = {};
    for (const status of ["SALE", "sale", "Sale", "SALÉ", "S%", "SAL_", "SALE\\", "SALE' OR 1=1 -- "]) {
      found[status] = await select(place, { status });
    }
    expect(found).toEqual({
      SALE: [2],
      sale: [3],
      Sale: [],
      SALÉ: [],
      "S%": [],
      SAL_: [],
      "SALE\\": [],
      "SALE' OR 1=1 -- ": undefined,
    });
    expect(await select(place, { phone_number: ["555", "%"] })).toEqual([2, 4]);
    expect(await select(place, { status: "SALE' OR 1=1 -- x" })).toEqual([]);
  });

  test("includes the start of its time of entry and excludes the end", async () => {
    await using place = await open();
    const dates = { entry_date_from: "2025-03-01", entry_date_before: "2025-03-02 10:00:00" };
    expect(await select(place, { list_id: 9, ...dates })).toEqual([8]);
    expect(await select(place, { list_id: 9, entry_date_before: "2025-03-01" })).toEqual([7]);
  });

  test("is validated also where the store is called directly", async () => {
    await using place = await open();
    for (const filter of [{}, { entry_date_from: "2025-13-01" }, { list_id: undefined }, { list_id: "7" }]) {
      const first = place.vicidial.store
        .select("dearchive", filter as LeadFilter)
        [Symbol.asyncIterator]()
        .next();
      await expect(first).rejects.toThrow(/^filter/);
    }
  });
});

test("says what the values of a rejected filter must be", () => {
  const text = "a text of at least 1 character, without surrounding spaces and without control characters";
  for (const status of ["", " ", "A\0", 0, null, {}, [], [""], ["A", 1]]) {
    expect(leadFilter.safeParse({ status }).error?.issues[0]?.message).toBe(
      `must be ${text}, or a list of 1 to 1000 of them`,
    );
  }
  for (const list_id of [-1, 1.5, "1", 1e300, [], [-1], Array(1001).fill(1)]) {
    expect(leadFilter.safeParse({ list_id }).error?.issues[0]?.message).toBe(
      "must be a whole number of at least 0, or a list of 1 to 1000 of them",
    );
  }
});

test("finds the lists of a campaign by its exact name", async () => {
  await using place = await openMariadb();
  expect(await select(place, { campaign_id: "SALES" })).toEqual([2, 3]);
  expect(await select(place, { campaign_id: ["sales"] })).toEqual([5]);
  expect(await select(place, { campaign_id: "Sales" })).toEqual([]);
});

/** Reports, by other means than the schema, whether a date is valid. */
function isDate(value: unknown): value is string {
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?$/.test(value) || value < "1000") return false;
  const iso = `${value.length === 10 ? `${value} 00:00:00` : value}.000Z`.replace(" ", "T");
  const time = new Date(iso);
  return !Number.isNaN(time.getTime()) && time.toISOString() === iso;
}

/** The ids that must be found if every value is valid; undefined if one is not. */
function expected(filter: Record<string, unknown>): number[] | undefined {
  const from = filter.entry_date_from;
  const before = filter.entry_date_before;
  if ((from !== undefined && !isDate(from)) || (before !== undefined && !isDate(before))) return undefined;
  const midnight = (date: unknown) => `${date}`.padEnd(19, " 00:00:00");
  if (from !== undefined && before !== undefined && midnight(from) >= midnight(before)) return undefined;
  const values = (name: string) => [filter[name]].flat() as unknown[];
  for (const name of ["status", "phone_number"].filter((name) => name in filter)) {
    const visible = values(name).every(
      (value) => typeof value === "string" && /^[!-~À-ÿ]([ -~À-ÿ]*[!-~À-ÿ])?$/.test(value),
    );
    if (!visible || values(name).length === 0) return undefined;
  }
  if ("list_id" in filter) {
    const ids = values("list_id");
    if (ids.length === 0 || !ids.every((id) => Number.isSafeInteger(id) && (id as number) >= 0)) return undefined;
  }
  return leads
    .filter((lead) =>
      ["list_id", "status", "phone_number"].every((n) => !(n in filter) || values(n).includes(lead[n as "status"])),
    )
    .filter(({ entry_date }) => from === undefined || (entry_date !== null && entry_date >= midnight(from)))
    .filter(({ entry_date }) => before === undefined || (entry_date !== null && entry_date < midnight(before)))
    .map(({ lead_id }) => lead_id);
}

const pieces = ["%", "_", "*", "'", '"', "\\", " ", "\0", "\n", "T", "Z", "+02:00", "-", ":", ".", "0", "9", "É", "e1"];

/** A text with a piece of it replaced, left out or added. */
const edited = (text: string) =>
  fc
    .record({ at: fc.nat(text.length), drop: fc.nat(2), piece: fc.constantFrom("", ...pieces) })
    .map(({ at, drop, piece }) => text.slice(0, at) + piece + text.slice(at + drop));

/** A value that is near to a valid one, or of another type. */
const mutated = (value: unknown): fc.Arbitrary<unknown> =>
  fc.oneof(
    edited(String(value)),
    edited(String(value)).chain((text) => edited(text)),
    fc.constantFrom(null, true, "", " ", [], [[]], {}, 0, -1, 0.5, 1e300, NaN, String(value), [value], [value, null]),
    fc.constantFrom(String(value).toLowerCase(), `${value} `, ` ${value}`, `${value}\0`, { $ne: value }),
    fc.integer({ min: -10, max: 100 }),
    fc.double(),
  );

const valid = fc.constantFrom<Record<string, unknown>>(
  { list_id: 7 },
  { list_id: [7, 8], status: "SALE" },
  { status: "SALE" },
  { phone_number: "555" },
  { entry_date_from: "2025-03-01" },
  { entry_date_from: "2025-02-28 23:59:59", entry_date_before: "2025-03-02" },
  { list_id: 9, entry_date_before: "2025-03-01 00:00:00" },
);

const mutatedFilter = valid.chain((filter) =>
  fc
    .constantFrom(...Object.keys(filter))
    .chain((name) => mutated(filter[name]).map((value): Record<string, unknown> => ({ ...filter, [name]: value }))),
);

test("finds no other leads with a mutated value", async () => {
  await using place = await openMariadb();
  await fc.assert(
    fc.asyncProperty(mutatedFilter, async (filter) => {
      expect(await select(place, filter)).toEqual(expected(filter));
    }),
    { numRuns: 600 },
  );
});
