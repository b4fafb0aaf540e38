import { type Clock, systemClock } from "@reinstate/batch-core";
import { createTestHost } from "@reinstate/batch-core/testing";
import { mariadbDatabase } from "@reinstate/tooling/databases";
import mysql, { type RowDataPacket } from "mysql2/promise";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Lead } from "../columns.ts";
import { createVicidial, type Vicidial } from "../create.ts";
import { insertRows } from "../fixtures/insert-rows.ts";
import { siteTables } from "../fixtures/site-tables.ts";
import { leadTables } from "../fixtures/vicidial-tables.ts";
import { makeLead } from "../lead.ts";
import type { VicidialOptions } from "../options.ts";

const secret = "a-key-of-the-tests";
const adminKey = "an-admin-key-of-the-tests";

/** A VICIdial database with what lies around the leads, emptied before each test. */
let database: Awaited<ReturnType<typeof mariadbDatabase>>;
let admin: mysql.Connection;

beforeAll(async () => {
  database = await mariadbDatabase();
  admin = await mysql.createConnection({ uri: database.url, dateStrings: true });
  for (const statement of [...leadTables({ live: "MyISAM", archive: "MyISAM" }), ...siteTables]) {
    await admin.query(statement);
  }
});

afterAll(async () => {
  await admin.end();
  await database[Symbol.asyncDispose]();
});

beforeEach(async () => {
  const [tables] = await admin.query<RowDataPacket[]>("SHOW TABLES");
  for (const table of tables) await admin.query(`DELETE FROM ${Object.values(table)[0]}`);
});

async function start(options: VicidialOptions = {}, time = "2026-01-05T12:00:00Z") {
  const now = { value: Date.parse(time) };
  const clock: Clock = { now: () => now.value, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal) };
  const host = await createTestHost({ clock });
  await host.keys.create({ vendor: "vicidial", secret });
  await host.keys.create({ vendor: "admin", secret: adminKey });
  const vicidial = await createVicidial(host, { url: database.url, ...options });
  return {
    host,
    now,
    vicidial,
    async [Symbol.asyncDispose]() {
      await host.close();
      await vicidial.close();
    },
  };
}

const fill = (table: string, rows: (Lead | Record<string, unknown>)[]) => insertRows(admin, table, rows);

async function rowsOf(table: string): Promise<RowDataPacket[]> {
  return (await admin.query<RowDataPacket[]>(`SELECT * FROM ${table} ORDER BY 1`))[0];
}

const idsOf = async (table: string) => (await rowsOf(table)).map((row) => row.lead_id);

function post(vicidial: Vicidial, path: string, body: unknown, authorization = `Key=${secret}`) {
  const init = { method: "POST", headers: { authorization }, body: JSON.stringify(body) };
  return Promise.resolve(vicidial.routes.fetch(new Request(`http://localhost/vicidial/${path}`, init)));
}

const both = { insert_leads: true, delete_leads: true };

