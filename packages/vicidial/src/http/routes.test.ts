import { createTestHost, type TestHost } from "@reinstate/batch-core/testing";
import { ledgerDatabases } from "@reinstate/tooling/databases";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { createVicidial, type Vicidial } from "../create.ts";
import { archiveCalls, dearchiveCalls, officeHours, unreadableBody, wrongKey } from "../fixtures/documented.ts";
import type { Lead } from "../leads/columns.ts";
import { makeLead } from "../leads/make-lead.ts";
import type { VicidialOptions } from "../options.ts";
import { demoArchive, demoLive } from "../store/demo-store.ts";

const key = "a-key-of-the-tests";
const ids = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

async function fill(host: TestHost, table: string, leads: Lead[]) {
  await host.database.transaction(async (db) => {
    for (let start = 0; start < leads.length; start += 100) {
      await db
        .insertInto(table)
        .values(leads.slice(start, start + 100))
        .execute();
    }
  });
}

async function readRows(host: TestHost, table: string): Promise<Lead[]> {
  return (await sql<Lead>`select * from ${sql.table(table)} order by lead_id`.execute(host.database.tables())).rows;
}

async function start(url: string, options: VicidialOptions = {}, keyOptions: Record<string, unknown> = {}) {
  const now = { value: Date.parse("2026-01-05T12:00:00Z") };
  const clock = { now: () => now.value, sleep: async () => {} };
  const host = await createTestHost({ databaseUrl: url, clock, role: "web" });
  await host.keys.create({ vendor: "vicidial", secret: key, options: keyOptions });
  return { host, now, vicidial: await createVicidial(host, options) };
}

function post(vicidial: Vicidial, path: string, body: string, headers: Record<string, string> = {}) {
  const request = new Request(`http://localhost/vicidial/${path}`, {
    method: "POST",
    headers: { authorization: `Key=${key}`, "content-type": "application/json", ...headers },
    body,
  });
  return Promise.resolve(vicidial.routes.fetch(request));
}

const dearchive = (lead_ids: unknown, flags = {}) =>
  JSON.stringify({ insert_leads: true, delete_leads: true, lead_ids, ...flags });

const archive = (lead_ids: unknown, flags = {}) =>
  JSON.stringify({ insert_leads: true, update_leads: true, delete_leads: true, lead_ids, ...flags });

describe.each(ledgerDatabases)("the leads API over demo tables on $name", ({ open }) => {
  test("answers each documented call and moves its leads", async () => {
    await using database = await open();
    const { host, vicidial } = await start(database.url);
    await using _ = host;
    const leads = ids(0, 510).map((id) => makeLead(id));
    let made = 0;
    for (const call of [...dearchiveCalls, ...archiveCalls]) {
      const told = <Value>(value: Value) => [`${call.verb}: ${call.name}`, value];
      const [source, target] = call.verb === "dearchive" ? [demoArchive, demoLive] : [demoLive, demoArchive];
      await host.database.transaction(async (db) => {
        await db.deleteFrom(demoArchive).execute();
        await db.deleteFrom(demoLive).execute();
      });
      await fill(host, source, leads);
      const response = await post(vicidial, `leads/${call.verb}`, call.body);
      expect(told([await response.text(), response.status])).toEqual(told([call.reply, call.status]));
      expect(response.headers.get("content-type")).toMatch(/^application\/json/);

      const moved = call.status === 200 ? (JSON.parse(call.reply).delete_count as number) : 0;
      const first = call.verb === "archive" ? 1 : 0;
      expect(told(await readRows(host, target))).toEqual(told(leads.slice(first, first + moved)));
      expect(told((await readRows(host, source)).length)).toEqual(told(leads.length - moved));

      const batches = await host.batches.list({ limit: 100 });
      if (call.status === 200) {
        made++;
        expect(response.headers.get("x-reinstate-batch")).toBe(String(batches[0]?.id));
        expect(batches[0]).toMatchObject({ status: "completed", total: moved, counts: { done: moved } });
      }
      expect(told(batches.length)).toEqual(told(made));
    }
  });

  test("reports the documented outcome for every state of a lead", async () => {
    await using database = await open();
    const { host, vicidial } = await start(database.url);
    await using _ = host;
    await fill(
      host,
      demoArchive,
      ids(1, 3).map((id) => makeLead(id)),
    );
    // 2 is in both tables and equal; 3 is in both and differs; 4 is live only.
    await fill(host, demoLive, [makeLead(2), makeLead(3, { city: "chicago", comments: "" }), makeLead(4)]);
    const refused = await post(vicidial, "leads/dearchive", dearchive([1, 2, 3, 4]));
    expect([refused.status, await refused.json()]).toEqual([
      400,
      { message: "lead_ids does not exist", lead_errors: 1, lead_count: 1, lead_ids: [4] },
    ]);
    const response = await post(vicidial, "leads/dearchive", dearchive([3, 2, 1]));
    expect(await response.json()).toMatchObject({ select_count: 3, insert_count: 1, delete_count: 2 });
    expect((await readRows(host, demoArchive)).map(({ lead_id }) => lead_id)).toEqual([3]);
    expect((await readRows(host, demoLive)).map(({ city }) => city)).toEqual([
      "Chicago",
      "Chicago",
      "chicago",
      "Chicago",
    ]);
    const { items } = await host.batches.items(Number(response.headers.get("x-reinstate-batch")));
    expect(items.map(({ item, outcome, code }) => [item, outcome, code])).toEqual([
      [1, "done", undefined],
      [2, "done", undefined],
      [3, "failed", "differs"],
    ]);
    expect(items[2]?.message).toContain("it differs in city, comments;");
  });

  test.each([
    ["insert without delete leaves equal duplicates", { delete_leads: false }, [1, 0], "done", undefined],
    ["delete without a copy keeps the lead", { insert_leads: false }, [0, 0], "failed", "not_in_target"],
    [
      "neither is a test of existence",
      { insert_leads: false, delete_leads: false },
      [0, 0],
      "skipped",
      "nothing_asked",
    ],
  ])("%s", async (_name, flags, [inserted, deleted], outcome, code) => {
    await using database = await open();
    const { host, vicidial } = await start(database.url);
    await using _ = host;
    await fill(host, demoArchive, [makeLead(7)]);
    const response = await post(vicidial, "leads/dearchive", dearchive([7], flags));
    expect(await response.json()).toMatchObject({ select_count: 1, insert_count: inserted, delete_count: deleted });
    expect(await readRows(host, demoArchive)).toEqual([makeLead(7)]);
    const { items } = await host.batches.items(Number(response.headers.get("x-reinstate-batch")));
    expect(items[0]).toMatchObject({ outcome, ...(code && { code }) });
  });

  test("updates a stale duplicate only with update_leads", async () => {
    await using database = await open();
    const { host, vicidial } = await start(database.url);
    await using _ = host;
    const live = [makeLead(1), makeLead(2, { status: "SALE" }), makeLead(3)];
    await fill(host, demoLive, live);
    await fill(host, demoArchive, [makeLead(2), makeLead(3)]);
    const kept = await post(vicidial, "leads/archive", archive([2], { update_leads: false }));
    expect(await kept.json()).toMatchObject({ select_count: 1, insert_count: 0, update_count: 0, delete_count: 0 });
    const healed = await post(vicidial, "leads/archive", archive([1, 2, 3]));
    expect(await healed.json()).toMatchObject({ select_count: 3, insert_count: 1, update_count: 1, delete_count: 3 });
    expect(await readRows(host, demoArchive)).toEqual(live);
    expect(await readRows(host, demoLive)).toEqual([]);
  });

  test("runs a large batch in the background without missing leads", async () => {
    await using database = await open();
    await using host = await createTestHost({ databaseUrl: database.url });
    await createVicidial(host);
    await fill(
      host,
      demoArchive,
      ids(1, 1200).map((id) => makeLead(id)),
    );
    const accepted = await host.batches.submit({
      operation: "vicidial.leads.dearchive",
      params: { insert_leads: true, delete_leads: true },
      items: [...ids(1, 1201), 5_000_000_000],
    });
    const batch = await host.batches.wait(accepted.id);
    expect(batch).toMatchObject({
      status: "completed",
      counts: { done: 1200, failed: 2, skipped: 0, unknown: 0 },
      tally: { select_count: 1200, insert_count: 1200, delete_count: 1200 },
    });
    expect(await readRows(host, demoLive)).toEqual(ids(1, 1200).map((id) => makeLead(id)));
    const again = await host.batches.submit({
      operation: "vicidial.leads.dearchive",
      params: { insert_leads: true, delete_leads: true },
      items: [1, 2],
    });
    expect(again.counts).toMatchObject({ skipped: 2 });
  });
});