test("explain tells how each lead lies and what hangs on it, and changes nothing", async () => {
  await using site = await start({ dearchiveHours: "outside 00:00-24:00 mon-sun" });
  await fill("vicidial_lists", [{ list_id: 101, campaign_id: "SALES", active: "Y" }]);
  await fill("vicidial_list_archive", [
    makeLead(3, { list_id: 101, entry_list_id: 101 }),
    makeLead(6, { list_id: 101 }),
    makeLead(9, { list_id: 999, first_name: "José" }),
    makeLead(12, { list_id: 101 }),
  ]);
  await fill("vicidial_list", [
    makeLead(6, { list_id: 101 }),
    makeLead(9, { list_id: 999, first_name: "Jose" }),
    makeLead(12, { list_id: 101, phone_number: "1", entry_date: "2026-01-01 00:00:00" }),
    makeLead(15),
  ]);
  await fill("vicidial_callbacks_archive", [
    { lead_id: 3, status: "ACTIVE" },
    { lead_id: 3, status: "LIVE" },
  ]);
  await fill("vicidial_dnc", [{ phone_number: makeLead(6).phone_number }]);
  const before = [await rowsOf("vicidial_list"), await rowsOf("vicidial_list_archive")];
  const response = await post(site.vicidial, "leads/dearchive?explain=true", {
    ...both,
    lead_ids: [3, 6, 9, 12, 15, 99],
  });
  expect([response.status, response.headers.get("x-reinstate-batch")]).toEqual([200, null]);
  const missing = { verdict: "missing", archive: false };
  expect(await response.json()).toEqual({
    message: "lead_ids were looked at, nothing was changed",
    select_count: 4,
    leads: [
      {
        ...{ lead_id: 3, verdict: "archive_only", live: false, archive: true, outcome: "done" },
        companions: { archived_callbacks: 2, lost_custom_fields: 1 },
      },
      {
        ...{ lead_id: 6, verdict: "both_equal", live: true, archive: true, outcome: "done" },
        companions: { dnc_numbers: 1 },
      },
      {
        ...{ lead_id: 9, verdict: "both_differ", columns: ["first_name"], live: true, archive: true },
        ...{ outcome: "failed", code: "differs", companions: { inactive_lists: 1 } },
      },
      {
        ...{ lead_id: 12, verdict: "id_collision", columns: ["entry_date", "phone_number"], live: true, archive: true },
        ...{ outcome: "failed", code: "id_collision" },
      },
      { lead_id: 15, ...missing, live: true, outcome: "skipped", code: "already_there" },
      { lead_id: 99, ...missing, live: false, outcome: "failed", code: "missing" },
    ],
  });
  expect([await rowsOf("vicidial_list"), await rowsOf("vicidial_list_archive")]).toEqual(before);
  expect(await site.host.batches.list({ limit: 1 })).toEqual([]);
});