describe("the leads API", () => {
  const url = "sqlite::memory:";

  test("reports the first kind of fault with every offender", async () => {
    const { host, vicidial } = await start(url);
    await using _ = host;
    await fill(host, demoArchive, [makeLead(1)]);
    const answer = async (body: string, verb = "dearchive") => {
      const response = await post(vicidial, `leads/${verb}`, body);
      return [response.status, await response.text()];
    };
    const six = `[${ids(1, 600).join(",")},"5"]`;
    expect(await answer(`{"insert_leads":true,"delete_leads":true,"lead_ids":${six}}`)).toEqual([
      400,
      '{"message":"lead_ids must only contain integer values","lead_errors":1,"lead_ids":["5"]}',
    ]);
    expect(await answer(`{"delete_leads":0,"insert_leads":0,"lead_ids":${six}}`)).toEqual([
      400,
      '{"message":"insert_leads must be a boolean value","lead_errors":0,"lead_ids":[]}',
    ]);
    expect(await answer(`{"delete_leads":0,"update_leads":null,"insert_leads":true}`, "archive")).toEqual([
      400,
      '{"message":"update_leads must be a boolean value","lead_errors":0,"lead_ids":[]}',
    ]);
    for (const empty of ["[]", "null", "undefined"]) {
      expect(await answer(`{"insert_leads":true,"delete_leads":true,"lead_ids":${empty}}`)).toEqual([
        400,
        '{"message":"lead_ids must contain atleast 1 value","lead_errors":0,"lead_ids":[]}',
      ]);
    }
    expect(await answer(dearchive(Array(501).fill(1)))).toEqual([
      400,
      '{"message":"lead_ids cannot exceed 500 values","lead_errors":0,"lead_ids":[]}',
    ]);
    expect(
      await answer(
        '{"insert_leads":true,"delete_leads":true,"lead_ids":["5",1.0,1e3,true,null,{"a":[1]},[2],9007199254740993]}',
      ),
    ).toEqual([
      400,
      '{"message":"lead_ids must only contain integer values","lead_errors":7,"lead_ids":["5",1.0,1e3,true,null,{"a":[1]},[2]]}',
    ]);
    expect(
      await answer('{"insert_leads":true,"delete_leads":true,"lead_ids":[9007199254740993,1,-1,4294967296]}'),
    ).toEqual([
      400,
      '{"message":"lead_ids does not exist","lead_errors":3,"lead_count":3,"lead_ids":[9007199254740993,-1,4294967296]}',
    ]);
    expect(await answer('{"insert_leads":true,"delete_leads":true,"lead_ids":[31,0x1F,31,7,7]}')).toEqual([
      400,
      '{"message":"lead_ids cannot contain duplicate values","lead_errors":2,"lead_ids":[31,7]}',
    ]);
    expect(await answer('{"insert_leads":true,"delete_leads":true,"lead_ids":5}')).toEqual([
      500,
      `{"message":"Error converting value 5 to type 'System.Collections.Generic.List\`1[System.Int64]'. Path 'lead_ids', line 1, position 53.","lead_errors":0,"lead_ids":[]}`,
    ]);
    expect(await readRows(host, demoArchive)).toHaveLength(1);
  });

  test("lenient bodies are carried out", async () => {
    const { host, vicidial } = await start(url);
    await using _ = host;
    await fill(host, demoArchive, [makeLead(8), makeLead(31)]);
    const body = "{ delete_leads: true, 'insert_leads': true, lead_ids: [ 0x1F, 010, ], other: 1 } // end";
    expect(await (await post(vicidial, "leads/dearchive", body)).json()).toMatchObject({ delete_count: 2 });
  });

  test("checks the key before the office hours and the body", async () => {
    const { host, vicidial } = await start(url, { dearchiveHours: "outside 08:00-18:00 mon-fri" });
    await using _ = host;
    for (const authorization of ["", key, `Bearer ${key}`, "Key=wrong", `key=${key}`, `Key ${key}`]) {
      const response = await post(vicidial, "leads/dearchive", "{", { authorization });
      expect([response.status, await response.text()]).toEqual([wrongKey.status, wrongKey.reply]);
    }
  });

  test("refuses each call outside of its own hours", async () => {
    const { host, vicidial, now } = await start(url, {
      dearchiveHours: "outside 08:00-18:00 mon-fri",
      archiveHours: "inside 08:00-18:00 mon-fri",
      timeZone: "Africa/Johannesburg",
    });
    await using _ = host;
    await fill(host, demoArchive, [makeLead(1)]);
    const refusal = [officeHours.status, officeHours.reply];
    const refused = await post(vicidial, "leads/dearchive", "{");
    expect([refused.status, await refused.text()]).toEqual(refusal);
    now.value = Date.parse("2026-01-05T16:00:00Z");
    expect((await post(vicidial, "leads/dearchive", dearchive([1]))).status).toBe(200);
    const late = await post(vicidial, "leads/archive", archive([1]));
    expect([late.status, await late.text()]).toEqual(refusal);
  });

  test("a body over the limit is 413, read no further", async () => {
    const { host, vicidial } = await start(url, { bodyLimit: 1000 });
    await using _ = host;
    const response = await post(vicidial, "leads/dearchive", dearchive(ids(1, 400)));
    expect(response.status).toBe(413);
    expect(response.headers.get("connection")).toBe("close");
    expect(await response.json()).toEqual({
      message: "The body is larger than 1000 bytes",
      lead_errors: 0,
      lead_ids: [],
    });
  });

  test("answers 405 and 404 in the vendor's shape", async () => {
    const { host, vicidial } = await start(url);
    await using _ = host;
    const wrong = await vicidial.routes.fetch(new Request("http://localhost/vicidial/leads/dearchive"));
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "POST"]);
    expect(await wrong.json()).toMatchObject({ lead_errors: 0, lead_ids: [] });
    expect((await post(vicidial, "leads/remove", "{}")).status).toBe(404);
  });

  test("the limit is a setting, its message is not", async () => {
    const { host, vicidial } = await start(url, { leadLimit: 2, missingCount: "lead_count" });
    await using _ = host;
    const response = await post(vicidial, "leads/dearchive", dearchive([1, 2, 3]));
    expect(((await response.json()) as { message: string }).message).toBe("lead_ids cannot exceed 500 values");
    const missing = await post(vicidial, "leads/dearchive", dearchive([1, 2]));
    expect(await missing.json()).toEqual({ message: "lead_ids does not exist", lead_count: 2, lead_ids: [1, 2] });
  });

  test.each([
    [{ leadLimit: 0 }, "leadLimit"],
    [{ dearchiveHours: "at night" }, "dearchiveHours"],
    [{ archiveHours: "inside 9-5 mon" }, "archiveHours"],
    [{ timeZone: "Mars/Olympus" }, "timeZone"],
    [{ dialect: "L9" as "L1" }, "dialect"],
  ])("a wrong setting stops the start: %j", async (options, name) => {
    await using host = await createTestHost();
    await expect(createVicidial(host, options)).rejects.toThrow(name);
  });
});