describe("a batch", () => {
  test("that is tried without effects tells what it would do", async () => {
    await using site = await start();
    await fill("vicidial_list_archive", [makeLead(1), makeLead(2)]);
    await fill("vicidial_list", [makeLead(2, { comments: "new" })]);
    const operation = "vicidial.leads.dearchive";
    const batch = await site.host.batches.submit({ operation, items: [1, 2, 3], params: both, dryRun: true });
    expect(batch).toMatchObject({ status: "completed", counts: { done: 1, failed: 2 } });
    const { items } = await site.host.batches.items(batch.id);
    expect(items.map(({ code, outcome }) => code ?? outcome)).toEqual(["done", "differs", "missing"]);
    expect(await idsOf("vicidial_list_archive")).toEqual([1, 2]);
  });

  test.each([
    [{ list_id: 7 }, [10, 11]],
    [{ campaign_id: "SALES" }, [10, 11]],
    [{ campaign_id: ["SALES", "CARE"], status: ["SALE"] }, [11, 12]],
    [{ phone_number: "555" }, [13]],
    [{ entry_date_from: "2025-06-01", entry_date_before: "2025-07-01" }, [14]],
  ])("over what the filter %j finds", async (filter, expected) => {
    await using site = await start();
    await fill("vicidial_lists", [
      { list_id: 7, campaign_id: "SALES", active: "Y" },
      { list_id: 8, campaign_id: "CARE", active: "Y" },
    ]);
    await fill("vicidial_list_archive", [
      makeLead(10, { list_id: 7 }),
      makeLead(11, { list_id: 7, status: "SALE" }),
      makeLead(12, { list_id: 8, status: "SALE" }),
      makeLead(13, { phone_number: "555", status: "SALE" }),
      makeLead(14, { entry_date: "2025-06-30 23:59:59" }),
    ]);
    const operation = "vicidial.leads.dearchive";
    const body = { operation, filter, params: both };
    const response = await post(site.vicidial, "batches", body, `Bearer ${adminKey}`);
    expect([response.status, ((await response.json()) as { total: number }).total]).toEqual([201, expected.length]);
    expect(await idsOf("vicidial_list")).toEqual(expected);
    const [batch] = await site.host.batches.list({ limit: 1 });
    expect(response.headers.get("location")).toBe(`/v1/batches/${batch?.id}`);
    expect(batch?.params).toEqual({ ...both, filter });
  });

  test("by a filter that is wrong, finds nothing, or comes without an admin key is refused with the place", async () => {
    await using site = await start();
    const ask = async (filter: unknown, key = adminKey) => {
      const body = { operation: "vicidial.leads.archive", filter, params: { ...both, update_leads: true } };
      const response = await post(site.vicidial, "batches", body, `Bearer ${key}`);
      return [response.status, ((await response.json()) as { detail: string }).detail];
    };
    expect(await ask({ list_id: 1 })).toEqual([422, "filter: it finds no lead"]);
    expect(await ask({})).toEqual([422, expect.stringContaining("filter: at least one of")]);
    expect(await ask({ entry_date_from: "yesterday" })).toEqual([
      422,
      expect.stringContaining("filter.entry_date_from"),
    ]);
    expect((await ask({ list_id: 1 }, secret))[0]).toBe(401);
  });

  test("brings callbacks back when it is asked to, tells what else hangs on the leads, and leaves a line in the log", async () => {
    await using site = await start();
    await fill("vicidial_list_archive", [makeLead(1, { list_id: 5 }), makeLead(2, { entry_list_id: 101 })]);
    await fill("vicidial_callbacks_archive", [
      { callback_id: 4, lead_id: 1, status: "ACTIVE", callback_time: "2026-02-01 10:00:00", comments: "Ring José" },
      { callback_id: 5, lead_id: 3, status: "ACTIVE", callback_time: null, comments: null },
    ]);
    await fill("vicidial_list_alt_phones", [{ lead_id: 2, phone_number: "1" }]);
    await fill("custom_101", [{ lead_id: 2, car: "red" }]);
    const params = { ...both, restore_companions: true };
    const batch = await site.host.batches.submit({ operation: "vicidial.leads.dearchive", items: [1, 2], params });
    expect(batch.tally).toMatchObject({
      archived_callbacks: 1,
      restored_callbacks: 1,
      alt_phones: 1,
      inactive_lists: 2,
    });
    expect(batch.tally).not.toHaveProperty("lost_custom_fields");
    expect(await rowsOf("vicidial_callbacks")).toMatchObject([{ callback_id: 4, lead_id: 1, comments: "Ring José" }]);
    expect(await rowsOf("vicidial_callbacks_archive")).toMatchObject([{ callback_id: 5 }]);
    expect(await rowsOf("vicidial_admin_log")).toMatchObject([
      {
        ...{ user: "VDAD", ip_address: "1.1.1.1", event_section: "LISTS", event_type: "MODIFY", record_id: "leads" },
        event_notes: `2 vicidial_list_archive leads de-archived|2 vicidial_list_archive leads deleted|batch ${batch.id}|`,
      },
    ]);
    const back = { ...both, update_leads: false };
    await site.host.batches.submit({ operation: "vicidial.leads.archive", items: [1, 2], params: back });
    expect((await rowsOf("vicidial_admin_log"))[1]).toMatchObject({
      event_code: "CAMPAIGN LEAD ARCHIVING",
      event_notes: expect.stringMatching(/^2 vicidial_list leads archived\|2 vicidial_list leads deleted\|/),
    });
    // Only what is asked for comes back.
    expect(await rowsOf("vicidial_callbacks")).toHaveLength(1);
  });
});

test("a lead on a call is not archived, may be copied, and comes back from the archive", async () => {
  await using site = await start();
  await fill("vicidial_list", [makeLead(1), makeLead(2), makeLead(3)]);
  await fill("vicidial_auto_calls", [{ lead_id: 1, status: "LIVE" }]);
  await fill("vicidial_live_agents", [{ lead_id: 2, status: "INCALL" }]);
  const body = { ...both, update_leads: true, lead_ids: [1, 2, 3] };
  const explained = (await (await post(site.vicidial, "leads/archive?explain=true", body)).json()) as {
    leads: { code?: string; outcome: string }[];
  };
  expect(explained.leads.map(({ code, outcome }) => code ?? outcome)).toEqual(["on_call", "on_call", "done"]);
  const request = { operation: "vicidial.leads.archive", items: [1, 2, 3], params: { ...both, update_leads: true } };
  const tried = await site.host.batches.submit({ ...request, dryRun: true });
  expect(tried.counts).toMatchObject({ done: 1, failed: 2 });

  const answer = await post(site.vicidial, "leads/archive", body);
  expect([answer.status, await answer.json()]).toMatchObject([
    200,
    { select_count: 3, insert_count: 1, update_count: 0, delete_count: 1 },
  ]);
  const { items } = await site.host.batches.items(Number(answer.headers.get("x-reinstate-batch")));
  expect(items.map(({ code, outcome }) => code ?? outcome)).toEqual(["on_call", "on_call", "done"]);
  expect([await idsOf("vicidial_list"), await idsOf("vicidial_list_archive")]).toEqual([[1, 2], [3]]);

  const copied = await post(site.vicidial, "leads/archive", { ...body, delete_leads: false, lead_ids: [1, 2] });
  expect(await copied.json()).toMatchObject({ select_count: 2, insert_count: 2, delete_count: 0 });
  const back = await post(site.vicidial, "leads/dearchive", { ...both, lead_ids: [1, 2, 3] });
  expect(await back.json()).toMatchObject({ select_count: 3, insert_count: 1, delete_count: 3 });
});

test("a callback that is there already and differs, be it by a letter's case, stays in the archive too", async () => {
  await using site = await start();
  await fill("vicidial_list_archive", [makeLead(1)]);
  const callback = { callback_id: 4, lead_id: 1, status: "ACTIVE", callback_time: null, comments: "ring José" };
  await fill("vicidial_callbacks_archive", [callback, { ...callback, callback_id: 5 }]);
  await fill("vicidial_callbacks", [{ ...callback, comments: "Ring Jose " }]);
  const params = { ...both, restore_companions: true };
  const batch = await site.host.batches.submit({ operation: "vicidial.leads.dearchive", items: [1], params });
  expect(batch.tally).toMatchObject({ archived_callbacks: 2, restored_callbacks: 1 });
  expect(await rowsOf("vicidial_callbacks_archive")).toMatchObject([{ callback_id: 4, comments: "ring José" }]);
  expect((await rowsOf("vicidial_callbacks")).map((row) => row.comments)).toEqual(["Ring Jose ", "ring José"]);
});

describe("office hours of VICIdial's own call time", () => {
  const callTime = async () => {
    await fill("vicidial_call_times", [
      {
        call_time_id: "office",
        ct_default_start: 900,
        ct_default_stop: 1700,
        ct_sunday_start: 2400,
        ct_sunday_stop: 2400,
        ct_holidays: "|NEWYEAR|",
      },
    ]);
    await fill("vicidial_call_time_holidays", [
      {
        holiday_id: "NEWYEAR",
        holiday_date: "2026-01-06",
        holiday_status: "ACTIVE",
        ct_default_start: 1000,
        ct_default_stop: 1100,
      },
    ]);
  };

  test.each([
    // Five hours behind: half past eight, nine, five; a Sunday; a holiday.
    ["2026-01-05T13:30:00Z", 200],
    ["2026-01-05T14:00:00Z", 403],
    ["2026-01-05T22:00:00Z", 200],
    ["2026-01-04T17:00:00Z", 200],
    ["2026-01-06T14:30:00Z", 200],
    ["2026-01-06T15:30:00Z", 403],
  ])("archive is for outside of them: at %s the answer is %i", async (time, status) => {
    await callTime();
    await using site = await start({ callTime: "office", timeZone: "America/New_York" }, time);
    await fill("vicidial_list", [makeLead(1)]);
    const body = { ...both, update_leads: false, lead_ids: [1] };
    expect((await post(site.vicidial, "leads/archive", body)).status).toBe(status);
    expect(await idsOf("vicidial_list")).toHaveLength(status === 200 ? 0 : 1);
  });

  test("a batch waits for its hour", async () => {
    await callTime();
    await using site = await start({ callTime: "office" }, "2026-01-05T16:59:30Z");
    await fill("vicidial_list", [makeLead(1)]);
    const params = { ...both, update_leads: false };
    const batch = await site.host.batches.submit({ operation: "vicidial.leads.archive", items: [1], params });
    expect(batch.status).toBe("pending");
    site.now.value = Date.parse("2026-01-05T17:00:10Z");
    expect(await site.host.batches.wait(batch.id)).toMatchObject({ status: "completed", counts: { done: 1 } });
  });

  test("a call time that is not there lets nothing through, and says so", async () => {
    await using site = await start({ callTime: "nowhere" });
    await fill("vicidial_list", [makeLead(1)]);
    const response = await post(site.vicidial, "leads/archive", { ...both, update_leads: false, lead_ids: [1] });
    expect([response.status, await response.json()]).toMatchObject([
      500,
      { message: "VICIdial has no call time nowhere" },
    ]);
  });
});