describe("dialects", () => {
  async function answer(path: string, body: string, dialect?: string) {
    const { host, vicidial } = await start("sqlite::memory:", {}, dialect === undefined ? {} : { dialect });
    await using _ = host;
    await fill(host, demoArchive, [makeLead(1)]);
    await fill(host, demoLive, [makeLead(2)]);
    const response = await post(vicidial, path, body);
    return `${response.status} ${await response.text()}`;
  }
  const done = `"select_count":1,"insert_count":1,"delete_count":1`;

  test.each([
    [
      "lead/dearchive",
      dearchive([1]),
      `200 {"message":"lead_ids batch was successfully processed",${done},"http_code":200}`,
    ],
    [
      "lead/dearchive/",
      dearchive([1]),
      `200 {"message":"lead_ids batch was successfully processed",${done},"http_code":200}`,
    ],
    [
      "lead/dearchive/customer_name",
      dearchive([1], { insert_leads: 1 }),
      '442 {"message":"insert_leads must be a boolean value","http_code":442}',
    ],
    [
      "lead/dearchive/customer_name/",
      dearchive([1], { delete_leads: 1 }),
      '443 {"message":"delete_leads must be a boolean value","http_code":443}',
    ],
    [
      "lead/dearchive",
      dearchive(["0"]),
      '444 {"message":"lead_ids must only contain integer values","lead_count":1,"lead_ids":["0"],"http_code":444}',
    ],
    ["lead/dearchive", dearchive([]), '445 {"message":"lead_ids must contain atleast 1 value","http_code":445}'],
    ["lead/dearchive", dearchive(ids(1, 501)), '446 {"message":"lead_ids cannot exceed 500 values","http_code":446}'],
    [
      "lead/dearchive",
      dearchive([0, 0]),
      '447 {"message":"lead_ids cannot contain duplicate values","lead_count":1,"lead_ids":[0],"http_code":447}',
    ],
    [
      "lead/dearchive",
      dearchive([0]),
      '448 {"message":"lead_ids does not exist","lead_count":1,"values":[0],"http_code":448}',
    ],
    [
      "lead/archive",
      unreadableBody,
      `440 {"error":"Unexpected character encountered while parsing number: s. Path 'lead_ids[97]', line 104, position 5.","status_code":440}`,
    ],
    [
      "lead/archive/",
      archive([2]),
      '200 {"success":"lead batch was successfully processed","select_count":1,"insert_count":1,"update_count":0,"delete_count":1,"status_code":200}',
    ],
    [
      "lead/archive",
      archive([0]),
      '439 {"error":"specified lead_ids does not exist","lead_count":1,"values":[0],"status_code":439}',
    ],
    [
      "lead/archive",
      archive([2], { update_leads: 1 }),
      '433 {"error":"update_leads must be a boolean value","status_code":433}',
    ],
  ])("L2 at /vicidial/%s", async (path, body, expected) => {
    expect(await answer(path, body)).toBe(expected);
  });

  test.each([
    ["current", '400 {"message":"lead_ids does not exist","lead_errors":1,"lead_count":1,"lead_ids":[0]}'],
    ["L1", '448 {"error":"lead_ids does not exist","lead_count":1,"values":[0],"status_code":448}'],
    ["L2", '448 {"message":"lead_ids does not exist","lead_count":1,"values":[0],"http_code":448}'],
    ["L3", '400 {"message":"lead_ids does not exist","lead_count":1,"lead_ids":[0],"http_code":400}'],
  ])("a key's dialect %s goes before the path's", async (dialect, expected) => {
    for (const path of ["lead/dearchive", "leads/dearchive", "leads/dearchive/customer_name/"]) {
      expect(await answer(path, dearchive([0]), dialect)).toBe(expected);
    }
  });
});