describe("VICIdial's own lead_dearchive", () => {
  const user = {
    ...{ user: "6666", pass: "1234", user_group: "ADMIN", user_level: 9, active: "Y" },
    ...{ modify_leads: "1", vdc_agent_api_access: "1", api_allowed_functions: " lead_dearchive lead_search " },
  };

  async function native(change: { user?: object; query?: Record<string, string>; method?: string } = {}) {
    await using site = await start();
    await fill("vicidial_users", [{ ...user, ...change.user }]);
    await fill("vicidial_user_groups", [
      { user_group: "ADMIN", allowed_campaigns: " -ALL-CAMPAIGNS- - -" },
      { user_group: "SALES", allowed_campaigns: " SALES -" },
      { user_group: "NONE", allowed_campaigns: " EMPTY -" },
    ]);
    await fill("vicidial_lists", [{ list_id: 7, campaign_id: "SALES", active: "Y" }]);
    await fill("vicidial_list_archive", [
      makeLead(274071, { list_id: 7 }),
      makeLead(274072, { list_id: 8 }),
      makeLead(274073, { list_id: 7 }),
    ]);
    await fill("vicidial_list", [makeLead(274073, { list_id: 9, status: "SALE" })]);
    const given = {
      source: "test",
      user: "6666",
      pass: "1234",
      function: "lead_dearchive",
      lead_id: "274071",
      ...change.query,
    };
    const { method = "GET" } = change;
    const query = new URLSearchParams(given);
    const url = "http://localhost/vicidial/non_agent_api.php";
    const request =
      method === "GET"
        ? new Request(`${url}?${query}`)
        : new Request(url, { method, body: query, headers: { "content-type": "application/x-www-form-urlencoded" } });
    const response = await site.vicidial.routes.fetch(request);
    return {
      status: response.status,
      type: response.headers.get("content-type"),
      text: await response.text(),
      live: await idsOf("vicidial_list"),
    };
  }

  test.each(["GET", "POST"])(
    "brings one lead back, by %s, and writes to VICIdial's log without the password",
    async (method) => {
      expect(await native({ method })).toEqual({
        status: 200,
        type: "text/html; charset=utf-8",
        text: "SUCCESS: lead_dearchive LEAD DE-ARCHIVED: 6666|274071|1|1\n",
        live: [274071, 274073],
      });
      const logged = await rowsOf("vicidial_api_log");
      expect(logged).toMatchObject([
        {
          user: "6666",
          api_script: "non-agent",
          function: "lead_dearchive",
          value: "274071",
          result: "SUCCESS",
          source: "test",
        },
      ]);
      expect(JSON.stringify([logged, await rowsOf("vicidial_api_urls")])).not.toContain("1234");
      expect(await rowsOf("vicidial_api_urls")).toHaveLength(1);
    },
  );

  test.each<[string, Parameters<typeof native>[0], string]>([
    ["a wrong password", { query: { pass: "12345" } }, "ERROR: Login incorrect, please try again: |6666|12345|BAD|\n"],
    ["an unknown user", { query: { user: "nobody" } }, "ERROR: Login incorrect, please try again: |nobody|1234|BAD|\n"],
    [
      "a locked user",
      { user: { failed_login_count: 10, last_login_date: "2999-01-01 00:00:00" } },
      "ERROR: Too many login attempts, try again in 15 minutes: |6666|LOCK|\n",
    ],
    ["a short source", { query: { source: "t!" } }, "ERROR: Invalid Source - t\nERROR: Invalid Source: |t|\n"],
    [
      "a function that is not allowed",
      { user: { api_allowed_functions: " lead_search " } },
      "ERROR: auth USER DOES NOT HAVE PERMISSION TO USE THIS FUNCTION: |6666|lead_dearchive|\n",
    ],
    [
      "a level that is too low",
      { user: { user_level: 7 } },
      "ERROR: lead_dearchive USER DOES NOT HAVE PERMISSION TO MODIFY LEAD INFO: |6666|0|\n",
    ],
    ["no id", { query: { lead_id: "abc" } }, "ERROR: lead_dearchive INVALID SEARCH PARAMETERS: 6666|\n"],
    [
      "a long id",
      { query: { lead_id: "123456789012" } },
      "ERROR: lead_dearchive INVALID SEARCH PARAMETERS: 6666|123456789012\n",
    ],
    [
      "a lead that is not there",
      { query: { lead_id: "1" } },
      "ERROR: lead_dearchive ARCHIVED LEAD NOT FOUND: 6666|1||\n",
    ],
    [
      "a lead of another campaign",
      { user: { user_group: "SALES" }, query: { lead_id: "274072" } },
      "ERROR: lead_dearchive ARCHIVED LEAD NOT FOUND: 6666|274072||\n",
    ],
    [
      "a group whose campaigns have no lists",
      { user: { user_group: "NONE" } },
      "ERROR: lead_dearchive ARCHIVED LEAD NOT FOUND: 6666|274071||\n",
    ],
    [
      "a lead that is live",
      { query: { lead_id: "274073" } },
      "ERROR: lead_dearchive NON-ARCHIVED LEAD FOUND: 6666|274073|9\n",
    ],
  ])("%s is refused in VICIdial's words", async (_name, change, text) => {
    expect(await native(change)).toMatchObject({ status: 200, text, live: [274073] });
  });

  test("a campaign that the group may see lets its leads through", async () => {
    expect((await native({ user: { user_group: "SALES" } })).text).toMatch(/^SUCCESS/);
  });
});

test("the doctor names what is wrong and the statement that would mend it, and runs none", async () => {
  await using own = await mariadbDatabase();
  const connection = await mysql.createConnection({ uri: own.url });
  for (const statement of leadTables({ live: "InnoDB", archive: "MyISAM" })) await connection.query(statement);
  const host = await createTestHost({ role: "web" });
  await using _ = host;
  const vicidial = await createVicidial(host, { url: own.url });
  const advised = async () => (await vicidial.doctor()).findings.flatMap(({ advice }) => advice ?? []);
  expect(await advised()).toEqual([]);

  const archive = "vicidial_list_archive";
  await insertRows(connection, "vicidial_list", [makeLead(1), makeLead(2), makeLead(3)]);
  await insertRows(connection, archive, [
    makeLead(1),
    makeLead(2, { comments: "x" }),
    makeLead(3, { phone_number: "9", entry_date: "2026-01-01 00:00:00" }),
  ]);
  expect((await vicidial.doctor()).twins).toEqual({ equal: 1, differing: 1, collisions: 1 });

  await connection.query(`ALTER TABLE ${archive} DROP PRIMARY KEY, DROP COLUMN owner, ADD COLUMN fax VARCHAR(20) DEFAULT 'no',
    MODIFY called_since_last_reset ENUM('Y','N') DEFAULT 'N', MODIFY first_name VARCHAR(10) CHARACTER SET latin1,
    MODIFY modify_date TIMESTAMP NULL DEFAULT NULL, MODIFY city VARCHAR(50) AFTER email`);
  await connection.query(`CREATE TRIGGER busy BEFORE INSERT ON ${archive} FOR EACH ROW SET NEW.fax = 'x'`);
  const found = (await vicidial.doctor()).findings.map(({ severity, what }) => `${severity}: ${what}`);
  for (const part of [
    /refused: vicidial_list_archive has no unique key on lead_id/,
    /refused: .* has the trigger busy/,
    /refused: vicidial_list_archive has no column owner/,
    /refused: vicidial_list has no column fax/,
    /note: The tables have different engines/,
    /note: The columns stand in another order/,
    /risk: called_since_last_reset is enum/,
    /risk: first_name is varchar\(30\) .* varchar\(10\)/,
    /risk: first_name has the character set utf8mb3 .* latin1/,
    /note: modify_date can be NULL in vicidial_list_archive alone/,
  ]) {
    expect(found).toEqual(expect.arrayContaining([expect.stringMatching(part)]));
  }
  // What it advises works, and leaves nothing to be advised.
  await connection.query("DROP TRIGGER busy");
  for (let round = 0; round < 3; round++) for (const statement of await advised()) await connection.query(statement);
  expect(await advised()).toEqual([]);
  await vicidial.close();
  await connection.end();
});
